"""A virtual step of the model, and what it would do to the loss on a meta set.

Ren et al., "Learning to Reweight Examples for Robust Deep Learning", ICML 2018; Shu et al.,
"Meta-Weight-Net", NeurIPS 2019. With Phi' = Phi - lr grad_Phi L(Phi, a), the gradient of the meta
loss M(Phi') by the arguments a is ``-lr d<grad_Phi L(Phi, a), v>/da`` with v = grad M(Phi'): no
second-order graph of the network that makes the arguments is needed, only its last output's
gradient (`chained`).
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.func import grad, grad_and_value, vjp
from torch.nn.attention import SDPBackend, sdpa_kernel

from sklearn_debias.core import Net, SplitModule
from sklearn_debias.losses import cross_entropy


class Ahead(NamedTuple):
    """What `look_ahead` has found; all of it is detached.

    Parameters
    ----------
    value : scalar Tensor
        The meta loss after the virtual step.
    gradients : tuple of Tensor
        By the arguments, and like them.
    slopes : tuple of Tensor
        Those of the training loss before the step.
    way : dict of str to Tensor
        The gradient of the meta loss by the parameters that stepped, times -lr.
    """

    value: Tensor
    gradients: tuple[Tensor, ...]
    slopes: tuple[Tensor, ...]
    way: dict[str, Tensor]


def view(net: Net, x: Tensor, part: str) -> tuple[Net, Tensor]:
    """Return the net whose parameters step virtually, and what it sees of ``x``.

    With part "head" the features count as given. Buffers are left alone.
    """
    if part == "all":
        # Given parameters, though they are the live ones: such a net does not write its buffers.
        return replace(net, params=net.parameters), x
    fixed = replace(net, params={name: p.detach() for name, p in net.parameters.items()})
    with torch.no_grad():
        features = fixed.body(x)
    head = {name: p for name, p in net.parameters.items() if name.startswith("head.")}
    alone = SplitModule(nn.Identity(), net.module.get_submodule("head"))
    return Net(alone, head, net.noise), features


def look_ahead(
    net: Net,
    loss: Callable[..., Tensor],
    arguments: tuple[Tensor, ...],
    meta: tuple[Tensor, Tensor],
    lr: float | Tensor,
    *,
    live: bool = False,
) -> Ahead:
    """Return the cross entropy of the meta rows after one virtual step, and its gradients.

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
    Ahead
    """
    x, y = meta
    every = {name: p.detach() for name, p in net.parameters.items()}
    names = list(net.trainable)

    def at(phi: tuple[Tensor, ...]) -> Net:
        # Parameters that do not learn stay where they are.
        return replace(net, params={**every, **dict(zip(names, phi, strict=True))})

    def training_loss(phi: tuple[Tensor, ...], *given: Tensor) -> Tensor:
        return loss(at(phi), *given)

    def meta_loss(phi: tuple[Tensor, ...]) -> Tensor:
        return cross_entropy(at(phi)(x), y).mean()

    own = tuple(every[name] for name in names)
    given = tuple(argument.detach() for argument in arguments)
    solve = _by_autograd if live else _by_transforms
    # Only the reference kernel of attention has a second derivative.
    with sdpa_kernel(SDPBackend.MATH):
        value, found, slopes, way = solve(training_loss, meta_loss, own, given, lr)
    return Ahead(value, found, slopes, dict(zip(names, way, strict=True)))


Several = tuple[Tensor, ...]
Solution = tuple[Tensor, Several, Several, Several]


def _by_transforms(
    training_loss: Callable,
    meta_loss: Callable,
    phi: tuple[Tensor, ...],
    given: tuple[Tensor, ...],
    lr: Any,
) -> Solution:
    """Solve in a vmapped run, where autograd is out of reach."""
    every = tuple(range(1 + len(given)))
    (step, *slopes), pull = vjp(
        lambda *arguments: grad(training_loss, argnums=every)(phi, *arguments), *given
    )  # type: ignore[misc]
    moved = tuple(p - lr * g.detach() for p, g in zip(phi, step, strict=True))
    direction, value = grad_and_value(meta_loss)(moved)
    # -lr d<step, direction>/da, a vector times a Jacobian: see above.
    way = tuple(-lr * v for v in direction)
    found = pull((way, *(torch.zeros_like(slope) for slope in slopes)))
    return value.detach(), _detached(found), _detached(slopes), _detached(way)


@torch.enable_grad()
def _by_autograd(
    training_loss: Callable,
    meta_loss: Callable,
    phi: tuple[Tensor, ...],
    given: tuple[Tensor, ...],
    lr: Any,
) -> Solution:
    """Solve for plain tensors, for less; the result is the same."""
    phi = tuple(p.requires_grad_() for p in phi)
    given = tuple(a.requires_grad_() for a in given)
    # Layers that a loss does not reach have the gradient 0.
    unused: dict[str, Any] = {"allow_unused": True, "materialize_grads": True}
    loss = training_loss(phi, *given)
    first = torch.autograd.grad(loss, (*phi, *given), create_graph=True, **unused)
    step, slopes = first[: len(phi)], first[len(phi) :]
    # Detached: the way through the step is taken by the products below, see above.
    moved = tuple((p - lr * g).detach().requires_grad_() for p, g in zip(phi, step, strict=True))
    value = meta_loss(moved)
    direction = torch.autograd.grad(value, moved, **unused)
    way = tuple(-lr * v for v in direction)
    along = sum((g * v).sum() for g, v in zip(step, way, strict=True))
    found = torch.autograd.grad(along, given, **unused)
    # Zeros that stand for what is unused ask for a gradient in torch 2.8.
    return value.detach(), _detached(found), _detached(slopes), _detached(way)


def _detached(values: Sequence[Tensor]) -> Several:
    return tuple(value.detach() for value in values)


def chained(value: Tensor, gradient: Tensor, output: Tensor) -> Tensor:
    """Return ``value`` with the gradient of a loss whose slope by ``output`` is ``gradient``.

    It reaches whatever ``output`` depends on.
    """
    # What is added is 0 in value.
    return value + (gradient * (output - output.detach())).sum()
