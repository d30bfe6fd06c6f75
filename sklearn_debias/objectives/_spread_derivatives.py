"""Derivatives of the spread of covariances by the head and by themselves, in closed form.

The spread is ``rho_cj = 1/2 u Sigma_c u^T``, ``u = w_j - w_c``. Covariances are seen ones or
diagonals (k, d), `Covariance`; where rho has rows of its own, (m, k), so have these.
"""

from torch import Tensor

from sklearn_debias.objectives._seen_covariance import Covariance, SeenCovariance, apart


def along(covariance: Covariance, weight: Tensor, way: Tensor) -> Tensor:
    """Return how fast rho grows as the weights go a ``way`` (k, d): ``u Sigma_c v^T``, (m, k).

    v is of the way what u is of the weights.
    """
    if isinstance(covariance, SeenCovariance):
        return (covariance.slope * apart(way, covariance.classes)).sum(-1)
    crossed = (covariance * weight) @ way.mT
    own = crossed.diagonal()[:, None]
    return covariance @ (weight * way).mT - crossed - (covariance * way) @ weight.mT + own


def by_weight(covariance: Covariance, weight: Tensor, slope: Tensor) -> Tensor:
    """Return the gradient by the weights, (k, d), of what has the gradient ``slope`` by rho."""
    if isinstance(covariance, SeenCovariance):
        each = slope[:, :, None] * covariance.slope
        return each.sum(0).index_add(0, covariance.classes, -each.sum(1))
    towards = (slope.mT @ covariance) * weight - slope.mT @ (covariance * weight)
    return towards - covariance * (slope @ weight - slope.sum(1, keepdim=True) * weight)


def by_covariance(
    covariance: Covariance, weight: Tensor, way: Tensor, curve: Tensor, slope: Tensor
) -> Tensor:
    """Return the gradient of ``sum curve rho + slope along``, by what `argument` names.

    That of a seen covariance is ``curve`` itself: `SeenCovariance` knows the rest.
    """
    if isinstance(covariance, SeenCovariance):
        return curve
    squares = curve @ weight.square() - 2 * (curve @ weight) * weight
    squares = squares + curve.sum(1, keepdim=True) * weight.square()
    crossed = slope @ (weight * way) - (slope @ weight) * way - (slope @ way) * weight
    return 0.5 * squares + crossed + slope.sum(1, keepdim=True) * weight * way
