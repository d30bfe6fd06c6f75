"""Full covariances as a linear head sees them, and what a meta gradient makes of them.

A head with weights w spreads Sigma_c by ``rho_cj = 1/2 u Sigma_c u^T`` with ``u = w_j - w_c``. One
product of Sigma with the weights gives rho and its gradient, and no step asks for more: neither the
virtual one nor the real one moves the head before it is read. The meta gradient by Sigma_c is

``sum_j r_cj / 2 u^T u + q_cj / 2 (u^T v + v^T u)``, ``v = V_j - V_c``,

with q and r the gradients by rho of the training loss and of what the meta loss makes of it, and V
the way on which the meta loss looks at the head. It is never written out, which would be a matrix
(d, d) per class: how it spreads follows from the products of u and v.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from sklearn_debias.losses import spread
from sklearn_debias.objectives._class_statistics import descended, in_full
from sklearn_debias.objectives._lookahead import Ahead


@dataclass(frozen=True)
class SeenCovariance:
    """What the spread of full covariances is around the weights of a head.

    Its classes are all k, or, of more classes than samples, those of the samples.

    Parameters
    ----------
    weight : Tensor of shape (k, d)
        Where it was looked at, detached.
    classes : Tensor of shape (m,), int64
    row : Tensor of shape (b,), int64
        Where the class of each sample is among the classes.
    rho : Tensor of shape (m, k)
        The spread at ``weight``, and its gradient by the weights:
    slope : Tensor of shape (m, k, d)
        ``(w_j - w_c) Sigma_c``.
    taken : (Tensor of shape (m, k), Tensor of shape (m, k), Tensor of shape (k, d)), default=None
        r, q and V of a meta gradient that was subtracted, times its learning rate.
    """

    weight: Tensor
    classes: Tensor
    row: Tensor
    rho: Tensor
    slope: Tensor
    taken: tuple[Tensor, Tensor, Tensor] | None = None

    def spread(self, weight: Tensor) -> Tensor:
        """Return what `losses.spread` does, in the classes' rows, and its first derivative; (m, k).

        ``weight`` (k, d) must have the values of the weights that were looked at.
        """
        moved = weight - self.weight
        rho = self.rho + (self.slope * apart(moved, self.classes)).sum(-1)
        if self.taken is None:
            return rho
        by_spread, by_slope, way = self.taken
        along = self._products(self.weight, weight)
        across = self._products(way, weight)
        less = (by_spread[:, :, None] * along + 2 * by_slope[:, :, None] * across) * along
        return rho - 0.25 * less.sum(1)

    def _products(self, one: Tensor, other: Tensor) -> Tensor:
        """Return ``(one_j - one_c) (other_i - other_c)^T``, (m, k, k): class, j, i."""
        all_products = one @ other.mT
        own = all_products[self.classes]
        others = all_products[:, self.classes].mT - own.gather(1, self.classes[:, None])
        return all_products - own[:, None, :] - others[:, :, None]


Covariance = Tensor | SeenCovariance


@in_full
def seen(covariance: Tensor, weight: Tensor, y: Tensor) -> Covariance:
    """Return full covariances (k, d, d) as the weights (k, d) see them, detached; others as given.

    They are symmetric.
    """
    if covariance.ndim == 2:
        return covariance
    weight = weight.detach()
    classes, row = _rows(y, len(weight))
    own = covariance[y] if len(y) < len(weight) else covariance
    product = weight @ own
    at = classes[:, None, None].expand(-1, 1, weight.shape[1])
    slope = product - product.gather(1, at)
    rho = 0.5 * (slope * apart(weight, classes)).sum(-1)
    return SeenCovariance(weight, classes, row, rho, slope)


def spread_of_samples(weight: Tensor, covariance: Covariance, y: Tensor) -> Tensor:
    """Return how far the head spreads each sample's class towards the others, (b, k)."""
    if isinstance(covariance, SeenCovariance):
        return covariance.spread(weight)[covariance.row]
    return spread(weight, covariance)[y]


def argument(covariance: Covariance) -> Tensor:
    """Return what a loss is differentiated by in place of the covariances."""
    return covariance.rho if isinstance(covariance, SeenCovariance) else covariance


def row_of(covariance: Covariance, y: Tensor) -> Tensor:
    """Return in which row of the spread each sample's class is, (b,)."""
    return covariance.row if isinstance(covariance, SeenCovariance) else y


def at_argument(covariance: Covariance, value: Tensor) -> Covariance:
    """Return the covariances with another `argument`."""
    return replace(covariance, rho=value) if isinstance(covariance, SeenCovariance) else value


def learned(covariance: Covariance, ahead: Ahead, lr: float | Tensor) -> dict[str, Tensor]:
    """Return the covariances after one step of SGD, to be carried to the real step.

    Their `argument` is the first that was looked ahead on.
    """
    gradient = ahead.gradients[0]
    if not isinstance(covariance, SeenCovariance):
        return {"covariance": descended(covariance, gradient, lr)}
    return {
        "rho": covariance.rho,
        "slope": covariance.slope,
        "by_spread": lr * gradient,
        "by_slope": lr * ahead.slopes[0],
        "way": ahead.way["head.weight"],
    }


def carried(carry: Mapping[str, Tensor], weight: Tensor, y: Tensor) -> Covariance | None:
    """Return the covariances that a step has `learned`, None where it has not."""
    if "rho" not in carry:
        return carry.get("covariance")
    taken = carry["by_spread"], carry["by_slope"], carry["way"]
    classes, row = _rows(y, len(weight))
    return SeenCovariance(weight.detach(), classes, row, carry["rho"], carry["slope"], taken)


def apart(weight: Tensor, classes: Tensor) -> Tensor:
    """Return ``w_j - w_c``, (m, k, d)."""
    return weight - weight[classes][:, None]


def _rows(y: Tensor, n_classes: int) -> tuple[Tensor, Tensor]:
    """Return the classes that are looked at, and where each sample's is among them."""
    if len(y) < n_classes:
        return y, torch.arange(len(y), device=y.device)
    return torch.arange(n_classes, device=y.device), y
