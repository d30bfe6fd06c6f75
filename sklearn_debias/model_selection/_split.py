"""Train and test sets that hold every (class, bias value) group in the same proportion."""

from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.utils import _safe_indexing, indexable

from sklearn_debias.arguments import in_our_words, is_real, is_whole
from sklearn_debias.exceptions import warn
from sklearn_debias.metrics import group_cells
from sklearn_debias.metrics.internal import Seed, check_rng, shorten
from sklearn_debias.rows import check_has_rows, check_same_rows

__all__ = ["bias_train_test_split"]


@in_our_words
def bias_train_test_split(
    X: Any,
    y: npt.ArrayLike,
    bias_labels: npt.ArrayLike,
    *arrays: Any,
    test_size: float = 0.25,
    random_state: Seed = None,
) -> list[Any]:
    """Split data into train and test sets, shuffled and stratified on the pair (y, bias_labels).

    Every group with at least two samples is in both sets; a group of one sample goes to the
    training set.

    Parameters
    ----------
    X : array-like of shape (n_samples, ...)
        The data.
    y : array-like of shape (n_samples,)
        Class labels.
    bias_labels : array-like of shape (n_samples,) or (n_samples, n_attributes)
        Bias attribute of each sample.
    *arrays : sequence of array-like
        Further arrays with one row per sample, such as `sample_weight`; split alike.
    test_size : float or int, default=0.25
        Share of the samples in the test set, in (0, 1), rounded up; or their number.
    random_state : int, numpy Generator, RandomState or None, default=None
        Seed of the shuffling; None draws fresh entropy.

    Returns
    -------
    splits : list
        Train and test part of each array, in the order given: ``X_train, X_test, y_train, y_test,
        bias_train, bias_test, ...``. Lists, arrays and pandas objects keep their type.

    Raises
    ------
    ValueError
        If an argument is invalid, or the test set cannot hold, or spare, one sample of every group.

    Warns
    -----
    DebiasWarning
        If a group has a single sample.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_debias.model_selection import bias_train_test_split
    >>> X, y, bias = np.arange(16), np.repeat([0, 1], 8), np.tile(["a", "b"], 8)
    >>> X_train, X_test, y_train, y_test, b_train, b_test = bias_train_test_split(
    ...     X, y, bias, random_state=0
    ... )
    >>> sorted(zip(y_test.tolist(), b_test.tolist()))
    [(0, 'a'), (0, 'b'), (1, 'a'), (1, 'b')]
    """
    others = {f"arrays[{i}]": array for i, array in enumerate(arrays)}
    named = {"X": X, "y": y, "bias_labels": bias_labels, **others}
    for name, part in named.items():
        if part is not None or name == "X":  # missing labels have an error of their own
            check_has_rows(part, name)
    parts = indexable(X, y, bias_labels, *arrays)
    check_same_rows(named)
    rng = check_rng(random_state)
    codes, names = group_cells(y, bias_labels)
    counts = np.bincount(codes)
    n_test = _check_test_size(test_size, len(codes))
    single = [name for name, count in zip(names, counts, strict=True) if count == 1]
    if single:
        warn(
            f"{len(single)} (class, bias value) groups have a single sample, which goes to the "
            f"training set: {shorten(single)}.",
        )
    # A deck sorted by group, at random within; the first cards of each group are the test set.
    deck = np.lexsort((rng.permutation(len(codes)), codes))
    starts = np.cumsum(counts) - counts
    rank_in_group = np.arange(len(codes)) - np.repeat(starts, counts)
    is_test = rank_in_group < _allot(counts, n_test)[codes[deck]]
    # Shuffled again: in deck order a batch would hold one group.
    train = rng.permutation(deck[~is_test])
    test = rng.permutation(deck[is_test])
    return [_safe_indexing(array, rows) for array in parts for rows in (train, test)]


def _check_test_size(test_size: Any, n_samples: int) -> int:
    """Return the number of test samples."""
    if not is_real(test_size):
        raise ValueError(f"`test_size` must be a float in (0, 1) or an int, got {test_size!r}.")
    # By type, not by value: 1 is one sample, and 1.0 all of them, which is an error.
    is_count = is_whole(test_size)
    if not 0 < test_size < (n_samples if is_count else 1):
        raise ValueError(
            f"`test_size` must be a float in (0, 1), or an int from 1 to {n_samples - 1} for "
            f"{n_samples} samples, got {test_size!r}."
        )
    return int(test_size) if is_count else int(np.ceil(test_size * n_samples))


def _allot(counts: np.ndarray, n_test: int) -> np.ndarray:
    """Return the number of test samples of each group, proportional and `n_test` in all.

    A group of two or more is in both sets.
    """
    least = (counts > 1).astype(int)
    most = counts - 1
    if not least.sum() <= n_test <= most.sum():
        raise ValueError(
            f"`test_size` must leave a sample of each of the {least.sum()} larger groups in both "
            f"sets: from {least.sum()} to {most.sum()} test samples, got {n_test}."
        )
    quota = counts * n_test / counts.sum()
    allotted = np.clip(np.floor(quota).astype(int), least, most)
    # Rounding down leaves too few, the limits may leave too many. One sample at a time goes to, or
    # comes from, the group furthest from its quota; by the check above there is always one.
    while True:
        excess = allotted.sum() - n_test
        if excess == 0:
            return allotted
        step = -np.sign(excess)
        movable = allotted < most if step > 0 else allotted > least
        need = np.where(movable, step * (quota - allotted), -np.inf)
        allotted[np.argmax(need)] += step
