"""Any metric in every group, with intervals, and how far apart the groups are."""

import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from sklearn.exceptions import UndefinedMetricWarning

from sklearn_debias.exceptions import warn
from sklearn_debias.metrics._bootstrap import (
    Scope,
    difference_interval,
    errors_if_calibrated,
    interval,
    ratio_interval,
    replicates,
)
from sklearn_debias.metrics._calibration import expected_calibration_error
from sklearn_debias.metrics._callables import Measure
from sklearn_debias.metrics._groups import Groups
from sklearn_debias.metrics._intervals import binomial_bounds, effective_counts
from sklearn_debias.metrics._names import shorten
from sklearn_debias.metrics._responses import Responses
from sklearn_debias.metrics._rules import Ratio, calibration_of, rule_of
from sklearn_debias.metrics._types import Rng

__all__ = [
    "MOST_BY_CHANCE",
    "Draw",
    "Measured",
    "MetricsByGroup",
    "bounds_of_share",
    "center_of",
    "measure_groups",
    "measured",
]

BOUNDS = ("lower", "upper")
MOST_BY_CHANCE = 999  # draws that tell whether a lower bound is 0, which 2,000 do no better


@dataclass(frozen=True)
class MetricsByGroup:
    """What a report holds of its metrics."""

    columns: dict[str, np.ndarray]  # of the table of groups, without the accuracy's
    metrics: pd.DataFrame  # a row per metric
    undefined: dict[str, tuple[Any, ...]]  # metric -> groups


@dataclass(frozen=True)
class Draw:
    """How replicates are drawn."""

    n_resamples: int
    confidence: float
    rng: Rng


@dataclass(frozen=True)
class Measured:
    """Metrics of all samples and of each group, and of replicates of them."""

    scopes: list[list[Scope]]  # by metric: all samples, then the groups
    observed: np.ndarray  # (n_metrics, 1 + n_groups)
    drawn: np.ndarray  # (n_resamples, n_metrics, 1 + n_groups)
    weight: np.ndarray  # of the samples as they are sorted


def measured(
    measures: Sequence[Measure],
    responses: Responses,
    groups: Groups,
    order: np.ndarray,
    weight: np.ndarray,
    n_resamples: int,
    rng: Rng,
) -> Measured:
    """Compute metrics of the samples at the positions `order`, whose weights are `weight`."""
    _check_weights_are_taken(measures, weight)
    # Sorted by stratum, a group without overlap is a slice of the samples, which copies nothing.
    if groups.kind != "membership":
        by_stratum = np.argsort(groups.strata, kind="stable")
        groups = replace(groups, strata=groups.strata[by_stratum])
        order = order[by_stratum]
        weight = weight[by_stratum]
    rows = [slice(None), *_rows_of(groups)]
    scopes = []
    for measure in measures:
        every = responses.of(measure).take(order)
        bound = measure.bind(every.classes)
        scopes.append([_scope(bound, every, of_group) for of_group in rows])
    is_weighted = bool((weight != weight[0]).any())
    observed = _observe(scopes, groups, weight if is_weighted else None)
    flat = [scope for row in scopes for scope in row]
    drawn = replicates(flat, groups, weight, n_resamples, rng)
    return Measured(scopes, observed, drawn.reshape(-1, *observed.shape), weight)


def measure_groups(
    measures: Sequence[Measure],
    responses: Responses,
    groups: Groups,
    order: np.ndarray,
    weight: np.ndarray,
    draw: Draw,
) -> MetricsByGroup:
    """Return the metrics of the groups with their intervals, and of all samples.

    The first is the accuracy. The groups are those of the samples at the positions `order`, whose
    weights are `weight`.
    """
    found = measured(measures, responses, groups, order, weight, draw.n_resamples, draw.rng)
    observed = found.observed
    drawn = found.drawn
    lower, upper = _bounds(found, draw)
    columns: dict[str, np.ndarray] = {}
    table = []
    for m, measure in enumerate(measures):
        name = measure.name
        if m > 0:
            columns |= {name: observed[m, 1:], f"{name}_lower": lower[m, 1:]}
            columns[f"{name}_upper"] = upper[m, 1:]
        overall = {"overall": observed[m, 0], "overall_lower": lower[m, 0]}
        overall |= {"overall_upper": upper[m, 0]}
        between = _between(measure, observed[m, 1:], drawn[:, m, 1:], groups.names, draw)
        kind = "binomial" if found.scopes[m][0].is_share else "bootstrap"
        table.append({"metric": name} | overall | between | {"interval": kind})
    undefined = _undefined(measures, observed, groups.names)
    return MetricsByGroup(columns, pd.DataFrame(table), undefined)


