"""How much of a map lies inside a known mask: "it looks at the bird", measured."""

from typing import Any, NamedTuple

import numpy as np
from scipy import stats

from sklearn_debias.metrics.internal import check_confidence
from sklearn_debias.rows import as_array


class MeanShare(NamedTuple):
    """Mean of `saliency_share` over images.

    Parameters
    ----------
    mean : float
        In [0, 1]; NaN where all maps are zero.
    low, high : float
        Interval of the mean, in [0, 1]; NaN for fewer than two images.
    area : float
        Mean share of the pixels that the mask covers: what a map scores that prefers no pixel.
    n : int
        Images with a map.
    """

    mean: float
    low: float
    high: float
    area: float
    n: int

    def __str__(self) -> str:
        return (
            f"{self.mean:.3f} [{self.low:.3f}, {self.high:.3f}], {self.area:.3f} of the area, "
            f"{self.n} images"
        )


def saliency_share(maps: Any, mask: Any) -> np.ndarray:
    """Return the share of each map's saliency that lies inside a mask.

    Parameters
    ----------
    maps : array-like of shape (n, h, w) or (n, d)
        At least 0, as `attribute` gives them.
    mask : array-like of bool of shape (h, w) or (n, h, w); (d,) or (n, d)
        True inside the patch, the object, the background: one for all maps, or one each.

    Returns
    -------
    ndarray of shape (n,)
        In [0, 1]; NaN where a map is zero everywhere.

    Raises
    ------
    ValueError
        If a map is negative or not finite, the mask is not bool or has another size, or it marks
        nothing or all.

    Examples
    --------
    >>> from sklearn_debias.attribution import saliency_share
    >>> saliency_share(
    ...     [[[1.0, 0.0], [0.5, 0.5]], [[0.0, 0.0], [0.0, 0.0]]], [[True, False], [False, False]]
    ... )
    array([0.5, nan])
    """
    maps, mask = _checked(maps, mask)
    axes = tuple(range(1, maps.ndim))
    total = maps.sum(axes)
    inside = np.where(mask, maps, 0).sum(axes)
    # Zero maps are divided by 1 on the way to NaN, which spares NumPy's warning.
    return np.where(total > 0, inside / np.where(total > 0, total, 1), np.nan)


def mean_saliency_share(maps: Any, mask: Any, *, confidence: float = 0.95) -> MeanShare:
    """Return the mean share of saliency inside a mask, with its interval over images.

    Parameters
    ----------
    maps, mask : array-like
        As in `saliency_share`.
    confidence : float, default=0.95
        Of Student's interval of the mean, cut to [0, 1]: the images are a sample, the network is
        given. It is approximate, and short for a few images with very unequal shares.

    Returns
    -------
    MeanShare
        ``mean``, ``low``, ``high``, ``area``, ``n``. Zero maps are left out.

    Raises
    ------
    ValueError
        As `saliency_share` does, and for a ``confidence`` outside (0, 1).

    Examples
    --------
    >>> from sklearn_debias.attribution import mean_saliency_share
    >>> print(mean_saliency_share([[[0.5, 1.0]], [[0.6, 0.9]], [[0.7, 1.0]]], [[True, False]]))
    0.382 [0.277, 0.487], 0.500 of the area, 3 images
    """
    alpha = 1 - check_confidence(confidence)
    shares = saliency_share(maps, mask)
    seen = ~np.isnan(shares)
    area = (
        np.broadcast_to(as_array(mask, "mask"), as_array(maps, "maps").shape)[seen].mean()
        if seen.any()
        else np.nan
    )
    n = int(seen.sum())
    shares = shares[seen]
    mean = float(shares.mean()) if n else np.nan
    if n < 2:
        return MeanShare(mean, np.nan, np.nan, float(area), n)
    half = float(stats.t.ppf(1 - alpha / 2, n - 1) * shares.std(ddof=1) / np.sqrt(n))
    return MeanShare(mean, max(0.0, mean - half), min(1.0, mean + half), float(area), n)


def _checked(maps: Any, mask: Any) -> tuple[np.ndarray, np.ndarray]:
    maps = as_array(maps, "maps")
    mask = as_array(mask, "mask")
    if maps.ndim not in (2, 3) or maps.dtype.kind not in "fiub":
        raise ValueError(
            f"`maps` must be numbers of shape (n, h, w) or (n, d), got {maps.dtype} of shape "
            f"{maps.shape}. Add up the channels: np.abs(maps).sum(axis=1)."
        )
    maps = maps.astype(float)
    if not np.isfinite(maps).all() or (maps < 0).any():
        raise ValueError(
            "`maps` must be finite and at least 0, got others. Take np.abs(maps) of signed ones."
        )
    if mask.dtype != bool:
        raise ValueError(f"`mask` must be bool, got {mask.dtype}. Use mask > 0.5.")
    if mask.shape not in (maps.shape, maps.shape[1:]):
        raise ValueError(
            f"`mask` must have shape {maps.shape[1:]} or {maps.shape}, like the maps, got "
            f"{mask.shape}."
        )
    if mask.all() or not mask.any():
        raise ValueError(
            f"`mask` must mark some places and leave others, got {mask.mean():.0%} True."
        )
    return maps, mask
