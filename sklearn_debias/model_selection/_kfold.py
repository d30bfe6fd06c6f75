"""Cross-validation folds in which every (class, bias value) group has its share."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.model_selection import BaseCrossValidator
from sklearn.utils import indexable

from sklearn_debias.arguments import in_our_words, is_whole
from sklearn_debias.exceptions import warn
from sklearn_debias.metrics import group_cells
from sklearn_debias.metrics.internal import Seed, check_rng, shorten
from sklearn_debias.rows import check_same_rows

__all__ = ["BiasStratifiedKFold"]


class BiasStratifiedKFold(BaseCrossValidator):
    """K folds stratified on the pair (y, bias_labels).

    Stratification on y alone leaves rare groups out of whole folds: with 5 % bias-conflicting
    samples the worst-group accuracy of such a fold is that of another group. Here every group with
    at least `n_splits` samples has some in every fold. The counts of a group, of a class, and of
    all samples differ by at most one between folds.

    `bias_labels` is requested by default: with metadata routing enabled,
    ``GridSearchCV(..., cv=BiasStratifiedKFold()).fit(X, y, bias_labels=...)`` passes it on.

    Parameters
    ----------
    n_splits : int, default=5
        Number of folds, at least 2.
    shuffle : bool, default=False
        Whether to shuffle the samples of each group first. Otherwise each group is cut into
        consecutive blocks.
    random_state : int, numpy Generator, RandomState or None, default=None
        Seed of the shuffling; only with ``shuffle=True``.

    Raises
    ------
    ValueError
        If a parameter is invalid.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_debias.model_selection import BiasStratifiedKFold
    >>> y, bias = np.repeat([0, 1], 10), np.array(["a"] * 8 + ["b"] * 10 + ["a"] * 2)
    >>> cv = BiasStratifiedKFold(n_splits=2)
    >>> [int(sum(y[test] & (bias[test] == "a"))) for _, test in cv.split(y, y, bias_labels=bias)]
    [1, 1]
    """

    __metadata_request__split = {"bias_labels": True}

    def __init__(
        self, n_splits: int = 5, *, shuffle: bool = False, random_state: Seed = None
    ) -> None:
        if not is_whole(n_splits) or n_splits < 2:
            raise ValueError(f"`n_splits` must be an int >= 2, got {n_splits!r}.")
        if not isinstance(shuffle, bool):
            raise ValueError(f"`shuffle` must be True or False, got {shuffle!r}.")
        if random_state is not None and not shuffle:
            raise ValueError(
                f"`random_state` has no effect without shuffle=True, got {random_state!r}. Set "
                "either."
            )
        check_rng(random_state)  # for the error: the generator is made anew in every `split`
        self.n_splits = n_splits
        self.shuffle = shuffle
        self.random_state = random_state

    @in_our_words
    def split(
        self,
        X: Any,
        y: npt.ArrayLike | None = None,
        groups: None = None,
        *,
        bias_labels: npt.ArrayLike | None = None,
    ) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yield the indices of each split.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
            The data; only its length matters.
        y : array-like of shape (n_samples,)
            Class labels.
        groups : None
            Must be None; present for compatibility.
        bias_labels : array-like of shape (n_samples,) or (n_samples, n_attributes)
            Bias attribute of each sample.

        Yields
        ------
        train, test : ndarray of int
            Indices of the samples.

        Raises
        ------
        ValueError
            If `y` or `bias_labels` is missing or invalid, or there are fewer samples than folds.

        Warns
        -----
        DebiasWarning
            If a group has fewer samples than there are folds; it is then missing from some of them.
        """
        _check_given(y, groups, bias_labels)
        indexable(X, y)
        check_same_rows({"X": X, "y": y, "bias_labels": bias_labels})
        folds = self._folds(y, bias_labels)
        for fold in range(self.n_splits):
            test = folds == fold
            yield np.flatnonzero(~test), np.flatnonzero(test)

    def get_n_splits(
        self, X: Any = None, y: Any = None, groups: Any = None, *, bias_labels: Any = None
    ) -> int:
        """Return the number of folds; the arguments are ignored.

        Parameters
        ----------
        X, y, groups, bias_labels : object
            Ignored; present for compatibility.

        Returns
        -------
        n_splits : int
            The number of folds.
        """
        return self.n_splits

    def _folds(self, y: Any, bias_labels: Any) -> np.ndarray:
        """Return the fold of each sample: cards dealt round, from a deck sorted by group."""
        codes, names = group_cells(y, bias_labels)
        n_samples = len(codes)
        if n_samples < self.n_splits:
            raise ValueError(
                f"`n_splits` must be at most the number of samples, got {self.n_splits} for "
                f"{n_samples} samples."
            )
        self._warn_of_small(names, np.bincount(codes))
        rank = np.arange(n_samples)
        if self.shuffle:
            rank = check_rng(self.random_state).permutation(n_samples)
        # The groups of a class lie side by side in the deck: dealing round evens out a group, a
        # class and the whole at once. Folds for each group alone would add up their remainders.
        deck: np.ndarray = np.lexsort((rank, codes))
        dealt = np.arange(n_samples) % self.n_splits
        if not self.shuffle:
            # The same counts, sorted within each group: the group is cut into consecutive blocks.
            dealt = dealt[np.lexsort((dealt, codes[deck]))]
        folds = np.empty(n_samples, dtype=np.intp)
        folds[deck] = dealt
        return folds

    def _warn_of_small(self, names: Sequence[Any], counts: np.ndarray) -> None:
        """Warn of groups that cannot be in every fold."""
        small = [name for name, count in zip(names, counts, strict=True) if count < self.n_splits]
        if small:
            warn(
                f"{len(small)} (class, bias value) groups have fewer samples than "
                f"n_splits={self.n_splits}, and are missing from some folds: {shorten(small)}. Use "
                "fewer splits.",
            )


def _check_given(y: Any, groups: Any, bias_labels: Any) -> None:
    """Check that y and bias labels are there, and groups are not."""
    # `groups` is the third argument by position: bias labels given there would be ignored.
    if groups is not None:
        raise ValueError(
            "`groups` must be None: pass the bias attribute as `bias_labels=`, by keyword."
        )
    if y is None:
        raise ValueError("`y` must be given to stratify on (y, bias_labels), got None.")
    if bias_labels is None:
        raise ValueError(
            "`bias_labels` did not reach BiasStratifiedKFold. Pass it to `split`; inside a search "
            "or cross_validate call sklearn.set_config(enable_metadata_routing=True) and pass "
            "`bias_labels=` to fit (or in `params=`)."
        )
