"""Generalised long-tailed classification: the attributes within each class are long-tailed, too."""

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from sklearn.utils import Bunch

from sklearn_debias.arguments import check_option
from sklearn_debias.datasets._checks import check_int, streams
from sklearn_debias.datasets._long_tail import largest_head, tail_counts, tail_shape
from sklearn_debias.datasets._strata import encode, encode_groups, random_places, ranks_by_size
from sklearn_debias.rows import check_same_rows
from sklearn_debias.seeds import Seed

_TEST_ROWS = 20
_TEST_SHARE = 4  # ImageNet-GLT: 20 test rows per cell, and no more than a quarter of it


def glt_split(
    y: npt.ArrayLike,
    attributes: npt.ArrayLike,
    protocol: Literal["clt", "alt", "glt"] = "glt",
    *,
    imbalance_ratio: float = 100,
    proportions: Sequence[float] | np.ndarray = (7, 2, 1),
    n_max: int | None = None,
    per_cell: int | None = None,
    order: Sequence[Any] | np.ndarray | None = None,
    random_state: Seed = None,
) -> Bunch:
    """Draw the training and test rows of a protocol of generalised long-tailed classification [1]_.

    ======== =============================== ================================
    protocol training rows                   test rows
    ======== =============================== ================================
    "clt"    classes and attributes long-    classes balanced, attributes as
             tailed (Train-GLT)              in training (Test-CBL)
    "alt"    classes balanced, attributes    classes and attributes balanced
             long-tailed (Train-CBL)         (Test-GBL)
    "glt"    as "clt" (Train-GLT)            as "alt" (Test-GBL)
    ======== =============================== ================================

    With one seed, and all else equal, "clt" and "glt" share their training rows, "alt" and "glt"
    their test rows.

    Parameters
    ----------
    y : array-like of shape (n,)
        Labels of any type, of two or more classes. They are not changed.
    attributes : array-like of shape (n,) or (n, n_attributes)
        An attribute of each row: those of `attribute_long_tail`, bias labels or any other (several
        columns: their combinations). Within each class they are ranked by frequency, the most
        frequent first; ties in sorted order. Each class needs as many different ones as
        `proportions` has entries.
    protocol : {"clt", "alt", "glt"}, default="glt"
        What differs between training and testing: the distribution of classes, of attributes, or
        both.
    imbalance_ratio : float, default=100
        Rows of the head class for one row of the tail class, as in `long_tail_indices`; not used by
        "alt".
    proportions : sequence of float, default=(7, 2, 1)
        Shares of the attributes of each class where they are long-tailed, from head to tail,
        positive. Counts are rounded by largest remainder, so that they add up.
    n_max : int, default=None
        Training rows of the head class, of every class for "alt". None takes the largest number
        that fits.
    per_cell : int, default=None
        Test rows of each class and attribute in Test-GBL; Test-CBL has as many per class. None
        takes a quarter of the smallest cell, but 20 at most (as ImageNet-GLT does) and 1 at least.
    order : sequence of labels, default=None
        All classes, from head to tail. None takes them sorted; not used by "alt".
    random_state : None, int, RandomState or Generator, default=None
        Determines which rows are drawn.

    Returns
    -------
    split : sklearn.utils.Bunch
        train, test : ndarray of int64
            Row numbers, increasing; no row is in both.
        rest : ndarray of int64
            Rows of neither this protocol nor the test sets of the others: a meta set may come from
            here.
        attributes : ndarray of shape (n,), int64
            Rank of each row's attribute within its class: 0 (head) to len(proportions) - 1 (tail).

    Raises
    ------
    ValueError
        If a class and attribute has too few rows (the message names it), or an argument is out of
        its range.

    References
    ----------
    .. [1] K. Tang, M. Tao, J. Qi, Z. Liu and H. Zhang, "Invariant Feature Learning for Generalized
       Long-Tailed Classification", ECCV 2022.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_debias.datasets import glt_split
    >>> y, attributes = np.repeat([0, 1], 300), np.tile([0, 1, 2], 200)
    >>> split = glt_split(y, attributes, imbalance_ratio=5, n_max=50, random_state=0)
    >>> np.histogram2d(y[split.train], split.attributes[split.train], bins=(2, 3))[0]
    array([[35., 10.,  5.],
           [ 7.,  2.,  1.]])
    """
    check_option("protocol", protocol, ("clt", "alt", "glt"))
    check_same_rows({"y": y, "attributes": attributes})
    classes, codes = encode("y", y, n_values=2)
    shares = _shares(proportions)
    ranks, sizes = _ranked(classes, codes, attributes, len(shares))
    if protocol == "alt":
        shape = np.ones(len(classes))
    else:
        shape = tail_shape(imbalance_ratio, order, classes)
    per_cell = _per_cell(per_cell, sizes)
    per_class = apportion(np.full(len(classes), per_cell * len(shares)), shares)
    # Both test sets are set aside, whatever the protocol: so that protocols share their rows.
    _check_cells("per_cell", per_cell, classes, sizes, per_cell + per_class)
    left = sizes - per_cell - per_class
    counts = _training_counts(n_max, classes, sizes, left, shape, shares)

    (rng,) = streams(random_state, "rows")
    places = random_places(codes * len(shares) + ranks, rng)
    # The rows of a cell, in random order, are cut in four: Test-GBL, Test-CBL, training, the rest.
    ends = np.cumsum([np.full_like(sizes, per_cell), per_class, counts], axis=0)[:, codes, ranks]
    part = (places >= ends).sum(axis=0)
    test = np.flatnonzero(part == (1 if protocol == "clt" else 0))
    train = np.flatnonzero(part == 2)
    rest = np.flatnonzero(part == 3)
    return Bunch(train=train, test=test, rest=rest, attributes=ranks)