def _check_weights_are_taken(measures: Iterable[Measure], weight: np.ndarray) -> None:
    """Raise a ValueError where a metric cannot weigh the samples."""
    if (weight == weight[0]).all():
        return
    for measure in measures:
        if not measure.takes_weight:
            raise ValueError(
                f"`metrics`[{measure.name!r}] must take `sample_weight`, as weights are given that "
                f"differ, but {measure.function!r:.60} does not. Give it that argument, or leave "
                "the weights out."
            )


def _rows_of(groups: Groups) -> list[Any]:
    """Return the rows of each group, which are sorted by stratum unless groups overlap."""
    if groups.kind == "membership":
        assert groups.member is not None
        return list(map(np.flatnonzero, groups.member[groups.strata].T))
    strata = np.arange(groups.n_strata)
    if groups.member is not None:  # some groups were left out
        strata = groups.member.argmax(axis=0)
    ends = np.searchsorted(groups.strata, np.arange(groups.n_strata + 1))
    return [slice(ends[s], ends[s + 1]) for s in strata.tolist()]


def _scope(measure: Measure, every: Any, rows: Any) -> Scope:
    sample = every.take(rows)
    return Scope(rows, sample, measure, rule_of(measure.function, measure.keywords, sample))


def _observe(
    scopes: Sequence[Sequence[Scope]], groups: Groups, weight: np.ndarray | None
) -> np.ndarray:
    """Return the metrics' own values, shape (n_metrics, 1 + n_groups), NaN where undefined."""
    said: dict[str, None] = {}
    reasons: dict[str, str] = {}
    observed = np.full((len(scopes), 1 + len(groups.names)), np.nan)
    for m, row in enumerate(scopes):
        name = row[0].measure.name
        for g, scope in enumerate(row):
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                warnings.simplefilter("error", UndefinedMetricWarning)
                try:
                    observed[m, g] = _value(scope, weight)
                except UndefinedMetricWarning as reason:
                    reasons.setdefault(name, str(reason))
                except (TypeError, ValueError, ArithmeticError) as reason:
                    # What fails on all samples is a mistake; what fails in a group is undefined.
                    if g == 0 or isinstance(reason, TypeError):
                        origin = "`y_score`" if scope.measure.response == "score" else "`y_pred`"
                        raise ValueError(
                            f"`metrics`[{name!r}] cannot be computed from `y_true` and {origin}: "
                            f"{reason}"
                        ) from reason
                    reasons.setdefault(name, str(reason))
            said |= dict.fromkeys(f"`metrics`[{name!r}]: {entry.message}" for entry in caught)
    for message in said:
        warn(message)
    _warn_of_undefined(scopes, observed, groups, reasons)
    return observed


def _value(scope: Scope, weight: np.ndarray | None) -> float:
    given = () if weight is None else (weight[scope.rows],)
    value = scope.measure(scope.sample.labels, scope.sample.response, *given)
    if np.ndim(value) or np.iscomplexobj(value):
        raise TypeError(f"it must return one number, got {value!r:.60}.")
    return float(value)


def _undefined(
    measures: Iterable[Measure], observed: np.ndarray, names: Sequence[Any]
) -> dict[str, tuple[Any, ...]]:
    """Return the groups without a value, by the name of the metric, where there are any."""
    found = {}
    for measure, values in zip(measures, observed[:, 1:], strict=True):
        lacking = tuple(names[g] for g in np.flatnonzero(np.isnan(values)).tolist())
        if lacking:
            found[measure.name] = lacking
    return found


def _warn_of_undefined(
    scopes: Sequence[Sequence[Scope]],
    observed: np.ndarray,
    groups: Groups,
    reasons: dict[str, str],
) -> None:
    """Warn once of all metrics that are undefined in groups, with the groups."""
    found = _undefined([row[0].measure for row in scopes], observed, groups.names)
    if not found:
        return
    parts = []
    for name, lacking in found.items():
        reason = f" ({reasons[name].rstrip('.')})" if name in reasons else ""
        parts.append(
            f"{name!r} in {len(lacking)} of {len(groups.names)} groups: {shorten(lacking)}{reason}"
        )
    way_out = ""
    if groups.kind in ("cell", "class"):
        way_out = " A group of one class has no ranking: by='bias' groups by the bias value alone."
    warn(f"`metrics` are undefined, and NaN in the report: {'; '.join(parts)}.{way_out}")


