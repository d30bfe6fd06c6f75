"""Rows that ``fit`` is given beside X: a meta set, extra training rows."""

from dataclasses import replace
from typing import Any

import numpy as np
from sklearn.utils.validation import _num_samples

from sklearn_debias.fitting._inputs import Inputs, open_inputs
from sklearn_debias.fitting._targets import encode_known
from sklearn_debias.training import JoinedSource, blamed


def rows_beside(
    estimator: Any, name: str, X: Any, y: Any, n: int, advice: str
) -> tuple[Inputs, np.ndarray]:
    """Check ``X_name`` and ``y_name`` given beside X of n rows; the inputs and class codes."""
    rows = f"X_{name}"
    labels = f"y_{name}"
    if X is None or y is None:
        missing, given = (rows, labels) if X is None else (labels, rows)
        raise ValueError(f"`{missing}` must be given with `{given}`.")
    with blamed(rows, f"It must be like X, with one label per row in `{labels}`."):
        m = _num_samples(X)
    if m == n:
        raise ValueError(
            f"`{rows}` must not have as many rows as X, {n}: cross-validation would slice it as if "
            f"it were aligned with X. {advice}"
        )
    with blamed(rows, f"It must be like X, with one label per row in `{labels}`."):
        inputs = open_inputs(estimator, X, reset=False)
    return inputs, encode_known(estimator.classes_, y, m, labels, rows)


def with_extra(estimator: Any, rows: Any, X: Any, y: Any) -> None:
    """Add ``X_extra`` and ``y_extra`` to the training rows."""
    inputs = rows.inputs
    n = len(rows.inputs.source)
    extra, codes = rows_beside(estimator, "extra", X, y, n, "Leave a row out.")
    shapes = [
        tuple(source.take(np.zeros(1, dtype=int)).shape[1:])
        for source in (inputs.source, extra.source)
    ]
    if shapes[0] != shapes[1]:  # alike once they are resized, but not as they are stored
        raise ValueError(
            "`X_extra` must have rows of the shape of X before `image_size` is applied, "
            f"{shapes[0]}, got {shapes[1]}. Resize them."
        )
    rows.inputs = replace(
        inputs,
        source=JoinedSource((inputs.source, extra.source)),
        low=min(inputs.low, extra.low),
        high=max(inputs.high, extra.high),
    )
    rows.train = np.concatenate([rows.train, n + np.arange(len(codes))])
    rows.y = np.concatenate([rows.y, codes])
    rows.group = rows.cells = None  # the bias values of extra rows are not known
