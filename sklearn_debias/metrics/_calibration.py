"""Calibration: how far probabilities are from the frequencies that they promise."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from sklearn_debias.arguments import check_option, in_our_words, is_switch, is_whole
from sklearn_debias.metrics._encoding import check_weights, encode_labels
from sklearn_debias.metrics._numeric import real_array
from sklearn_debias.metrics._types import Encoded
from sklearn_debias.rows import check_same_rows

__all__ = ["bin_of", "calibration_gap", "expected_calibration_error", "reliability", "two_classes"]

NORMS = ("l1", "l2", "max")
STRATEGIES = ("uniform", "quantile")
MOST_BINS = 100_000
ROUNDING = 1e-3  # by which the probabilities of a row may miss 1, as those of float16 do


@in_our_words
def expected_calibration_error(
    y_true: npt.ArrayLike,
    y_prob: npt.ArrayLike,
    *,
    n_bins: int = 15,
    strategy: str = "uniform",
    norm: str = "l1",
    debias: bool = False,
    labels: npt.ArrayLike | None = None,
    sample_weight: npt.ArrayLike | None = None,
) -> float:
    """Return the expected calibration error: the mean gap of frequency and probability over bins.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        True class labels.
    y_prob : array-like of shape (n_samples,) or (n_samples, n_classes)
        Probabilities, in [0, 1]. Of two classes that of the second one counts, whether given alone
        or as the second column [1]_. Of more classes the confidence counts, which is the largest
        probability of a row, and whether its class is the true one [2]_.
    n_bins : int, default=15
        Bins, from 1 to 100,000.
    strategy : {"uniform", "quantile"}, default="uniform"
        Bins of equal width in [0, 1], closed on the right, or bins of about equal weight.
    norm : {"l1", "l2", "max"}, default="l1"
        Mean absolute gap of the bins, weighted by their samples; root of the mean squared gap; or
        the largest gap.
    debias : bool, default=False
        Whether to subtract from each squared gap what chance alone adds to it [3]_, for
        ``norm="l2"``. Weights then count samples: a weight of 2 is two of them. Bins of one sample
        add nothing.
    labels : array-like of shape (n_classes,), default=None
        All classes, in the order of the columns, which is the sorted one. None takes those in
        `y_true`, and of labels 0 and 1, or -1 and 1, both.
    sample_weight : array-like of shape (n_samples,), default=None
        Weights, finite and >= 0. A sample of weight 0 is as good as removed.

    Returns
    -------
    error : float
        In [0, 1]; 0 is best.

    Raises
    ------
    ValueError
        If an argument is invalid.

    Notes
    -----
    The error is biased upwards, the more so the fewer samples a bin has: a model that is calibrated
    to perfection has an error of about 0.21 in 30 samples, 0.12 in 100 and 0.04 in 1000, where
    probabilities are spread evenly over [0, 1]. A small group therefore looks worse calibrated than
    a large one. Compare groups of about equal size, by fewer bins, or by ``debias=True``.

    References
    ----------
    .. [1] M. P. Naeini, G. F. Cooper and M. Hauskrecht, "Obtaining Well Calibrated Probabilities
       Using Bayesian Binning", AAAI 2015.
    .. [2] C. Guo, G. Pleiss, Y. Sun and K. Q. Weinberger, "On Calibration of Modern Neural
       Networks", ICML 2017, Eq. 3.
    .. [3] A. Kumar, P. S. Liang and T. Ma, "Verified Uncertainty Calibration", NeurIPS 2019.

    Examples
    --------
    >>> from sklearn_debias.metrics import expected_calibration_error
    >>> round(expected_calibration_error([0, 1, 1, 1], [0.25, 0.75, 0.75, 1.0]), 4)
    0.1875
    """
    if not is_whole(n_bins) or not 1 <= n_bins <= MOST_BINS:
        raise ValueError(f"`n_bins` must be an int in 1..{MOST_BINS}, got {n_bins!r}.")
    check_option("strategy", strategy, STRATEGIES)
    check_option("norm", norm, NORMS)
    if not is_switch(debias) or (debias and norm != "l2"):
        raise ValueError(
            f"`debias` must be False, or True with norm='l2', got {debias!r} with norm={norm!r}."
        )
    check_same_rows({"y_true": y_true, "y_prob": y_prob, "sample_weight": sample_weight})
    encoded = encode_labels(y_true, "y_true")
    probability = _probabilities(y_prob, len(encoded[0]))
    weight = check_weights(sample_weight, len(encoded[0]))
    codes, n_classes = _codes(encoded, probability, labels)
    confidence, hit = reliability(codes, probability, n_classes)
    bins = bin_of(confidence, int(n_bins), strategy, weight)
    sums = [np.bincount(bins, weight * part, int(n_bins)) for part in (1.0, hit, confidence)]
    return float(calibration_gap(*sums, norm=norm, debias=bool(debias)))


def two_classes(classes: Sequence[Any]) -> list[Any]:
    """Return both classes where the labels are some of 0 and 1, or of -1 and 1; else the classes.

    As scikit-learn has it, the positive class is then 1, though no sample may be positive.
    """
    for both in ([0, 1], [-1, 1]):
        if all(label in both for label in classes):
            return both if len(classes) < 2 else list(classes)
    return list(classes)


def reliability(
    codes: np.ndarray, probability: np.ndarray, n_classes: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return what is promised, and whether it came true, each a float array of shape (n,).

    `codes` (n,) are those of the true classes, `probability` is (n,) or (n, n_classes).
    """
    if n_classes == 2:
        positive = probability if probability.ndim == 1 else probability[:, 1]
        return positive.astype(float), (codes == 1).astype(float)
    return probability.max(axis=1).astype(float), (probability.argmax(axis=1) == codes).astype(
        float
    )


