"""The one attack loop: projected gradient ascent."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.func import grad

from sklearn_debias.attacks._balls import Ball

Bound = Any  # a float, or a tensor that broadcasts


def ascend(
    loss: Callable[[Tensor], Tensor] | None,
    x: Tensor,
    *,
    ball: Ball,
    n_steps: int,
    start: Tensor | None = None,
    clip: tuple[Bound, Bound] | None = None,
    sign: float = 1.0,
    live: bool = False,
    gradient: Callable[[Tensor], Tensor] | None = None,
) -> Tensor:
    """Move each sample inside a ball so that its loss rises: PGD [1]_.

    Parameters
    ----------
    loss : callable or None
        Maps inputs like ``x`` to one loss per sample, shape (b,). Its nets are frozen by the
        caller. None where its ``gradient`` is given.
    x : Tensor of shape (b, ...)
    ball : Ball
        ``L2(radius, step_size)`` or ``Linf(radius, step_size)``.
    n_steps : int
        Number of gradient steps, at least 1.
    start : Tensor like x, default=None
        First perturbation, e.g. ``ball.random(x, generator)``; None starts at ``x``.
    clip : (low, high), default=None
        Range of valid inputs: floats, or tensors that broadcast against ``x`` (per channel).
    sign : float, default=1.0
        -1 descends.
    live : bool, default=False
        Whether the tensors are plain ones, not those of a vmapped run: autograd then costs less
        than transforms.
    gradient : callable, default=None
        Maps inputs like ``x`` to the gradient of each sample's loss by its own input, like ``x``,
        where that is known in closed form. None asks autograd.

    Returns
    -------
    Tensor like x
        The last iterate, detached.

    Raises
    ------
    ValueError
        For fewer steps than one, and where neither a loss nor a gradient is given.

    References
    ----------
    .. [1] Madry et al., "Towards Deep Learning Models Resistant to Adversarial Attacks", ICLR 2018.

    Examples
    --------
    >>> import torch
    >>> from sklearn_debias.attacks import Linf, ascend
    >>> ascend(lambda x: -(x**2).sum(1), torch.ones(1, 2), ball=Linf(0.5, 0.2), n_steps=5)
    tensor([[0.5000, 0.5000]])
    """
    if n_steps < 1:
        raise ValueError(f"`n_steps` must be at least 1, got {n_steps!r}.")
    slope = _slope(loss, x, live) if gradient is None else lambda delta: gradient(x + delta)
    delta = torch.zeros_like(x) if start is None else within(x, start, clip)
    # Nothing outside is recorded; the gradients inside are taken all the same.
    with torch.no_grad():
        for _ in range(n_steps):
            step = sign * ball.step_size * ball.direction(slope(delta))
            delta = within(x, ball.project(delta + step), clip)
        return (x + delta).detach()


def _slope(
    loss: Callable[[Tensor], Tensor] | None, x: Tensor, live: bool
) -> Callable[[Tensor], Tensor]:
    """Return the function that differentiates the loss by the perturbation."""
    if loss is None:
        raise ValueError("`loss` must be a callable where no `gradient` is given, got None.")
    return _by_autograd(loss, x) if live else grad(lambda delta: loss(x + delta).sum())


def _by_autograd(loss: Callable[[Tensor], Tensor], x: Tensor) -> Callable[[Tensor], Tensor]:
    """Return what `torch.func.grad` would, for less: it serves plain tensors only."""

    def gradient(delta: Tensor) -> Tensor:
        with torch.enable_grad():
            delta = delta.detach().requires_grad_()
            total = loss(x + delta).sum()
            # A loss that does not see x has the gradient 0, as it has for `torch.func.grad`.
            return torch.autograd.grad(total, delta, allow_unused=True, materialize_grads=True)[0]

    return gradient


def within(x: Tensor, delta: Tensor, clip: tuple[Bound, Bound] | None) -> Tensor:
    """Return what is left of the perturbation ``delta`` when ``x + delta`` is clipped."""
    return delta if clip is None else (x + delta).clamp(*clip) - x
