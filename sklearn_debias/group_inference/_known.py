"""Bias labels of which some are not known."""

from typing import Any

import numpy as np
import pandas as pd

from sklearn_debias.fitting import plain_bias
from sklearn_debias.metrics import encode_bias


def read_known(bias_labels: Any, n: int, *, partly: bool) -> tuple[np.ndarray, list] | None:
    """Return codes (n,) of the bias values, -1 where unknown, and the values.

    Raises
    ------
    ValueError
        Where labels are missing and may not be, or all are.
    """
    if bias_labels is None and not partly:
        return None
    if bias_labels is None:
        raise ValueError(
            "`bias_labels` must be given for `method`='ssa', which spreads those that are known: "
            "pass -1, None or NaN for the others."
        )
    given = pd.Series(np.asarray(plain_bias(bias_labels), dtype=object).ravel())
    unknown = (given.isna() | (given == -1)).to_numpy()
    if len(given) != n:
        raise ValueError(f"`bias_labels` must have one value per row of X, {n}, got {len(given)}.")
    if unknown.any() and not partly:
        raise ValueError(
            f"`bias_labels` are missing (-1, None or NaN) in {unknown.sum()} of {n} rows: only "
            "`method`='ssa' takes them partly."
        )
    if unknown.all():
        raise ValueError("`bias_labels` must be known of some rows, all are missing.")
    codes = np.full(n, -1)
    known = given[~unknown].tolist()
    codes[~unknown], values = encode_bias(known, len(known))
    if partly and len(values) < 2:
        raise ValueError(
            f"`bias_labels` must hold at least 2 known values for `method`='ssa', got {values}."
        )
    return codes, list(values)
