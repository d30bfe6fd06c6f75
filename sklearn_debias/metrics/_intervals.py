"""Exact binomial bounds, for one group and for the worst of several."""

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.stats import beta

from sklearn_debias.arguments import is_real

__all__ = [
    "binomial_bounds",
    "binomial_share",
    "check_confidence",
    "effective_counts",
    "worst_group_bounds",
]


def binomial_bounds(
    hits: npt.ArrayLike, n: npt.ArrayLike, alpha_low: float, alpha_high: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return one-sided Clopper-Pearson bounds, each missed with probability at most its alpha.

    Parameters
    ----------
    hits, n : array-like of shape (...)
        Successes and trials, 0 <= hits <= n, n > 0; need not be integers.
    alpha_low, alpha_high : float
        Error probabilities of the lower and the upper bound, in (0, 1).

    Returns
    -------
    lower, upper : ndarray of shape (...)
        The bounds, in [0, 1].

    References
    ----------
    .. [1] C. Clopper and E. Pearson, "The Use of Confidence or Fiducial Limits Illustrated in the
       Case of the Binomial", Biometrika 26, 1934.
    """
    hits, n = np.broadcast_arrays(np.asarray(hits, dtype=float), np.asarray(n, dtype=float))
    misses = n - hits
    # The beta distribution needs positive parameters. Where there is no hit, or no miss, the 1.0
    # only keeps SciPy quiet: the bound is then 0 or 1, and replaces what comes of it.
    lower = beta.ppf(alpha_low, np.where(hits > 0, hits, 1.0), misses + 1)
    upper = beta.ppf(1 - alpha_high, hits + 1, np.where(misses > 0, misses, 1.0))
    return np.where(hits > 0, lower, 0.0), np.where(misses > 0, upper, 1.0)


def binomial_share(hits: int, n: int, confidence: float) -> tuple[float, float, float]:
    """Return a share and its exact two-sided bounds; NaN of none.

    Parameters
    ----------
    hits, n : int
        Successes and trials, 0 <= hits <= n.
    confidence : float
        Coverage of the bounds, in (0, 1).

    Returns
    -------
    share, lower, upper : float
        In [0, 1], or three times NaN where ``n`` is 0.

    Examples
    --------
    >>> share, lower, upper = binomial_share(9, 10, 0.95)
    >>> share, round(lower, 3), round(upper, 3)
    (0.9, 0.555, 0.997)
    >>> binomial_share(0, 0, 0.95)
    (nan, nan, nan)
    """
    if n == 0:
        return (float("nan"),) * 3
    half = (1 - confidence) / 2
    lower, upper = binomial_bounds(hits, n, half, half)
    return float(hits / n), float(lower), float(upper)


def worst_group_bounds(
    hits: npt.ArrayLike, n: npt.ArrayLike, confidence: float, *, independent: bool = True
) -> tuple[np.ndarray, np.ndarray]:
    """Return bounds for the smallest true accuracy among the groups.

    With alpha = 1 - confidence, each side may err with probability alpha / 2.

    The smallest of the groups' lower bounds lies above the smallest true accuracy only if the lower
    bound of that very group errs. Every lower bound is therefore taken at level alpha / 2, without
    correction.

    The smallest upper bound lies below it as soon as ANY upper bound errs. These therefore share
    alpha / 2: ``1 - (1 - alpha / 2) ** (1 / n_groups)`` each when the groups are disjoint (Sidak),
    ``alpha / (2 * n_groups)`` when they overlap (Bonferroni).

    Parameters
    ----------
    hits, n : array-like of shape (..., n_groups)
        Correct predictions and samples of each group.
    confidence : float
        Probability, in (0, 1), with which the interval covers at least.
    independent : bool, default=True
        Whether the groups are disjoint samples.

    Returns
    -------
    lower, upper : ndarray of shape (...)
        The bounds, in [0, 1].
    """
    half = (1 - confidence) / 2
    n_groups = np.shape(n)[-1]
    shared = 1 - (1 - half) ** (1 / n_groups) if independent else half / n_groups
    lower, upper = binomial_bounds(hits, n, half, shared)
    return lower.min(axis=-1), upper.min(axis=-1)


def effective_counts(
    accuracy: np.ndarray, weight: np.ndarray, weight_squares: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return (hits, n) that carry as much information as the weighted samples.

    n is Kish's effective number, (sum of w)^2 / (sum of w^2). Equal weights give the plain counts,
    so that the bounds are exact; otherwise they are approximate (Korn and Graubard, Survey
    Methodology 24, 1998).
    """
    n = weight**2 / weight_squares
    return accuracy * n, n


def check_confidence(confidence: Any) -> float:
    """Return the confidence as a float; raise a ValueError unless it is a number in (0, 1)."""
    if not is_real(confidence) or not 0 < confidence < 1:
        raise ValueError(
            f"`confidence` must be a number in (0, 1), such as 0.95, got {confidence!r}."
        )
    return float(confidence)
