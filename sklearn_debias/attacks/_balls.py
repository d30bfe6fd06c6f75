"""Norm balls around each sample: how to step in them, and how to stay in them."""

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

TINY = 1e-12  # a gradient of zeros stays 0, not 0 / 0
SMALL = 1e-6  # a norm beside which TINY is nothing


class Ball(Protocol):
    """A norm's ball, as `ascend` needs to know it."""

    def direction(self, gradient: Tensor) -> Tensor:
        """Return the steepest direction of length 1, per sample."""

    def project(self, delta: Tensor) -> Tensor:
        """Return the nearest perturbation inside the ball, per sample."""

    def random(self, x: Tensor, generator: torch.Generator | None) -> Tensor:
        """Draw perturbations like ``x``, uniform in the ball."""

    @property
    def step_size(self) -> float | Tensor:
        """Length of one step."""


def _norm(x: Tensor) -> Tensor:
    """Return the L2 norm per sample, shape (b, 1, ..., 1)."""
    return x.flatten(1).norm(dim=1).view(-1, *[1] * (x.ndim - 1))


def unit(x: Tensor) -> Tensor:
    """Return each sample of ``x`` at the length 1, whatever its own; zeros stay zeros."""
    info = torch.finfo(x.dtype)
    size = _norm(x)
    # The squares of tiny entries underflow, and those of huge ones overflow.
    lift = torch.where(size < info.max, torch.ones_like(size), info.max**-0.75)
    lift = torch.where(size < info.tiny**0.25, info.tiny**-0.5, lift)
    x = x * lift
    # Usual rows keep their bits: x * 1 is x.
    usual = (size > SMALL) & (size < info.max)
    return x / torch.where(usual, size * lift + TINY, _norm(x).clamp(min=info.tiny))


@dataclass(frozen=True)
class L2:
    """Euclidean ball per sample.

    Parameters
    ----------
    radius : float or scalar Tensor
        At least 0, in the units of the input.
    step_size : float or scalar Tensor
        Length of one step.

    Examples
    --------
    >>> import torch
    >>> L2(radius=1.0, step_size=0.5).project(torch.tensor([[3.0, 4.0], [0.3, 0.4]]))
    tensor([[0.6000, 0.8000],
            [0.3000, 0.4000]])
    """

    radius: float | Tensor
    step_size: float | Tensor

    def direction(self, gradient: Tensor) -> Tensor:
        """Return ``g / |g|_2`` per sample, and 0 where g is."""
        return unit(gradient)

    def project(self, delta: Tensor) -> Tensor:
        """Scale what lies outside back to the radius, per sample."""
        size = _norm(delta).clamp(min=torch.finfo(delta.dtype).tiny)
        return delta * (self.radius / size).clamp(max=1.0)

    def random(self, x: Tensor, generator: torch.Generator | None) -> Tensor:
        """Draw uniformly in the ball: a normal direction, a length of radius * u^(1/d)."""
        normal = torch.empty_like(x).normal_(generator=generator)
        share = torch.empty_like(x[:, :1].flatten(1)[:, :1]).uniform_(generator=generator)
        length = self.radius * share ** (1 / x[0].numel())
        return self.direction(normal) * length.view(-1, *[1] * (x.ndim - 1))


@dataclass(frozen=True)
class Linf:
    """Maximum-norm ball per sample.

    Parameters
    ----------
    radius : float or scalar Tensor
        At least 0, in the units of the input.
    step_size : float or scalar Tensor
        Length of one step, per coordinate.

    Examples
    --------
    >>> import torch
    >>> Linf(radius=0.1, step_size=0.02).project(torch.tensor([[0.3, -0.05]]))
    tensor([[ 0.1000, -0.0500]])
    """

    radius: float | Tensor
    step_size: float | Tensor

    def direction(self, gradient: Tensor) -> Tensor:
        """Return the sign of the gradient."""
        return gradient.sign()

    def project(self, delta: Tensor) -> Tensor:
        """Clamp every coordinate to the radius."""
        return delta.clamp(-self.radius, self.radius)  # type: ignore[arg-type]

    def random(self, x: Tensor, generator: torch.Generator | None) -> Tensor:
        """Draw uniformly in the ball, coordinate by coordinate."""
        return torch.empty_like(x).uniform_(-1, 1, generator=generator) * self.radius


def make_ball(
    norm: str, epsilon: float | Tensor, step_size: float | Tensor | None, n_steps: int
) -> Ball:
    """Return the ball of ``norm`` ("l2" or "linf") with radius ``epsilon``.

    ``step_size=None`` means ``2.5 epsilon / n_steps``, and at most ``epsilon``.
    """
    step = epsilon * min(2.5 / n_steps, 1.0) if step_size is None else step_size
    return L2(epsilon, step) if norm == "l2" else Linf(epsilon, step)