def apportion(totals: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """Return whole numbers, (n, k), that add up to each total and follow the shares.

    They are rounded by largest remainder; ties go to the earlier share.
    """
    # Rounded, twice: 10 * 0.7 may be a hair below 7, and equal remainders a hair apart.
    quotas = np.round(totals[:, None] * shares, 9)
    counts = np.floor(quotas)
    missing = totals - counts.sum(axis=1)
    by_remainder = np.argsort(np.round(counts - quotas, 9), axis=1, kind="stable")
    rank = np.argsort(by_remainder, axis=1)  # an order, sorted, gives the place of each entry
    return (counts + (rank < missing[:, None])).astype(np.int64)


def _ranked(
    classes: np.ndarray, codes: np.ndarray, attributes: npt.ArrayLike, n_attributes: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return each row's rank by its attribute, and the rows of each class and rank."""
    groups, group = encode_groups("attributes", attributes, len(codes))
    table = np.bincount(codes * len(groups) + group, minlength=len(classes) * len(groups))
    table = table.reshape(len(classes), len(groups))
    for label, row in zip(classes.tolist(), table, strict=True):
        found = np.count_nonzero(row)
        if found != n_attributes:
            raise ValueError(
                "`proportions` must have one entry per attribute of every class: it has "
                f"{n_attributes}, and class {label!r} has {found} different `attributes`."
            )
    ranks = np.stack([ranks_by_size(row) for row in table])
    # Attributes that a class lacks rank last, with 0 rows: they are cut off.
    sizes = -np.sort(-table, axis=1)[:, :n_attributes]
    return ranks[codes, group], sizes


def _shares(proportions: Sequence[float] | np.ndarray) -> np.ndarray:
    """Return the proportions, summing to 1."""
    try:
        shares = np.asarray(proportions)
    except (TypeError, ValueError, RuntimeError):
        shares = np.empty(0)
    is_numeric = shares.ndim == 1 and shares.dtype.kind in "iuf" and shares.size > 0
    if not is_numeric or not np.isfinite(shares).all():
        raise ValueError(
            f"`proportions` must be a sequence of finite numbers, got {proportions!r}."
        )
    if shares.min() < 1e-6 * shares.max() or shares.min() <= 0:
        raise ValueError(
            "`proportions` must be > 0, and a millionth of the largest or more; got "
            f"{proportions!r}."
        )
    shares = shares / shares.max()  # the sum cannot overflow
    return shares / shares.sum()


def _per_cell(per_cell: int | None, sizes: np.ndarray) -> int:
    """Return the number of test rows of each class and attribute."""
    if per_cell is None:
        return int(np.clip(sizes.min() // _TEST_SHARE, 1, _TEST_ROWS))
    return check_int("per_cell", per_cell, 1, int(sizes.max()))


def _training_counts(
    n_max: int | None,
    classes: np.ndarray,
    sizes: np.ndarray,
    left: np.ndarray,
    shape: np.ndarray,
    shares: np.ndarray,
) -> np.ndarray:
    """Return the number of training rows of each class and attribute."""

    def counts(n: int) -> np.ndarray:
        """Return the rows of each class and attribute, for n rows of the head class."""
        return apportion(tail_counts(n, shape), shares)

    largest = largest_head(counts, left, shape[:, None] * shares)
    # Where nothing fits, 1 goes to the check below, which names the cell that is too small.
    n_max = max(largest, 1) if n_max is None else check_int("n_max", n_max, 1, int(sizes.sum()))
    _check_cells("n_max", n_max, classes, left, counts(n_max), hint=f"At most {largest} fit.")
    return counts(n_max)


def _check_cells(
    name: str,
    value: int,
    classes: np.ndarray,
    sizes: np.ndarray,
    needed: np.ndarray,
    hint: str = "Lower it, or bring more data.",
) -> None:
    """Check that every class and attribute has the rows that are needed of it."""
    short = np.argwhere(needed > sizes)
    if len(short):
        code, rank = short[0]
        raise ValueError(
            f"`{name}` ({value}) asks for {needed[code, rank]} rows of class "
            f"{classes.tolist()[code]!r} with its attribute of rank {rank}, which has "
            f"{sizes[code, rank]} to give. {hint}"
        )
