"""How well each column of values predicts the classes, beyond chance: counts, and a permutation.

The classes are predicted out of fold by one value at a time: of the classes the one that is the
most frequent among the training rows of this value, by its own frequency (its lift). So a majority
gains nothing, and all that is needed are counts by fold, class and value.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import entr, ndtri, xlogy

from sklearn_debias.metrics.internal import binomial_bounds

BATCH = 1 << 20  # cells of the tables that are scored together: 8 MB, and some copies
TIE = 1e-9  # statistics that differ by less are equal: they are sums in another order


@dataclass(frozen=True)
class Columns:
    """Columns of value codes, side by side.

    Parameters
    ----------
    codes : ndarray of shape (n, n_columns), dtype intp
        Position of each row's value among the values of all columns.
    starts : ndarray of shape (n_columns,), dtype intp
        Position of the first value of each column.
    n_values : int
        Values of all columns together.
    """

    codes: np.ndarray
    starts: np.ndarray
    n_values: int

    @classmethod
    def beside(cls, codes: list[np.ndarray], sizes: list[int]) -> "Columns":
        """Return the columns of codes (n,), each from 0 to its number of values."""
        starts = np.cumsum([0, *sizes[:-1]]).astype(np.intp)
        return cls(np.column_stack(codes) + starts, starts, int(sum(sizes)))

    def blocks(self, most: int) -> Iterator["Columns"]:
        """Yield the columns in runs of at most ``most`` values together, or of one column."""
        ends = np.append(self.starts[1:], self.n_values)
        first = 0
        while first < len(ends):
            start = self.starts[first]
            last = max(first + 1, int(np.searchsorted(ends, start + most, side="right")))
            codes = self.codes[:, first:last] - start
            yield Columns(codes, self.starts[first:last] - start, int(ends[last - 1] - start))
            first = last


@dataclass(frozen=True)
class Folds:
    """Rows by fold and class.

    Parameters
    ----------
    codes : ndarray of shape (n,), dtype intp
        ``fold * n_classes + class`` of each row.
    sizes : ndarray of shape (n_folds, n_classes)
        Rows of each.
    """

    codes: np.ndarray
    sizes: np.ndarray

    @classmethod
    def stratified(cls, y: np.ndarray, n_classes: int, n_folds: int, rng: Any) -> "Folds":
        """Deal the rows of each class out to the folds, in random order."""
        order = rng.permutation(len(y))
        by_class = order[np.argsort(y[order], kind="stable")]
        folds = np.empty(len(y), dtype=np.intp)
        # Dealt on from class to class, so that small classes do not all begin with one fold.
        folds[by_class] = np.arange(len(y)) % n_folds
        codes = folds * n_classes + y
        sizes = np.bincount(codes, minlength=n_folds * n_classes)
        return cls(codes, sizes.reshape(n_folds, n_classes))

    @property
    def class_sizes(self) -> np.ndarray:
        """Rows of each class, of shape (n_classes,)."""
        return self.sizes.sum(axis=0)


def count(folds: Folds, columns: Columns, order: np.ndarray | None = None) -> np.ndarray:
    """Return the rows by fold, class and value, of shape (n_folds, n_classes, n_values).

    ``order`` (n,) deals the folds and classes of the rows out to the values of others.
    """
    codes = folds.codes if order is None else folds.codes[order]
    cells = codes[:, None] * columns.n_values + columns.codes
    shape = (*folds.sizes.shape, columns.n_values)
    return np.bincount(cells.ravel(), minlength=int(np.prod(shape))).reshape(shape)


def right_by_class(counts: np.ndarray, folds: Folds, columns: Columns) -> np.ndarray:
    """Return the rows that are predicted right out of fold, of shape (..., n_classes, n_columns).

    Where several classes have the greatest lift, such as where a value is new, each is right by its
    share of them.

    Parameters
    ----------
    counts : ndarray of shape (..., n_folds, n_classes, n_values)
    folds : Folds
    columns : Columns
    """
    training = counts.sum(axis=-3, keepdims=True) - counts
    totals = folds.class_sizes - folds.sizes
    # By the size of the class: that of the value is the same for all classes.
    lift = training / np.maximum(totals, 1)[..., None]
    # Exact: quotients of integers are equal where the fractions are.
    best = lift == lift.max(axis=-2, keepdims=True)
    right = (counts * best / best.sum(axis=-2, keepdims=True)).sum(axis=-3)
    return np.add.reduceat(right, columns.starts, axis=-1)


def balanced_accuracies(counts: np.ndarray, folds: Folds, columns: Columns) -> np.ndarray:
    """Return the mean of the classes' shares predicted right, of shape (..., n_columns)."""
    right = right_by_class(counts, folds, columns)
    return (right / folds.class_sizes[:, None]).mean(axis=-2)


