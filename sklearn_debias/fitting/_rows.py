"""Which rows are trained on, which are held out, and what is known of each."""

import copy
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from sklearn.utils import _safe_indexing
from sklearn.utils.validation import _check_sample_weight
from torch.utils.data import Dataset, Subset

from sklearn_debias.fitting._beside import with_extra
from sklearn_debias.fitting._cells import bias_facts
from sklearn_debias.fitting._inputs import Inputs, open_inputs, plain
from sklearn_debias.fitting._meta_set import given_meta
from sklearn_debias.fitting._targets import encode_known, encode_target, hold_out
from sklearn_debias.metrics import encode_bias, group_cells
from sklearn_debias.training import Source, Streams, blamed

ARGUMENTS = {
    "student": "X_student",
    "attention_maps": "attention_maps",
}  # of fit, that hold a row for each of X


@dataclass
class Rows:
    """The training rows of a fit.

    Parameters
    ----------
    inputs : Inputs
        All rows of X.
    train : ndarray of shape (n,)
        Numbers of the rows trained on.
    y : ndarray of shape (n,)
        Class codes.
    cells : list of (class, bias value), group : ndarray of shape (n,), or None
        The groups of the training rows, where bias labels were given.
    weight : ndarray of shape (n,) or None
        Sample weights with mean 1.
    validation : (X, y, bias_labels) or None
    others : mapping of str to Inputs
        All rows as those roles see them that do not take ``inputs``.
    meta : (Source, ndarray of shape (m,)) or None
        Rows of the meta set and their class codes.
    """

    inputs: Inputs
    train: np.ndarray
    y: np.ndarray
    group: np.ndarray | None
    cells: list[tuple] | None
    weight: np.ndarray | None
    validation: tuple[Any, Any, Any] | None
    others: Mapping[str, Inputs] = field(default_factory=dict)
    meta: tuple[Source, np.ndarray] | None = None


def choose_rows(
    estimator: Any,
    X: Any,
    y: Any,
    *,
    bias_labels: Any,
    sample_weight: Any,
    validation_data: Any,
    streams: Streams,
    others: Mapping[str, Any],
    meta: tuple[Any, Any] | None = None,
    extra: tuple[Any, Any] | None = None,
) -> Rows:
    """Check what ``fit`` was given, set what is known of the data on the estimator, and split it."""
    inputs = open_inputs(estimator, X, reset=True)
    n = len(inputs.source)
    codes, classes = encode_target(estimator, y, n)
    bias = None if bias_labels is None else encode_bias(plain(bias_labels, "bias_labels"), n)
    weight = _weights(sample_weight, X, n, estimator.dtype)
    train = np.arange(n) if weight is None else np.flatnonzero(weight)
    validation = None
    estimator.classes_ = classes
    estimator.input_shape_ = inputs.shape
    estimator._input_high = inputs.high
    if estimator.validation is not None and validation_data is not None:
        raise ValueError(
            "`validation` and `validation_data` must not both be given: keep one of them."
        )
    if estimator.validation is not None:
        strata = codes[train] if bias is None else codes[train] * len(bias[1]) + bias[0][train]
        held = hold_out(
            strata, estimator.validation, np.random.default_rng(streams.seed("validation"))
        )
        out = train[held]
        train = train[~held]
        labels = None if bias is None else [bias[1][c] for c in bias[0][out]]
        validation = (take_rows(X, out), classes[codes[out]], labels)
    elif validation_data is not None:
        validation = _given_validation(
            estimator, validation_data, None if bias is None else bias[1]
        )
    elif estimator.monitor is not None:
        raise ValueError(
            "`monitor` needs validation rows to score: set `validation` to a fraction, or pass "
            "validation_data."
        )
    present = np.unique(codes[train])
    if len(present) < len(classes):
        if len(present) < 2:
            raise ValueError(
                f"`sample_weight` leaves one class, {classes[present].tolist()}; at least 2 are "
                "needed."
            )
        estimator.classes_ = classes = classes[present]
        codes = np.searchsorted(present, codes)
    group, cells = _describe_bias(estimator, classes[codes[train]], bias, train)
    weight = None if weight is None else weight[train] / weight[train].mean()
    views = {name: _open_view(estimator, view, n, ARGUMENTS[name]) for name, view in others.items()}
    ahead = None if meta is None else given_meta(estimator, *meta, inputs.source)
    rows = Rows(inputs, train, codes[train], group, cells, weight, validation, views, ahead)
    if extra is not None:
        with_extra(estimator, rows, *extra)
    return rows


def _open_view(estimator: Any, X: Any, n: int, name: str) -> Inputs:
    with blamed(
        name, "It must hold the rows of X in the same order, as arrays, image paths or a Dataset."
    ):
        inputs = open_inputs(copy.copy(estimator), X, reset=True)
        if len(inputs.source) != n:
            raise ValueError(f"it has {len(inputs.source)} rows, and X {n}")
    return inputs


def _weights(sample_weight: Any, X: Any, n: int, dtype: str) -> np.ndarray | None:
    if sample_weight is None:
        return None
    sample_weight = plain(sample_weight, "sample_weight")
    weight = _check_sample_weight(
        sample_weight, np.empty((n, 1)), dtype=np.float64, ensure_non_negative=True
    )
    if not weight.any():
        raise ValueError(
            "`sample_weight` must have a positive entry for at least 2 classes, got zeros only."
        )
    return weight


def _describe_bias(
    estimator: Any, y: np.ndarray, bias: tuple | None, train: np.ndarray
) -> tuple[np.ndarray | None, list | None]:
    if bias is None:
        return None, None
    labels = [bias[1][code] for code in bias[0][train]]
    estimator.__dict__.update(bias_facts(y, labels, bias[1]))
    return group_cells(y, labels)


def _given_validation(estimator: Any, data: Any, known: list | None) -> tuple[Any, Any, Any]:
    if not isinstance(data, (tuple, list)) or len(data) not in (2, 3):
        raise ValueError("`validation_data` must be (X, y) or (X, y, bias_labels).")
    X, y, bias = (*data, None)[:3]
    with blamed(
        "validation_data",
        "Its X must be like that of fit, with one label (and bias value) per row.",
    ):
        n = len(open_inputs(estimator, X, reset=False).source)
        encode_known(estimator.classes_, y, n, "validation_data[1]")
        values = [] if bias is None else encode_bias(plain(bias, "validation_data[2]"), n)[1]
    unseen = [] if known is None else [value for value in values if value not in known]
    if known is not None and unseen:
        raise ValueError(
            f"`validation_data[2]` must hold bias values of the training data, {known[:8]}, got "
            f"{unseen[:5]} too."
        )
    return X, y, bias


def take_rows(X: Any, index: np.ndarray) -> Any:
    """Return the rows ``index`` of X as it was given: a frame stays a frame, a Dataset is not read."""
    if isinstance(X, Dataset) and not hasattr(X, "iloc"):
        return Subset(X, index.tolist())
    return _safe_indexing(X, index)
