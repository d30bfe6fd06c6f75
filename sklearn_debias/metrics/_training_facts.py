"""Facts that the training data tell about the groups: aligned bias values, and shares."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from sklearn_debias.arguments import check_option, in_our_words
from sklearn_debias.metrics._encoding import check_weights
from sklearn_debias.metrics._groups import Groups, group_cells
from sklearn_debias.metrics._names import shorten
from sklearn_debias.metrics._numeric import check_numeric
from sklearn_debias.rows import check_same_rows

__all__ = [
    "aligned_map",
    "aligned_mask",
    "aligned_of",
    "group_shares_map",
    "share_weights",
    "shares_of",
]


@in_our_words
def aligned_map(
    y: npt.ArrayLike, bias_labels: npt.ArrayLike, *, ties: Literal["raise", "omit"] = "raise"
) -> dict[Any, Any]:
    """Return the bias value that each class goes with most often in the training data.

    A sample is *bias-aligned* when it carries this value and *bias-conflicting* otherwise. Always
    compute the map on training data: in an unbiased test set the most frequent value is noise.

    Parameters
    ----------
    y : array-like of shape (n_samples,)
        Class labels of the training data.
    bias_labels : array-like of shape (n_samples,) or (n_samples, n_attributes)
        Bias attribute of each training sample, of any dtype. With several attributes the aligned
        value is the most frequent joint value, a tuple.
    ties : {"raise", "omit"}, default="raise"
        What to do with a class whose two most frequent values are equally frequent: raise an error,
        or leave the class out of the map.

    Returns
    -------
    aligned : dict
        Class label -> aligned bias value, both as Python scalars.

    Raises
    ------
    ValueError
        If the labels are invalid, or a class has a tie and `ties` is "raise".

    Notes
    -----
    The map counts within each class, as the field does. Where one bias value is the majority in
    every class, it is the aligned value of every class; if alignment is meant in another sense,
    write the dict by hand.

    Examples
    --------
    >>> from sklearn_debias.metrics import aligned_map
    >>> aligned_map(["cow", "cow", "cow", "camel"], ["grass", "grass", "sand", "sand"])
    {'camel': 'sand', 'cow': 'grass'}
    """
    check_option("ties", ties, ("raise", "omit"))
    return aligned_of(*group_cells(y, bias_labels), ties)


def aligned_of(codes: np.ndarray, cells: Sequence[Any], ties: str) -> dict[Any, Any]:
    """Return the aligned map of samples whose cells (n,) are known, as :func:`aligned_map` does."""
    best: dict[Any, Any] = {}
    most: dict[Any, int] = {}
    tied: dict[Any, list[Any]] = {}
    for (label, value), count in zip(cells, np.bincount(codes).tolist(), strict=True):
        if label not in best or count > most[label]:
            best[label] = value
            most[label] = count
            tied.pop(label, None)  # what tied for less is beaten
        elif count == most[label]:
            tied.setdefault(label, [best[label]]).append(value)
    if tied and ties == "raise":
        label, values = next(iter(tied.items()))
        raise ValueError(
            f"`bias_labels` must have one most frequent value per class, but in class {label!r} "
            f"the values {shorten(values)} are equally frequent. Pass a dict of your own as "
            "`aligned` instead."
        )
    return {label: value for label, value in best.items() if label not in tied}


@in_our_words
def group_shares_map(
    y: npt.ArrayLike, bias_labels: npt.ArrayLike, *, sample_weight: npt.ArrayLike | None = None
) -> dict[tuple[Any, Any], float]:
    """Return the share of each (class, bias value) group in the training data.

    Parameters
    ----------
    y : array-like of shape (n_samples,)
        Class labels of the training data.
    bias_labels : array-like of shape (n_samples,) or (n_samples, n_attributes)
        Bias attribute of each training sample.
    sample_weight : array-like of shape (n_samples,), default=None
        Weights, finite and >= 0; None weighs all samples alike.

    Returns
    -------
    shares : dict
        (class label, bias value) -> share in (0, 1], for the groups with positive weight. The
        shares sum to 1.

    Raises
    ------
    ValueError
        If the labels or weights are invalid.

    Examples
    --------
    >>> from sklearn_debias.metrics import group_shares_map
    >>> group_shares_map([0, 0, 0, 1], ["a", "a", "b", "b"])
    {(0, 'a'): 0.5, (0, 'b'): 0.25, (1, 'b'): 0.25}
    """
    check_same_rows({"y": y, "bias_labels": bias_labels, "sample_weight": sample_weight})
    codes, names = group_cells(y, bias_labels)
    return shares_of(codes, names, check_weights(sample_weight, len(codes)))


def shares_of(
    codes: np.ndarray, names: Sequence[Any], weight: np.ndarray | None = None
) -> dict[tuple[Any, Any], float]:
    """Return the share of each cell of samples whose cells (n,) are known."""
    totals = np.bincount(codes, weights=weight)
    shares = (totals / totals.sum()).tolist()
    return {name: share for name, share in zip(names, shares, strict=True) if share > 0}


def aligned_mask(groups: Groups, aligned: Mapping[Any, Any] | None) -> np.ndarray:
    """Return a boolean array of shape (n_groups,): whether each (class, bias value) is aligned."""
    if groups.kind != "cell":
        raise ValueError(
            "`bias_labels` must be given to tell aligned from conflicting samples; `membership` or "
            "the classes alone cannot."
        )
    if not isinstance(aligned, Mapping) or not aligned:
        raise ValueError(
            "`aligned` must be a non-empty dict from class label to aligned bias value, such as "
            f"`aligned_map(y_train, bias_train)`, got {aligned!r}."
        )
    # A dict, not a set: it names each class once, and in sorted order.
    unknown = {label: None for label, _ in groups.names if label not in aligned}
    if unknown:
        raise ValueError(
            "`aligned` must have an entry for every class in `y_true`, but lacks "
            f"{shorten(unknown)} (a class absent from the training data, or one whose most "
            "frequent bias values tied). Add it by hand."
        )
    # One value in common is enough: a test set need not hold every bias value of training.
    observed = {value for _, value in (*groups.names, *groups.absent)}
    if observed.isdisjoint(aligned.values()):
        raise ValueError(
            "`aligned` must map to values of `bias_labels`, but none of "
            f"{shorten(set(aligned.values()))} is among {shorten(observed)}. Check the spelling "
            "and type of the values."
        )
    return np.array([aligned[label] == value for label, value in groups.names])


def share_weights(
    groups: Groups, group_shares: Mapping[Any, float] | pd.Series | None
) -> np.ndarray:
    """Return weights of shape (n_groups,), summing to 1: the training share of each group."""
    if isinstance(group_shares, pd.Series):
        group_shares = group_shares.to_dict()
    if not isinstance(group_shares, Mapping) or not group_shares:
        raise ValueError(
            "`group_shares` must be a non-empty dict from group to its share in the TRAINING data, "
            f"such as `group_shares_map(y_train, bias_train)`, got {group_shares!r}."
        )
    _refuse_unseen(groups, group_shares)
    check_numeric(list(group_shares.values()), "group_shares")
    try:
        values = np.array([float(share) for share in group_shares.values()])
    except (TypeError, ValueError, OverflowError) as error:
        raise ValueError(f"`group_shares` must map groups to numbers: {error}.") from error
    if not np.isfinite(values).all() or (values < 0).any():
        raise ValueError(f"`group_shares` must be finite and >= 0, got {shorten(values.tolist())}.")
    # A cell without an entry never occurred in training, which `_refuse_unseen` made sure of.
    shares = np.array([float(group_shares.get(name, 0.0)) for name in groups.names])
    if not shares.any():
        raise ValueError(
            "`group_shares` must be positive for an observed group, but is 0 for all of "
            f"{shorten(groups.names)}."
        )
    return shares / shares.sum()


def _refuse_unseen(groups: Groups, group_shares: Mapping[Any, float]) -> None:
    """Raise a ValueError if a class or bias value has no share at all.

    A cell alone may lack one: training had no such sample.
    """
    has_cells = all(isinstance(key, tuple) and len(key) == 2 for key in group_shares)
    unseen: list[Any]
    if groups.kind == "cell" and has_cells:
        classes = {label for label, _ in group_shares}
        values = {value for _, value in group_shares}
        unseen = [(c, v) for c, v in groups.names if c not in classes or v not in values]
    else:
        unseen = [name for name in groups.names if name not in group_shares]
    if unseen:
        raise ValueError(
            "`group_shares` must cover the observed groups, but has no class or bias value for "
            f"{shorten(unseen)}. Compute it on the training data, with labels of the same type."
        )