def balanced_bounds(
    right: np.ndarray, sizes: np.ndarray, confidence: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return bounds of balanced accuracies, each of shape (n_columns,).

    The distances of each class from its exact (Clopper-Pearson) bounds are added as variances are
    (method of variance estimates recovery [1]_). So the interval has a width where all rows are
    right, too.

    Parameters
    ----------
    right : ndarray of shape (n_classes, n_columns)
    sizes : ndarray of shape (n_classes,)
    confidence : float

    References
    ----------
    .. [1] G. Zou and A. Donner, "Construction of confidence limits about effect measures: A general
       approach", Statistics in Medicine 27, 2008.
    """
    half = (1 - confidence) / 2
    n = sizes[:, None]
    lower, upper = binomial_bounds(right, n, half, half)
    shares = right / n
    centre = shares.mean(axis=0)
    below = np.sqrt(((shares - lower) ** 2).sum(axis=0)) / len(sizes)
    above = np.sqrt(((upper - shares) ** 2).sum(axis=0)) / len(sizes)
    return np.maximum(centre - below, 0), np.minimum(centre + above, 1)


def information(counts: np.ndarray, columns: Columns) -> np.ndarray:
    """Return what the values tell of the classes, in nats for all rows, of shape (..., n_columns).

    It is the mutual information times the number of rows, up to what all orders share: the
    entropies of the classes.
    """
    table = counts.sum(axis=-3)
    of_values = table.sum(axis=-2)
    told = xlogy(table, table).sum(axis=-2) - xlogy(of_values, of_values)
    return np.add.reduceat(told, columns.starts, axis=-1)


def observed(folds: Folds, columns: Columns) -> tuple[np.ndarray, list[np.ndarray]]:
    """Return the rows right (n_classes, n_columns), and the cells of each column."""
    right = []
    tables = []
    for block in columns.blocks(BATCH // folds.sizes.size):
        counts = count(folds, block)
        right.append(right_by_class(counts, folds, block))
        tables += np.split(counts.sum(axis=0), block.starts[1:], axis=1)
    return np.concatenate(right, axis=1), tables


def permuted(
    folds: Folds, columns: Columns, n_permutations: int, rng: Any, progress: Any
) -> np.ndarray:
    """Return the scores as they are and permuted, of shape (1 + times, 2, n_columns).

    The two are the balanced accuracy and the information. Fold and class of a row stay together,
    and go to the values of another row: under the null hypothesis all these orders are equally
    likely. All columns have the same orders, whatever the tables that are held at a time.
    """
    blocks = list(columns.blocks(BATCH // folds.sizes.size))
    step = max(1, BATCH // (folds.sizes.size * columns.n_values))
    waiting: list[list[np.ndarray]] = [[] for _ in blocks]
    scores: list[list[np.ndarray]] = [[] for _ in blocks]
    for number, order in enumerate(_orders(len(folds.codes), n_permutations, rng, progress)):
        for block, tables, done in zip(blocks, waiting, scores, strict=True):
            tables.append(count(folds, block, order))
            if len(tables) == step or number == n_permutations:
                done.append(_scores(tables, folds, block))
                tables.clear()
    return np.concatenate([np.concatenate(done) for done in scores], axis=2)


def _orders(n: int, times: int, rng: Any, progress: Any) -> Iterator[np.ndarray | None]:
    """Yield None, for the rows as they are, and random orders of them (n,)."""
    yield None
    for _ in progress(range(times)):
        yield rng.permutation(n)


def _scores(tables: list[np.ndarray], folds: Folds, columns: Columns) -> np.ndarray:
    """Return both scores of several tables, of shape (n_tables, 2, n_columns)."""
    counts = np.stack(tables)
    accuracy = balanced_accuracies(counts, folds, columns)
    return np.stack([accuracy, information(counts, columns)], axis=1)


def p_values(scores: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the p-value of each column, that corrected for their number, and the evidence.

    The evidence is the greater z-score of the two: the balanced accuracy sees more in columns of
    two values, the information in those of many.

    The columns are corrected by the step-down procedure of Westfall and Young [1]_: a column is
    compared with the greatest evidence, in each permutation, of those that have no more than it.
    That holds the family-wise error exactly, and makes use of columns that are alike.

    Parameters
    ----------
    scores : ndarray of shape (1 + n_permutations, 2, n_columns)
        The first row as observed, the others permuted.

    Returns
    -------
    alone, corrected, evidence : ndarray of shape (n_columns,)

    References
    ----------
    .. [1] P. Westfall and S. Young, "Resampling-Based Multiple Testing", Wiley 1993.
    """
    # Columns of many values vary less than those of two. Observed and permuted rows are treated
    # alike, which keeps the test exact.
    spread = scores.std(axis=0)
    z = ((scores - scores.mean(axis=0)) / np.where(spread > TIE, spread, np.inf)).max(axis=1)
    alone = (z >= z[0] - TIE).mean(axis=0)
    order = np.argsort(-z[0], kind="stable")
    # Column j of this holds the greatest of the columns from j on, which have less evidence.
    greatest = np.maximum.accumulate(z[:, order[::-1]], axis=1)[:, ::-1]
    stepped = (greatest >= z[0, order] - TIE).mean(axis=0)
    corrected = np.empty_like(stepped)
    corrected[order] = np.maximum.accumulate(stepped)
    return alone, corrected, z[0]


def mutual_information(table: np.ndarray, confidence: float) -> tuple[float, float, float]:
    """Return the mutual information of a table of counts, in nats, and its bounds.

    What a finite sample adds is taken off, by the number of cells that occur [1]_. The bounds are
    those of a normal distribution with the variance to second order [2]_, cut at 0 and at the
    entropies of the margins. The lower one takes off what a sample adds where all cells may occur:
    in a sparse table the others are empty by chance.

    Parameters
    ----------
    table : ndarray of shape (n_classes, n_values)
    confidence : float

    References
    ----------
    .. [1] G. Miller, "Note on the bias of information estimates", Information Theory in Psychology,
       1955.
    .. [2] M. Hutter and M. Zaffalon, "Distribution of mutual information from complete and
       incomplete data", Computational Statistics & Data Analysis 48, 2005.
    """
    n = table.sum()
    share = table / n
    rows = share.sum(axis=1, keepdims=True)
    values = share.sum(axis=0, keepdims=True)
    seen = table > 0
    log = np.log(share[seen] / (rows * values)[seen])
    plain = float(share[seen] @ log)
    n_rows = int((rows > 0).sum())
    n_values = int((values > 0).sum())
    possible = (n_rows - 1) * (n_values - 1)
    occurring = max(int(seen.sum()) - n_rows - n_values + 1, 0)
    first_order = max(float(share[seen] @ log**2 - plain**2), 0.0) / n
    z = ndtri((1 + confidence) / 2)
    middle = plain - occurring / (2 * n)
    low = plain - possible / (2 * n) - z * np.sqrt(first_order + possible / (2 * n**2))
    high = middle + z * np.sqrt(first_order + occurring / (2 * n**2))
    most = float(min(entr(rows).sum(), entr(values).sum()))
    middle, low, high = np.clip([middle, low, high], 0, most)
    return float(middle), float(low), float(high)