def bin_of(
    confidence: np.ndarray, n_bins: int, strategy: str = "uniform", weight: Any = None
) -> np.ndarray:
    """Return the bin of each confidence, shape (n,), dtype intp."""
    inner = np.linspace(0, 1, n_bins + 1)[1:-1]
    if strategy == "quantile":
        # Observed values by their weights: a sample of weight 2 counts as two of weight 1 do.
        inner = np.quantile(confidence, inner, weights=weight, method="inverted_cdf")
    return np.searchsorted(inner, confidence, side="left")


def calibration_gap(
    weight: np.ndarray,
    hits: np.ndarray,
    confidence: np.ndarray,
    *,
    norm: str = "l1",
    debias: bool = False,
) -> np.ndarray:
    """Return the error, shape (...), from sums over each bin's samples, shapes (..., n_bins)."""
    total = weight.sum(axis=-1)
    gap = np.abs(hits - confidence)
    if norm == "l1":
        return gap.sum(axis=-1) / total
    some = np.where(weight > 0, weight, 1.0)
    if norm == "max":
        return (gap / some).max(axis=-1)
    squares = (gap / some) ** 2
    if debias:
        rate = hits / some
        several = weight > 1
        chance = rate * (1 - rate) / np.where(several, weight - 1, 1.0)
        squares = np.where(several, squares - chance, 0.0)
    mean = (weight * squares).sum(axis=-1) / total
    return np.sqrt(np.maximum(mean, 0.0))


def _probabilities(y_prob: npt.ArrayLike, n_samples: int) -> np.ndarray:
    """Return probabilities of shape (n,) or (n, k >= 2); raise a ValueError if they are none."""
    probability = real_array(y_prob, "y_prob").astype(float)
    if probability.ndim == 2 and probability.shape[1] == 1:
        probability = probability[:, 0]
    if probability.ndim not in (1, 2) or len(probability) != n_samples or not probability.size:
        raise ValueError(
            "`y_prob` must hold the probabilities of each sample of `y_true`: expected shape "
            f"({n_samples},) or ({n_samples}, n_classes), got {probability.shape}."
        )
    # So that NaN, which fails every comparison, is refused, too.
    outside = ~((probability >= 0) & (probability <= 1))
    if outside.any():
        raise ValueError(
            f"`y_prob` must hold probabilities in [0, 1], got {probability[outside][0]!s}. Pass "
            "what `predict_proba` returns, not scores."
        )
    if probability.ndim == 2:
        off = np.abs(probability.sum(axis=1) - 1)
        if off.max() > ROUNDING:
            raise ValueError(
                "`y_prob` must hold rows that sum to 1, but row "
                f"{int(off.argmax())} sums to {probability[off.argmax()].sum():.6g}."
            )
    return probability


def _codes(
    encoded: Encoded, probability: np.ndarray, labels: npt.ArrayLike | None
) -> tuple[np.ndarray, int]:
    """Return the column that each true class has, shape (n,), and the number of classes."""
    codes, observed = encoded
    classes = two_classes(observed) if labels is None else encode_labels(labels, "labels")[1]
    n_classes = 2 if probability.ndim == 1 else probability.shape[1]
    if len(classes) != n_classes:
        origin = "`y_true` holds" if labels is None else "`labels` names"
        raise ValueError(
            f"`y_prob` has the probabilities of {n_classes} classes, but {origin} {len(classes)}. "
            "Pass all classes as `labels`."
        )
    position = {label: code for code, label in enumerate(classes)}
    unknown = [label for label in observed if label not in position]
    if unknown:
        raise ValueError(
            f"`labels` must name all classes of `y_true`, but lacks {unknown[0]!r}. It names "
            f"{classes}."
        )
    return np.array([position[label] for label in observed])[codes], n_classes
