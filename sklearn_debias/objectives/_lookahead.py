"""What a virtual step of the model would do to the loss on a meta set.

Ren et al., "Learning to Reweight Examples for Robust Deep Learning", ICML 2018; Shu et al., "Meta-Weight-Net",
NeurIPS 2019. With Phi' = Phi - lr grad_Phi L(Phi, a), the gradient of the meta loss M(Phi') by the arguments a
is ``-lr d<grad_Phi L(Phi, a), v>/da`` with v = grad M(Phi'): no second-order graph of the network that makes
the arguments is needed, only its last output's gradient (`chained`).
"""

from collections.abc import Callable
from dataclasses import replace

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
    return Net(SplitModule(nn.Identity(), net.module.get_submodule("head")), head, net.noise), features


def look_ahead(
    net: Net,
    loss: Callable[..., Tensor],
    arguments: tuple[Tensor, ...],
    meta: tuple[Tensor, Tensor],
    lr: float | Tensor,
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

    Returns
    -------
    meta_loss : scalar Tensor
    gradients : tuple of Tensor
        Like ``arguments``; all detached.
    """
    x, y = meta
    learning = {name for name, p in net.module.named_parameters() if p.requires_grad}
    every = {name: p.detach() for name, p in net.parameters.items()}
    own = {name: p for name, p in every.items() if name in learning}

    def at(phi: dict[str, Tensor]) -> Net:
        return replace(net, params={**every, **phi})

    def gradient(*given: Tensor) -> dict[str, Tensor]:
        return grad(lambda phi: loss(at(phi), *given))(own)

    def meta_loss(phi: dict[str, Tensor]) -> Tensor:
        return cross_entropy(at(phi)(x), y).mean()

    step, pull = vjp(gradient, *(argument.detach() for argument in arguments))  # type: ignore[misc]
    moved = {name: p - lr * step[name].detach() for name, p in own.items()}
    direction, value = grad_and_value(meta_loss)(moved)
    found = pull({name: -lr * v for name, v in direction.items()})
    return value.detach(), tuple(g.detach() for g in found)


def chained(value: Tensor, gradient: Tensor, output: Tensor) -> Tensor:
    """``value``, whose gradient by whatever ``output`` depends on is that of a loss with ``gradient`` by ``output``."""
    return value + (gradient * (output - output.detach())).sum()
