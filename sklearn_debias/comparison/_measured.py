"""Any metric of the fits of a comparison, in every group."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from sklearn_debias.arguments import check_option, is_seed
from sklearn_debias.exceptions import warn
from sklearn_debias.metrics.internal import (
    Fits,
    encode_labels,
    find_groups,
    metrics_of_fits,
    read_metrics,
)

if TYPE_CHECKING:
    from sklearn_debias.comparison._result import ComparisonResult


def measured(
    result: ComparisonResult, metrics: Any, by: str, n_resamples: int, random_state: Any
) -> pd.DataFrame:
    """Return the table of `ComparisonResult.measure`."""
    check_option("by", by, ("cell", "bias"))
    if by == "bias" and result.bias_labels is None:
        raise ValueError("`by`='bias' needs bias labels of the rows, and there are none.")
    if random_state is None:
        random_state = np.random.SeedSequence().generate_state(1)[0]
    if not is_seed(random_state):
        raise ValueError(f"`random_state` must be an int >= 0 or None, got {random_state!r}.")
    measures = read_metrics(metrics)
    takers = [measure.name for measure in measures if measure.response == "score"]
    models = {}
    for name, labels in result.predictions_.items():
        scores = result.probabilities_[name] if takers else None
        if not takers or scores is not None:
            models[name] = Fits(labels, scores)
    bare = [name for name in result.frame.index if name not in models]
    why = f"have no `predict_proba`, which `metrics`[{takers[0]!r}] needs" if takers else "failed"
    if not models:
        raise ValueError(f"Nothing can be measured: all methods {why}.")
    if takers and bare:
        warn(f"Left out are {', '.join(bare)}: they {why}, or failed.")
    groups = find_groups(
        encode_labels(result.y_true, "y"),
        keep=np.ones(len(result.y_true), dtype=bool),
        bias_labels=result.bias_labels,
        absent="ignore",
        by="bias" if by == "bias" else "cell",
    )
    return metrics_of_fits(
        measures,
        result.y_true,
        models,
        groups,
        confidence=result.confidence,
        n_resamples=n_resamples,
        seed=int(random_state),
    )
