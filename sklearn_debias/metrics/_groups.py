"""Groups: which samples belong to which (class, bias value) cell, and how many were right."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from sklearn_debias.arguments import check_option, in_our_words, is_whole
from sklearn_debias.metrics._codes import kept_of, observed
from sklearn_debias.metrics._encoding import check_weights, correctness, encode_bias, encode_labels
from sklearn_debias.metrics._names import missing_groups
from sklearn_debias.metrics._types import Absent, By, Encoded, Kind
from sklearn_debias.rows import as_array, as_pandas, check_same_rows

__all__ = ["Groups", "Tally", "cells_of", "find_groups", "group_cells", "large_enough", "tally"]


@dataclass(frozen=True)
class Groups:
    """The groups of some samples, those present only.

    Every sample lies in one stratum. Without overlap a stratum is a group. With a membership matrix
    it is a pattern of memberships, so that counting and resampling need no second code path.
    """

    kind: Kind
    names: tuple[Any, ...]  # (n_groups,)
    absent: tuple[Any, ...]  # names of groups without a sample
    strata: np.ndarray  # (n,) codes
    n_strata: int
    member: np.ndarray | None  # (n_strata, n_groups) bool; None when strata are the groups
    small: tuple[Any, ...] = ()  # names of groups that were left out, as too small

    def keep(self, kept: np.ndarray) -> "Groups":
        """Return the groups of a mask (n_groups,); the samples stay, in no group or in others."""
        member = np.eye(self.n_strata, dtype=bool) if self.member is None else self.member
        pairs = list(zip(self.names, kept.tolist(), strict=True))
        return replace(
            self,
            names=tuple(name for name, is_kept in pairs if is_kept),
            small=tuple(name for name, is_kept in pairs if not is_kept),
            member=member[:, kept],
        )

    def total(self, values: np.ndarray | None = None) -> np.ndarray:
        """Return the sum of values of shape (n,), else the samples, per group, (n_groups,)."""
        return self.merge(np.bincount(self.strata, weights=values, minlength=self.n_strata))

    def merge(self, per_stratum: np.ndarray) -> np.ndarray:
        """Return totals of shape (..., n_strata) per group, shape (..., n_groups)."""
        return per_stratum if self.member is None else per_stratum @ self.member


@dataclass(frozen=True)
class Tally:
    """Counts per group: all that a group metric needs to know."""

    groups: Groups
    n: np.ndarray  # (n_groups,) samples
    weight: np.ndarray  # (n_groups,) total weight
    hits: np.ndarray  # (n_groups,) weight of the correct ones
    weight_squares: np.ndarray  # (n_groups,)
    raw_accuracy: float  # over all samples, grouped or not
    n_samples: int  # with positive weight

    @property
    def accuracy(self) -> np.ndarray:
        """Accuracy of each group, shape (n_groups,)."""
        return self.hits / self.weight  # never 0 / 0: groups without weight are not present

    def of_at_least(self, min_group_size: int) -> "Tally":
        """Return the counts of the groups with so many samples."""
        kept = large_enough(self.n, min_group_size)
        if kept.all():
            return self
        return replace(
            self,
            groups=self.groups.keep(kept),
            n=self.n[kept],
            weight=self.weight[kept],
            hits=self.hits[kept],
            weight_squares=self.weight_squares[kept],
        )


def tally(
    y_true: npt.ArrayLike,
    y_pred: npt.ArrayLike,
    *,
    bias_labels: npt.ArrayLike | None = None,
    membership: npt.ArrayLike | None = None,
    sample_weight: npt.ArrayLike | None = None,
    universe: Iterable[Any] | None = None,
    absent: Absent = "raise",
    by: By = "cell",
) -> Tally:
    """Validate the arguments that all group metrics share, and count."""
    check_same_rows(
        {
            "y_true": y_true,
            "y_pred": y_pred,
            "bias_labels": bias_labels,
            "membership": membership,
            "sample_weight": sample_weight,
        }
    )
    y_codes, classes = encode_labels(y_true, "y_true")
    correct = correctness(y_codes, classes, y_pred)
    weight = check_weights(sample_weight, len(correct))
    # Weight 0 removes a sample before groups are formed: it cannot make a group present.
    keep = weight > 0
    groups = find_groups(
        (y_codes, classes),
        keep=keep,
        bias_labels=bias_labels,
        membership=membership,
        universe=universe,
        absent=absent,
        by=by,
    )
    n = groups.total()
    if sample_weight is None:
        total = squares = n.astype(float)
        hits, overall = groups.total(correct), correct.mean()
    else:
        weight, correct = weight[keep], correct[keep]
        total, squares = groups.total(weight), groups.total(weight**2)
        hits, overall = groups.total(weight * correct), np.average(correct, weights=weight)
    return Tally(groups, n, total, hits, squares, float(overall), n_samples=len(correct))


def check_group_size(min_group_size: Any) -> None:
    """Raise a ValueError unless it is a number of samples."""
    if not is_whole(min_group_size) or min_group_size < 1:
        raise ValueError(f"`min_group_size` must be an int >= 1, got {min_group_size!r}.")


def large_enough(n: np.ndarray, min_group_size: Any) -> np.ndarray:
    """Return a mask (n_groups,): which groups have `min_group_size` samples; there must be one."""
    check_group_size(min_group_size)
    kept = n >= min_group_size
    if not kept.any():
        raise ValueError(
            f"`min_group_size`={min_group_size} leaves no group: the largest has {n.max()} samples."
        )
    return kept


def find_groups(
    encoded_y: Encoded,
    *,
    keep: np.ndarray,
    bias_labels: npt.ArrayLike | None = None,
    membership: npt.ArrayLike | None = None,
    universe: Iterable[Any] | None = None,
    absent: Absent = "raise",
    by: By = "cell",
) -> Groups:
    """Return the groups of the samples in the mask `keep`; `encoded_y` is (codes, classes)."""
    check_option("absent", absent, ("raise", "warn", "ignore"))
    if bias_labels is not None and membership is not None:
        raise ValueError(
            "`bias_labels` and `membership` must not both be given: keep the one that defines the "
            "groups."
        )
    if membership is not None:
        groups = _from_membership(membership, keep)
    elif bias_labels is not None and by == "bias":
        bias_codes, values = encode_bias(bias_labels, len(keep))
        groups = _observed("bias", kept_of(bias_codes, keep), values)
    elif bias_labels is not None:
        groups = _from_cells(encoded_y, encode_bias(bias_labels, len(keep)), keep)
    else:
        groups = _observed("class", kept_of(encoded_y[0], keep), encoded_y[1])
    if universe is not None:
        missing = missing_groups(groups.names, groups.kind, universe, absent)
        groups = replace(groups, absent=missing)
    return groups


@in_our_words
def group_cells(
    y: npt.ArrayLike, bias_labels: npt.ArrayLike
) -> tuple[np.ndarray, list[tuple[Any, Any]]]:
    """Encode the observed (class, bias value) cells.

    Parameters
    ----------
    y : array-like of shape (n_samples,)
        Class labels.
    bias_labels : array-like of shape (n_samples,) or (n_samples, n_attributes)
        Value of the bias attribute of each sample.

    Returns
    -------
    codes : ndarray of shape (n_samples,), dtype intp
        Position of each sample's cell in `names`.
    names : list of tuple
        The observed cells as (class, bias value), sorted by class, then by bias value.

    Raises
    ------
    ValueError
        If the labels are invalid, as for :func:`encode_bias`.

    Examples
    --------
    >>> from sklearn_debias.metrics import group_cells
    >>> codes, names = group_cells([1, 0, 1], ["sea", "sea", "land"])
    >>> codes.tolist(), names
    ([2, 0, 1], [(0, 'sea'), (1, 'land'), (1, 'sea')])
    """
    check_same_rows({"y": y, "bias_labels": bias_labels})
    encoded_y = encode_labels(y, "y")
    n_samples = len(encoded_y[0])
    return cells_of(encoded_y, encode_bias(bias_labels, n_samples))


def cells_of(encoded_y: Encoded, encoded_bias: Encoded) -> tuple[np.ndarray, list[Any]]:
    """Return the observed cells of encoded labels, as :func:`group_cells` does."""
    every = np.ones(len(encoded_y[0]), dtype=bool)
    groups = _from_cells(encoded_y, encoded_bias, every)
    return groups.strata, list(groups.names)


def _from_cells(encoded_y: Encoded, encoded_bias: Encoded, keep: np.ndarray) -> Groups:
    """Return the observed cells.

    The other cells of observed classes and observed bias values are absent.
    """
    y_codes, classes = encoded_y
    bias_codes, values = encoded_bias
    # Codes follow the sorted values, so that joint codes sort by class, then by bias value.
    joint = y_codes * len(values) + bias_codes
    names = [(label, value) for label in classes for value in values]
    return _observed("cell", kept_of(joint, keep), names)


def _observed(kind: Kind, codes: np.ndarray, names: Sequence[Any]) -> Groups:
    """Return the groups of samples that have one each, by code (n,); the others are absent."""
    seen, strata = observed(codes, len(names))
    empty = np.setdiff1d(np.arange(len(names)), seen, assume_unique=True)
    return Groups(
        kind=kind,
        names=tuple(names[i] for i in seen),
        absent=tuple(names[i] for i in empty),
        strata=strata,
        n_strata=len(seen),
        member=None,
    )


def _from_membership(membership: npt.ArrayLike, keep: np.ndarray) -> Groups:
    """Return overlapping groups: the columns of a boolean matrix.

    The column names of a frame are the groups' names.
    """
    membership = as_pandas(membership)
    matrix = as_array(membership, "membership")
    if matrix.ndim != 2 or len(matrix) != len(keep) or matrix.shape[1] == 0:
        raise ValueError(
            f"`membership` must be a matrix of shape ({len(keep)}, n_groups): one row per sample, "
            f"one column per group, got shape {matrix.shape}."
        )
    # Not cast: labels given by mistake would pass for memberships, and give a meaningless number.
    if matrix.dtype != bool:
        raise ValueError(
            f"`membership` must be boolean, got dtype {matrix.dtype}. Use "
            "`membership.astype(bool)` if its entries are 0 and 1."
        )
    names: list[Any] = list(range(matrix.shape[1]))
    if isinstance(membership, pd.DataFrame):
        names = list(membership.columns)
    if len(set(names)) < len(names):
        raise ValueError(f"`membership` must have distinct column names, got {names}.")
    kept = matrix[keep]
    # Patterns are compared as packed bits: `np.unique` then sorts rows an eighth as long.
    patterns, first, strata = np.unique(
        np.packbits(kept, axis=1), axis=0, return_index=True, return_inverse=True
    )
    member = kept[first]
    present = member.any(axis=0)
    if not present.any():
        raise ValueError(
            "`membership` must put at least one sample in a group, got no True at all."
        )
    return Groups(
        kind="membership",
        names=tuple(name for name, is_in in zip(names, present, strict=True) if is_in),
        absent=tuple(name for name, is_in in zip(names, present, strict=True) if not is_in),
        strata=strata.ravel(),  # NumPy 2.0.0 gives the inverse a second axis
        n_strata=len(patterns),
        member=member[:, present],
    )
