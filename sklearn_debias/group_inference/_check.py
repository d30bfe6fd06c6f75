"""What can be told of an inference without bias labels, such as whether it is a matter of luck."""

from collections.abc import Callable, Mapping
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

    Seeds of what the inferrer holds are changed, too: a net with a seed of its own would give the
    same groups again. ``known`` are the bias labels that the inferrer was fitted with.
    """
    found = []
    for seed in seeds:
        other = clone(inferrer)
        names = [n for n in other.get_params() if n.rpartition("__")[2] == "random_state"]
        other.set_params(**dict.fromkeys(names, seed)).fit(X, y, bias_labels=known)
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
    fits: Mapping[str, Callable[[np.ndarray], Any]],
    X: Any,
    y: np.ndarray,
    codes: np.ndarray,
    labels: np.ndarray,
    seed: int,
) -> dict[str, float] | None:
    """Return the mean of the accuracies on majority and minority rows, held out, of each fit.

    Where labels are wrong, training for the minority loses on the majority what it gains, or more.
    None where a part has too few rows, or rows of one class are left to train on.

    Parameters
    ----------
    fits : mapping of callable
        Each is given numbers of rows, and returns a classifier that is fitted to them.
    """
    rare = minority(codes, labels)
    if min(rare.sum(), (~rare).sum()) < 2:
        return None
    rows = np.arange(len(codes))
    fitted_to, judged = train_test_split(rows, test_size=HELD_OUT, random_state=seed, stratify=rare)
    if len(np.unique(codes[fitted_to])) < len(np.unique(codes)):
        return None
    scores = {}
    for name, fit in fits.items():
        right = np.asarray(fit(fitted_to).predict(take_rows(X, judged))) == y[judged]
        scores[name] = float(right[rare[judged]].mean() + right[~rare[judged]].mean()) / 2
    return scores
