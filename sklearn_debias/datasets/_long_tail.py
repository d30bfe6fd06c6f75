"""Rows of a class-wise long tail, and rows of a balanced set."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from sklearn_debias.arguments import in_our_words
from sklearn_debias.datasets._checks import check_int, check_real, streams
from sklearn_debias.datasets._strata import encode, encode_groups, random_places
from sklearn_debias.rows import check_same_rows
from sklearn_debias.seeds import Seed


def long_tail_indices(
    y: npt.ArrayLike,
    imbalance_ratio: float = 100,
    *,
    n_max: int | None = None,
    order: Sequence[Any] | np.ndarray | None = None,
    random_state: Seed = None,
) -> np.ndarray:
    """Draw rows whose classes follow an exponential long tail.

    CIFAR-10-LT and CIFAR-100-LT are drawn in this way [1]_ [2]_. The class at place c of `order` (0
    for the head, C - 1 for the tail) keeps ``floor(n_max * imbalance_ratio ** (-c / (C - 1)))``
    rows, and one at least.

    Parameters
    ----------
    y : array-like of shape (n,)
        Labels of any type, of two or more classes. They are not changed.
    imbalance_ratio : float, default=100
        Rows of the head for one row of the tail, >= 1: 100 is the published "100:1", 1 keeps the
        classes balanced. (LDAM's code takes the inverse, an "imbalance factor" of 0.01.)
    n_max : int, default=None
        Rows of the head class. None takes the largest number for which every class has enough rows;
        with classes of one size, that size.
    order : sequence of labels, default=None
        All classes, from head to tail. None takes them sorted.
    random_state : None, int, RandomState or Generator, default=None
        Determines which rows are kept. With one seed and one `n_max`, a larger ratio keeps a
        subset.

    Returns
    -------
    indices : ndarray of shape (n_kept,), int64
        Row numbers, increasing, each once.

    Raises
    ------
    ValueError
        If a class has fewer rows than its place in the tail asks for, or an argument is out of its
        range.

    See Also
    --------
    glt_split : A long tail of classes, and of attributes within each class.
    balanced_indices : As many rows of every class.

    References
    ----------
    .. [1] Y. Cui, M. Jia, T.-Y. Lin, Y. Song and S. Belongie, "Class-Balanced Loss Based on
       Effective Number of Samples", CVPR 2019.
    .. [2] K. Cao, C. Wei, A. Gaidon, N. Arechiga and T. Ma, "Learning Imbalanced Datasets with
       Label-Distribution-Aware Margin Loss", NeurIPS 2019 (the counts are those of its code).

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_debias.datasets import long_tail_indices
    >>> y = np.repeat(np.arange(10), 5000)  # the labels of CIFAR-10
    >>> np.bincount(y[long_tail_indices(y, imbalance_ratio=100, random_state=0)])
    array([5000, 2997, 1796, 1077,  645,  387,  232,  139,   83,   50])
    """
    classes, codes = encode("y", y, n_values=2)
    shape = tail_shape(imbalance_ratio, order, classes)
    sizes = np.bincount(codes)
    largest = largest_head(lambda n: tail_counts(n, shape), sizes, shape)
    if n_max is not None:
        n_max = check_int("n_max", n_max, 1, len(codes))
        counts = tail_counts(n_max, shape)
        short = np.flatnonzero(counts > sizes)
        if len(short):
            label = classes[short].tolist()[0]
            found = sizes[short[0]]
            needed = counts[short[0]]
            raise ValueError(
                f"`n_max` must leave every class enough rows: with {n_max}, class {label!r} needs "
                f"{needed} of its {found}. Take {largest} or less (None takes that), or change "
                "`order`."
            )
    (rng,) = streams(random_state, "rows")
    counts = tail_counts(largest if n_max is None else n_max, shape)
    return np.flatnonzero(random_places(codes, rng) < counts[codes])


@in_our_words
def balanced_indices(
    y: npt.ArrayLike,
    bias_labels: npt.ArrayLike | None = None,
    per_cell: int = 10,
    *,
    random_state: Seed = None,
) -> np.ndarray:
    """Draw as many rows of every class, or of every class and bias label.

    They make a small balanced set, such as a meta set.

    Parameters
    ----------
    y : array-like of shape (n,)
        Labels of any type. They are not changed.
    bias_labels : array-like of shape (n,) or (n, n_attributes), default=None
        Attributes to balance as well: each class gives `per_cell` rows of every combination that
        occurs at all, so that one which a class lacks is an error. The clusters of
        `attribute_long_tail` are such attributes.
    per_cell : int, default=10
        Rows of each class, or of each class and combination; at least 1.
    random_state : None, int, RandomState or Generator, default=None
        Determines which rows are drawn. With one seed, a larger `per_cell` only adds rows.

    Returns
    -------
    indices : ndarray of shape (n_cells * per_cell,), int64
        Row numbers, increasing, each once. To train on the others: ``numpy.delete(numpy.arange(n),
        indices)``.

    Raises
    ------
    ValueError
        If a cell has too few rows (the message names it), or the arguments differ in length.

    Examples
    --------
    >>> from sklearn_debias.datasets import balanced_indices
    >>> y = ["cat"] * 6 + ["dog"] * 6
    >>> balanced_indices(y, bias_labels=[0, 0, 0, 0, 1, 1] * 2, per_cell=2, random_state=0)
    array([ 0,  2,  4,  5,  6,  8, 10, 11])
    """
    check_same_rows({"y": y, "bias_labels": bias_labels})
    classes, codes = encode("y", y)
    groups: list[Any] = [None]  # one group for all, so that a cell is a class
    group = np.zeros_like(codes)
    if bias_labels is not None:
        groups, group = encode_groups("bias_labels", bias_labels, len(codes))
    per_cell = check_int("per_cell", per_cell, 1, len(codes))
    cells = codes * len(groups) + group
    sizes = np.bincount(cells, minlength=len(classes) * len(groups))
    short = np.flatnonzero(sizes < per_cell)
    if len(short):
        label = classes.tolist()[short[0] // len(groups)]
        value = groups[short[0] % len(groups)]
        cell = f"class {label!r}" + ("" if bias_labels is None else f" with bias label {value!r}")
        raise ValueError(
            f"`per_cell` must leave every cell enough rows, got {per_cell}: {cell} has "
            f"{sizes[short[0]]}. The smallest cell allows {sizes.min()}; cells without rows cannot "
            "be balanced."
        )
    (rng,) = streams(random_state, "rows")
    return np.flatnonzero(random_places(cells, rng) < per_cell)


def tail_shape(
    imbalance_ratio: float, order: Sequence[Any] | np.ndarray | None, classes: np.ndarray
) -> np.ndarray:
    """Return the rows of each (sorted) class relative to the head.

    That is ratio ** (-c / (C - 1)), c the place of the class in `order`.
    """
    hint = "100 means 100:1; for an imbalance factor of 0.01, give 1 / 0.01."
    ratio = check_real("imbalance_ratio", imbalance_ratio, low=1, high=1e9, hint=hint)
    return ratio ** (-_places(order, classes) / (len(classes) - 1))


def tail_counts(n_max: int, shape: np.ndarray) -> np.ndarray:
    """Return the rows of each class."""
    # The factor takes back what a power loses to rounding: 5000 * 0.01 must give 50, not 49.
    return np.maximum(np.floor(n_max * shape * (1 + 1e-12)), 1).astype(np.int64)


def largest_head(counts: Callable[[int], np.ndarray], sizes: np.ndarray, shares: np.ndarray) -> int:
    """Return the largest n >= 1 with ``counts(n) <= sizes`` everywhere, 0 if there is none."""
    # Downwards and one by one, from where it starts to be possible: counts(n) exceeds n * shares -
    # 2, but need not grow with n (largest remainders), so that no bisection finds it.
    bound = int(np.min((sizes + 2) / shares))
    return next((n for n in range(bound, 0, -1) if (counts(n) <= sizes).all()), 0)


def _places(order: Sequence[Any] | np.ndarray | None, classes: np.ndarray) -> np.ndarray:
    """Return the place of each (sorted) class in `order`."""
    if order is None:
        return np.arange(len(classes))
    try:
        # Text, sets and dicts have a length as well, but are no order of classes.
        if isinstance(order, str | bytes | set | frozenset | dict) or np.ndim(order) != 1:
            raise TypeError
        labels = np.asarray(order, dtype=object).tolist()
        places = {label: place for place, label in enumerate(labels)}
        if len(places) != len(order) or places.keys() != set(classes.tolist()):
            raise TypeError
    except (TypeError, ValueError, RuntimeError):
        raise ValueError(
            f"`order` must be a sequence with every class once, from head to tail; got {order!r} "
            f"for the classes {classes.tolist()}."
        ) from None
    return np.array([places[label] for label in classes.tolist()])
