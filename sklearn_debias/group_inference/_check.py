"""What can be told of an inference without bias labels, such as whether it is a matter of luck."""

from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.metrics import adjusted_rand_score
from sklearn.model_selection import train_test_split

from sklearn_debias.exceptions import DebiasWarning, once
from sklearn_debias.fitting import take_rows
from sklearn_debias.group_inference._parameters import random_states
from sklearn_debias.metrics import encode_bias

HELD_OUT = 1 / 3
FEWEST = 6  # rows of a class, of which two are held out


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
    inferrer: Any, X: Any, y: np.ndarray, codes: np.ndarray, seeds: list[int], known: Any = None
) -> float | None:
    """Return how well a fitted inference agrees with others on rows that these have not seen.

    Each of the others is fitted to two thirds of the rows, under a seed of its own, and labels the
    rest by its ``predict``. None where a class has too few rows for that.

    Parameters
    ----------
    inferrer : fitted estimator
    X : array-like of n rows
    y : ndarray of shape (n,)
    codes : ndarray of shape (n,)
    seeds : list of int
    known : ndarray of shape (n,) or (n, attributes), or None
        Bias labels that the inferrer was fitted with.
    """
    if np.bincount(codes).min() < FEWEST:
        return None
    labels = np.asarray(inferrer.bias_labels_)
    found = []
    for seed in seeds:
        fitted_to, judged = _split(codes, seed)
        other = clone(inferrer)
        # What the inferrer holds is reseeded, too: a net would be the same again.
        other.set_params(**dict.fromkeys(random_states(other), seed))
        given = None if known is None else known[fitted_to]
        with once(set(), without=DebiasWarning):  # the fit to all rows has said the same
            other.fit(take_rows(X, fitted_to), y[fitted_to], bias_labels=given)
            predicted = other.predict(take_rows(X, judged), y[judged])
        found.append(agreement(codes[judged], labels[judged], predicted))
    return float(np.mean(found))


def _split(strata: np.ndarray, seed: int) -> list[np.ndarray]:
    """Return the numbers of two thirds of the rows, and of the rest."""
    rows = np.arange(len(strata))
    return train_test_split(rows, test_size=HELD_OUT, random_state=seed, stratify=strata)


def minority(codes: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return which rows (n,) are not in the largest part of their class."""
    labels = parts_of(labels)
    mask = np.zeros(len(codes), dtype=bool)
    for c in np.unique(codes):
        values, counts = np.unique(labels[codes == c], return_counts=True)
        mask[codes == c] = labels[codes == c] != values[counts.argmax()]
    return mask


def held_out_scores(
    groups: Callable[[np.ndarray], Any],
    plain: Callable[[np.ndarray], Any],
    X: Any,
    y: np.ndarray,
    codes: np.ndarray,
    labels: np.ndarray,
    seed: int,
) -> dict[str, float] | None:
    """Return the mean accuracy on held-out majority and minority rows of each class, by two fits.

    Where labels are wrong, training for the minority loses on the majority what it gains, or more.
    None where a part has too few rows, or a class none to train on.

    Parameters
    ----------
    groups, plain : callable
        Each is given numbers of rows, and returns a classifier that is fitted to them.
    X, y, codes, labels : of n rows
        The last two are class codes, and inferred bias labels.
    seed : int

    Returns
    -------
    dict or None
        "groups", "plain", and "error", the standard error of their difference.
    """
    rare = minority(codes, labels)
    if min(rare.sum(), (~rare).sum()) < 2:
        return None
    fitted_to, judged = _split(rare, seed)
    if len(np.unique(codes[fitted_to])) < len(np.unique(codes)):
        return None
    right = [
        np.asarray(fit(fitted_to).predict(take_rows(X, judged))) == y[judged]
        for fit in (groups, plain)
    ]
    # Class by class: pooled, a model that favours a large class would win on both parts.
    _, cell, n = np.unique(
        np.column_stack([codes, rare])[judged], axis=0, return_inverse=True, return_counts=True
    )
    scores = [np.mean(np.bincount(cell, hits) / n) for hits in right]
    change = right[0].astype(float) - right[1]
    variance = np.bincount(cell, change**2) / n - (np.bincount(cell, change) / n) ** 2
    # A few rows that happen to agree do not show that others would.
    error = np.sqrt(np.sum(np.maximum(variance, 1 / n) / n)) / len(n)
    return {"groups": float(scores[0]), "plain": float(scores[1]), "error": float(error)}
