"""What a virtual step of the model would do to the loss on a meta set.

Ren et al., "Learning to Reweight Examples for Robust Deep Learning", ICML 2018; Shu et al.,
"Meta-Weight-Net", NeurIPS 2019. With Phi' = Phi - lr grad_Phi L(Phi, a), the gradient of the meta
loss M(Phi') by the arguments a is ``-lr d<grad_Phi L(Phi, a), v>/da`` with v = grad M(Phi'): no
second-order graph of the network that makes the arguments is needed, only its last output's
gradient (`chained`).
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import grad, grad_and_value, vjp

from sklearn_debias.core import Net, SplitModule
from sklearn_debias.losses import cross_entropy


def view(net: Net, x: Tensor, part: str) -> tuple[Net, Tensor]:
    """The net whose parameters step virtually, and what it sees of ``x``; buffers are left alone.

    With part "head" the features count as given.
    """
    if part == "all":
        return replace(net, params=net.parameters), x
    fixed = replace(net, params={name: p.detach() for name, p in net.parameters.items()})
    with torch.no_grad():
        features = fixed.body(x)
    head = {name: p for name, p in net.parameters.items() if name.startswith("head.")}
    return Net(
        SplitModule(nn.Identity(), net.module.get_submodule("head")), head, net.noise
    ), features


def look_ahead(
    net: Net,
    loss: Callable[..., Tensor],
    arguments: tuple[Tensor, ...],
    meta: tuple[Tensor, Tensor],
    lr: float | Tensor,
    *,
    live: bool = False,
) -> tuple[Tensor, tuple[Tensor, ...]]:
    """Cross entropy of the meta rows after one virtual step, and its gradients by the arguments.

    The step is plain SGD: no momentum, no weight decay.

    Parameters
    ----------
    net : Net
        From `view`.
    loss : callable
        ``loss(net, *arguments)``, a scalar: the training loss to step on.
    arguments : tuple of Tensor
    meta : (x, y)
        What the net sees of the meta rows, from `view`, and their classes (m,).
    lr : float or scalar Tensor
        Size of the step.
    live : bool, default=False
        Whether the tensors are plain ones, not those of a vmapped run: autograd then costs less
        than transforms.

    Returns
    -------
    meta_loss : scalar Tensor
    gradients : tuple of Tensor
        Like ``arguments``; all detached.
    """
    x, y = meta
    every = {name: p.detach() for name, p in net.parameters.items()}
    names = list(net.trainable)

    def training_loss(phi: tuple[Tensor, ...], *given: Tensor) -> Tensor:
        return loss(replace(net, params={**every, **dict(zip(names, phi, strict=True))}), *given)

    def meta_loss(phi: tuple[Tensor, ...]) -> Tensor:
        return cross_entropy(
            replace(net, params={**every, **dict(zip(names, phi, strict=True))})(x), y
        ).mean()

    own = tuple(every[name] for name in names)
    given = tuple(argument.detach() for argument in arguments)
    solve = _by_autograd if live else _by_transforms
    return solve(training_loss, meta_loss, own, given, lr)


Solution = tuple[Tensor, tuple[Tensor, ...]]


def _by_transforms(
    training_loss: Callable,
    meta_loss: Callable,
    phi: tuple[Tensor, ...],
    given: tuple[Tensor, ...],
    lr: Any,
) -> Solution:
    step, pull = vjp(lambda *arguments: grad(training_loss)(phi, *arguments), *given)  # type: ignore[misc]
    direction, value = grad_and_value(meta_loss)(
        tuple(p - lr * g.detach() for p, g in zip(phi, step, strict=True))
    )
    found = pull(tuple(-lr * v for v in direction))
    return value.detach(), tuple(g.detach() for g in found)


@torch.enable_grad()
def _by_autograd(
    training_loss: Callable,
    meta_loss: Callable,
    phi: tuple[Tensor, ...],
    given: tuple[Tensor, ...],
    lr: Any,
) -> Solution:
    phi, given = (tuple(t.requires_grad_() for t in tensors) for tensors in (phi, given))
    unused: dict[str, Any] = {
        "allow_unused": True,
        "materialize_grads": True,
    }  # of layers that the loss does not reach
    step = torch.autograd.grad(training_loss(phi, *given), phi, create_graph=True, **unused)
    moved = tuple((p - lr * g).detach().requires_grad_() for p, g in zip(phi, step, strict=True))
    value = meta_loss(moved)
    direction = torch.autograd.grad(value, moved, **unused)
    along = sum((g * (-lr * v)).sum() for g, v in zip(step, direction, strict=True))
    found = torch.autograd.grad(along, given, **unused)
    return value.detach(), found


def chained(value: Tensor, gradient: Tensor, output: Tensor) -> Tensor:
    """``value``, whose gradient by whatever ``output`` depends on is that of a loss with ``gradient`` by ``output``."""
    return value + (gradient * (output - output.detach())).sum()
