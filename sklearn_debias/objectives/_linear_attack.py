"""Attacks on linear networks, without autograd and without the features' number.

With ``z = W x + b`` the gradient of a loss by x is its gradient by z, times W. From x on, all steps
lie in the span of W's rows. With ``W = L Q``, Q of orthonormal rows, a perturbation is ``c Q``: it
moves the logits by ``L c`` and is as long as its coordinates c. So an L2 attack runs among the few
coordinates, by the loop and the ball that would run among the features.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from sklearn_debias.attacks import L2, Ball, ascend
from sklearn_debias.core import Net
from sklearn_debias.core.internal import LinearNet, linear_layer

Slope = Callable[..., Sequence[Tensor]]


@dataclass(frozen=True)
class Attacked:
    """Inputs that an attack has found: as they are, or as coordinates in a few directions.

    Parameters
    ----------
    x : Tensor of shape (b, ...)
        The inputs found; with coordinates those before the attack, (b, d).
    coordinates : Tensor of shape (b, r), default=None
    directions : Tensor of shape (r, d), default=None
    """

    x: Tensor
    coordinates: Tensor | None = None
    directions: Tensor | None = None

    @property
    def inputs(self) -> Tensor:
        """The inputs found, (b, ...)."""
        if self.coordinates is None or self.directions is None:
            return self.x
        return self.x + self.coordinates @ self.directions

    def logits(self, net: Net) -> Tensor:
        """Return the logits (b, k) of the inputs found."""
        layer = None if self.directions is None else linear_layer(net, self.x)
        if layer is None or self.coordinates is None or self.directions is None:
            return net(self.inputs)
        # The members of a sweep share x, but no attacked inputs: a net is asked for x only.
        return net(self.x) + self.coordinates @ (self.directions @ layer[0].mT)

    def closed_logits(self, net: LinearNet) -> Tensor:
        """Return the logits (k, b) of the inputs found, where the net is linear."""
        if self.coordinates is None or self.directions is None:
            return net.logits(self.x)
        return net.logits(self.x) + (net.weight @ self.directions.mT) @ self.coordinates.mT

    def pull(self, net: LinearNet, residual: Tensor) -> None:
        """Give a linear net the gradient by these logits."""
        moved = None
        if self.coordinates is not None and self.directions is not None:
            moved = self.coordinates, self.directions
        net.pull(residual, self.x, moved)


def attack_linear(
    slope: Slope,
    nets: Sequence[Net | LinearNet],
    x: Tensor,
    *,
    ball: Ball,
    n_steps: int,
    start: Tensor | None = None,
    clip: tuple | None = None,
) -> Attacked | None:
    """Do what `ascend` does, where a loss sees its input through linear nets only.

    Parameters
    ----------
    slope : callable
        Maps the logits of the nets, (b, k) each, to the gradients of each sample's loss by them.
    nets : sequence of Net
        Frozen.
    x : Tensor of shape (b, ...)
    ball, n_steps, start, clip
        See `ascend`.

    Returns
    -------
    Attacked or None
        Detached; None where one of the nets is not linear.
    """
    layers = [linear_layer(net, x) for net in nets]
    known = [layer for layer in layers if layer is not None]
    if len(known) < len(layers):
        return None
    options: dict[str, Any] = {"ball": ball, "n_steps": n_steps}
    with torch.no_grad():
        weight, bias = (_apart(values) for values in zip(*known, strict=True))

        def by_rows(z: Tensor) -> Tensor:
            first, *others = z.chunk(len(nets), 1)
            by_first, *by_others = slope(first, *(first + other for other in others))
            return torch.cat([sum(by_others, by_first), *by_others], 1)

        # Clipping and other norms look at single features, and a start lies anywhere.
        if start is not None or clip is not None or not isinstance(ball, L2):
            gradient = lambda x: by_rows(F.linear(x, weight, bias)) @ weight  # noqa: E731
            found = ascend(None, x, start=start, clip=clip, gradient=gradient, **options)
            return Attacked(found)
        # Not by the products of the rows: their root would lose half of the digits.
        directions, own = torch.linalg.qr(weight.mT)
        z = F.linear(x, weight, bias)
        coordinates = ascend(
            None,
            z.new_zeros(len(x), own.shape[0]),
            gradient=lambda c: by_rows(z + c @ own) @ own.mT,
            **options,
        )
        return Attacked(x, coordinates, directions.mT)


def _apart(values: Sequence[Tensor]) -> Tensor:
    """Return the first net's values, then how far those of the others are from it."""
    # Between equal nets no rounding is then left, which an attack would climb.
    first, *others = values
    return torch.cat([first, *(other - first for other in others)])
