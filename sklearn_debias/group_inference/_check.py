"""What can be told of an inference without bias labels, such as whether it is a matter of luck."""

from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.metrics import adjusted_rand_score
from sklearn.model_selection import train_test_split

from sklearn_debias.fitting import take_rows
from sklearn_debias.metrics import encode_bias

HELD_OUT = 1 / 3


def parts_of(labels: np.ndarray) -> np.ndarray:
    """Return codes (n,) of inferred bias labels, which may be of several attributes."""
    return encode_bias(labels, len(labels))[0]


def agreement(codes: np.ndarray, one: np.ndarray, other: np.ndarray) -> float:
    """Return how alike two inferences divide the classes, 1 for the same and 0 for chance.

    It is the adjusted Rand index within each class, averaged over rows.
    """
    one, other = parts_of(one), parts_of(other)
    each = [
        adjusted_rand_score(one[codes == c], other[codes == c]) * np.mean(codes == c)
        for c in np.unique(codes)
    ]
    return float(np.sum(each))


def stability(
    inferrer: Any, X: Any, y: Any, codes: np.ndarray, seeds: list[int], known: Any = None
) -> float:
    """Return the mean agreement of a fitted inference with others, under these seeds.

    ``known`` are the bias labels that the inferrer was fitted with.
    """
    found = []
    for seed in seeds:
        other = clone(inferrer).set_params(random_state=seed).fit(X, y, bias_labels=known)
        found.append(agreement(codes, inferrer.bias_labels_, other.bias_labels_))
    return float(np.mean(found))


def minority(codes: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return which rows (n,) are not in the largest part of their class."""
    labels = parts_of(labels)
    mask = np.zeros(len(codes), dtype=bool)
    for c in np.unique(codes):
        values, counts = np.unique(labels[codes == c], return_counts=True)
        mask[codes == c] = labels[codes == c] != values[counts.argmax()]
    return mask


def held_out_scores(
    fits: dict[str, Callable[[Any, np.ndarray, np.ndarray], Any]],
    X: Any,
    y: np.ndarray,
    codes: np.ndarray,
    labels: np.ndarray,
    seed: int,
) -> dict[str, float]:
    """Return the mean of the accuracies on majority and minority rows, held out, of each fit.

    Where labels are wrong, training for the minority loses on the majority what it gains, or more.
    NaN where minority and majority have not a row for either part, or a class none to be fitted to.

    Parameters
    ----------
    fits : dict of callable
        Each is given rows of X, their labels and their bias labels, and returns a fitted
        classifier.
    """
    rare = minority(codes, labels)
    if min(rare.sum(), (~rare).sum()) < 2:
        return dict.fromkeys(fits, np.nan)
    rows = np.arange(len(codes))
    fitted_to, judged = train_test_split(rows, test_size=HELD_OUT, random_state=seed, stratify=rare)
    if len(np.unique(codes[fitted_to])) < len(np.unique(codes)):
        return dict.fromkeys(fits, np.nan)
    scores = {}
    for name, fit in fits.items():
        model = fit(take_rows(X, fitted_to), y[fitted_to], labels[fitted_to])
        right = np.asarray(model.predict(take_rows(X, judged))) == y[judged]
        scores[name] = float(right[rare[judged]].mean() + right[~rare[judged]].mean()) / 2
    return scores
