"""What a report is asked for beside the accuracy, checked before anything is computed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.metrics import accuracy_score

from sklearn_debias.arguments import check_option
from sklearn_debias.metrics._bootstrap import check_resamples
from sklearn_debias.metrics._callables import Measure, read_metrics
from sklearn_debias.metrics._encoding import check_weights
from sklearn_debias.metrics._groups import Groups
from sklearn_debias.metrics._metrics_by_group import Draw, MetricsByGroup, measure_groups
from sklearn_debias.metrics._random import check_rng
from sklearn_debias.metrics._responses import read_responses
from sklearn_debias.metrics._types import Seed

__all__ = ["Request", "check_by", "read_request"]

ACCURACY = Measure("accuracy", accuracy_score)
TAKEN = ("class", "bias", "group", "n", "accuracy", "lower", "upper", "aligned")  # columns


@dataclass(frozen=True)
class Request:
    """The metrics, and how their intervals are made; no metrics are no request."""

    measures: tuple[Measure, ...]
    y_score: Any
    draw: Draw

    def measure(
        self,
        y_true: npt.ArrayLike,
        y_pred: npt.ArrayLike,
        groups: Groups,
        sample_weight: npt.ArrayLike | None,
    ) -> MetricsByGroup:
        """Return the metrics of groups, which were found among the samples of positive weight."""
        if not self.measures:
            return MetricsByGroup({}, pd.DataFrame(), {})
        responses = read_responses(y_true, y_pred, self.y_score)
        weight = check_weights(sample_weight, len(responses.predicted.labels))
        rows = np.flatnonzero(weight > 0)
        return measure_groups(self.measures, responses, groups, rows, weight[rows], self.draw)


def read_request(
    metrics: Mapping[str, Any] | Sequence[str] | None,
    y_score: Any,
    n_resamples: Any,
    confidence: float,
    random_state: Seed,
) -> Request:
    """Return what is asked for; raise a ValueError where it makes no sense, whatever the data."""
    draw = Draw(check_resamples(n_resamples), confidence, check_rng(random_state))
    measures = () if metrics is None else _with_accuracy(read_metrics(metrics))
    _check_names(measures)
    takers = [measure.name for measure in measures if measure.response == "score"]
    if takers and y_score is None:
        raise ValueError(
            f"`y_score` must be given for `metrics`[{takers[0]!r}], which needs scores, got None. "
            "Pass what `predict_proba` or `decision_function` returns."
        )
    if y_score is not None and not takers:
        raise ValueError(
            "`y_score` is given, but no metric of `metrics` takes scores. Say which does by "
            "(callable, 'score'), or leave `y_score` out."
        )
    return Request(measures, y_score, draw)


def check_by(by: Any, bias_labels: Any, aligned: Any) -> None:
    """Raise a ValueError unless the groups can be formed as `by` has it."""
    check_option("by", by, ("cell", "bias"))
    if by == "bias" and bias_labels is None:
        raise ValueError("`by`='bias' groups by the values of `bias_labels`, got None. Pass them.")
    if by == "bias" and aligned is not None:
        raise ValueError(
            "`by`='bias' has no (class, bias value) groups, which `aligned` tells apart. Leave one "
            "of the two out."
        )


def _with_accuracy(measures: Sequence[Measure]) -> tuple[Measure, ...]:
    """Return the metrics with the accuracy in front, which every report has."""
    for measure in measures:
        if measure.name == "accuracy" and (
            measure.function is not accuracy_score or measure.keywords
        ):
            raise ValueError(
                "`metrics`['accuracy'] must be accuracy_score, which the report has anyway, got "
                f"{measure.function!r:.60}. Give another metric another name."
            )
    return (ACCURACY, *(measure for measure in measures if measure.name != "accuracy"))


def _check_names(measures: Sequence[Measure]) -> None:
    """Raise a ValueError where two columns of the table would have one name."""
    seen = set(TAKEN)
    for measure in measures[1:]:
        columns = {measure.name, f"{measure.name}_lower", f"{measure.name}_upper"}
        if seen & columns:
            raise ValueError(
                f"`metrics` must have names that no other column has, got {measure.name!r}; "
                f"{sorted(seen & columns)[0]!r} is one already. Call it otherwise."
            )
        seen |= columns