def _bounds(found: Measured, draw: Draw) -> tuple[np.ndarray, np.ndarray]:
    """Return bounds of every value: exact for shares of samples, else from the replicates."""
    drawn = found.drawn
    lower, upper = np.full((2, *found.observed.shape), np.nan)
    for m, row in enumerate(found.scopes):
        for g, scope in enumerate(row):
            value = found.observed[m, g]
            inside = found.weight[scope.rows]
            if np.isnan(value):
                continue
            if scope.is_share:
                bounds = bounds_of_share(scope, value, inside, draw.confidence)
            elif len(inside) == 1:  # it is all of its replicates, and tells no spread
                continue
            elif scope.measure.function is expected_calibration_error:
                bounds = _bounds_of_calibration(scope, value, drawn[:, m, g], inside, draw)
            else:
                bounds = interval(value, drawn[:, m, g], draw.confidence)
            lower[m, g], upper[m, g] = bounds
    return lower, upper


def bounds_of_share(scope: Scope, value: float, weight: np.ndarray, confidence: float) -> Any:
    """Return binomial bounds, exact where weights are equal."""
    assert isinstance(scope.rule, Ratio)
    total = weight @ scope.rule.below
    squares = weight**2 @ scope.rule.below
    hits, n = effective_counts(np.array(value), total, squares)
    half = (1 - confidence) / 2
    return binomial_bounds(hits, n, half, half)


def _bounds_of_calibration(
    scope: Scope, value: float, drawn: np.ndarray, weight: np.ndarray, draw: Draw
) -> Any:
    """Return mirrored bounds in [0, 1], from 0 on where chance alone may make such an error."""
    rule = calibration_of(scope.measure.keywords, scope.sample, weight)
    center = center_of(scope, value, weight)
    low, high = interval(value, drawn, draw.confidence, center=center)
    # Near 0 the error is all bias, of which mirroring takes a part only.
    chance = errors_if_calibrated(rule, weight, min(draw.n_resamples, MOST_BY_CHANCE), draw.rng)
    if value <= np.quantile(chance, (1 + draw.confidence) / 2):
        low = np.array(0.0)
    return np.clip((low, high), 0, 1)


def center_of(scope: Scope, value: float, weight: np.ndarray) -> float | None:
    """Return what the replicates of a calibration error scatter around; None of other metrics."""
    if scope.measure.function is not expected_calibration_error:
        return None
    rule = calibration_of(scope.measure.keywords, scope.sample, weight)
    # A debiased replicate estimates, without bias, what the samples have before debiasing.
    return float(replace(rule, debias=False)(weight[None])[0]) if rule.debias else value


def _between(
    measure: Measure, values: np.ndarray, drawn: np.ndarray, names: Sequence[Any], draw: Draw
) -> dict[str, Any]:
    """Return the largest difference and the smallest ratio of two groups, with their bounds."""
    defined = ~np.isnan(values)
    row: dict[str, Any] = {}
    apart = {"difference": (_difference, difference_interval), "ratio": (_ratio, ratio_interval)}
    for name, (function, bounds_of) in apart.items():
        row |= dict.fromkeys([name, f"{name}_lower", f"{name}_upper"], np.nan)
        # Of two groups with one value there is nothing to compare.
        if defined.sum() < min(2, len(values)):
            continue
        row[name] = float(function(values[defined]))
        # Noise adds to each calibration error by another amount, of which their replicates tell too
        # little: such intervals would cover the truth half of the time.
        if defined.sum() > 1 and measure.function is not expected_calibration_error:
            bounds = bounds_of(values[defined], drawn[:, defined], draw.confidence)
            row |= {f"{name}_{s}": float(b) for s, b in zip(BOUNDS, bounds, strict=True)}
    row["lowest_group"] = names[int(np.nanargmin(values))] if defined.any() else None
    row["highest_group"] = names[int(np.nanargmax(values))] if defined.any() else None
    row["greater_is_better"] = measure.greater_is_better
    row["n_undefined"] = int((~defined).sum())
    return row


def _difference(values: np.ndarray) -> np.ndarray:
    """Return the largest difference of two groups, (...,), from values (..., n_groups)."""
    return values.max(axis=-1) - values.min(axis=-1)


def _ratio(values: np.ndarray) -> np.ndarray:
    """Return the smallest ratio of two groups; NaN where a value is negative, or none positive."""
    low = values.min(axis=-1)
    high = values.max(axis=-1)
    sound = (low >= 0) & (high > 0)
    return np.where(sound, low / np.where(sound, high, 1.0), np.nan)
