"""From predictions of test rows to the figures of a comparison."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from sklearn_debias.comparison._fits import Outcome, Task, as_text
from sklearn_debias.comparison._parts import Part
from sklearn_debias.comparison._result import ComparisonResult
from sklearn_debias.comparison._selection import mean_scores, selected
from sklearn_debias.comparison._study import Study
from sklearn_debias.metrics import aligned_map, group_shares_map
from sklearn_debias.metrics.internal import COEFFICIENTS, Crossed, Groups, cross, find_groups
from sklearn_debias.metrics.internal import encode_labels as encoded

TARGET = "worst_group_accuracy"
AVERAGE = "accuracy"
COLUMNS = [  # of the fits of the selection
    "method",
    "configuration",
    "split",
    "params",
    "score",
    "seconds",
    "selected",
    "degenerate",
    "error",
    "warnings",
]


def evaluate(
    study: Study,
    parts: Mapping[str, Part],
    selection: Mapping[str, list[list[Task]]],
    chosen: Mapping[str, list[Task]],
    *,
    reference: str,
    confidence: float,
    n_resamples: int,
    seed: int,
    **facts: Any,
) -> ComparisonResult:
    """Open the classes of the test rows, and return the result."""
    rows = parts.get("test", parts.get("validation"))
    assert rows is not None
    y = study.judging["test"].codes(rows.y)
    groups = find_groups(
        encoded(rows.y, "y"),
        keep=np.ones(len(y), dtype=bool),
        bias_labels=rows.bias_labels,
        absent="ignore",
    )
    coefficients = _coefficients(groups, parts["train"])
    done = {name: [study.outcome(task) for task in tasks] for name, tasks in chosen.items()}
    right = {
        name: np.stack([o.arrays["test"] == y for o in outcomes if not o.error])
        for name, outcomes in done.items()
        if any(not o.error for o in outcomes)
    }
    rng = np.random.default_rng([seed, 2])
    crossed: dict[str, Crossed] = {}
    by_group: list[Crossed] = []
    if right:
        single = range(len(groups.names))
        metrics: dict[Any, Any] = {**coefficients, **dict(zip(single, single, strict=True))}
        found = cross(
            groups,
            list(right.values()),
            metrics,
            n_resamples=n_resamples,
            rng=rng,
            pairs=_pairs(done) if study.draws else None,
        )
        by_group = [found.pop(number) for number in single]
        crossed = found
    against = _against(crossed, list(right), reference, confidence)
    frame = _frame(study, selection, done, list(right), crossed, against, confidence)
    frame["regret"] = [_regret(study, selection[name], groups, y) for name in frame.index]
    classes = study.judging["test"].classes
    return ComparisonResult(
        frame=frame,
        groups=_by_group(groups, list(right), by_group),
        group_frames_=_frames(groups, list(right), by_group, confidence),
        configurations=_configurations(study, selection),
        y_true=np.asarray(rows.y),
        bias_labels=rows.bias_labels,
        predictions_={name: _predicted(done[name], classes) for name in right},
        probabilities_={name: _probabilities(done[name]) for name in right},
        best_method_=_best(frame),
        best_estimator_=None,
        scores_={
            metric: dict(zip(right, found.scores, strict=True)) for metric, found in crossed.items()
        },
        rows=rows.name,
        n_rows=len(rows),
        group_kind=groups.kind,
        reference=reference,
        confidence=confidence,
        **facts,
    )


def _coefficients(groups: Groups, train: Part) -> dict[str, np.ndarray | None]:
    """Return the metrics that are defined, as sums over the groups."""
    sizes = groups.total(np.ones(len(groups.strata)))
    found: dict[str, np.ndarray | None] = {
        AVERAGE: sizes / sizes.sum(),
        TARGET: None,
        "group_mean_accuracy": COEFFICIENTS["group_mean_accuracy"](groups, sizes, {}),
    }
    if groups.kind != "cell" or train.bias_labels is None:
        return found
    # What training data do not tell, such as which value goes with a class, is left out.
    facts = {}
    for name, maker in (("group_shares", group_shares_map), ("aligned", aligned_map)):
        try:
            facts[name] = maker(train.y, train.bias_labels)
        except ValueError:
            continue
    for name in ("adjusted_accuracy", "conflicting_accuracy"):
        try:
            found[name] = COEFFICIENTS[name](groups, sizes, facts)
        except ValueError:
            continue
    return found


def _frame(
    study: Study,
    selection: Mapping[str, list[list[Task]]],
    done: Mapping[str, Sequence[Outcome]],
    known: list[str],
    crossed: Mapping[str, Crossed],
    against: Mapping[str, np.ndarray],
    confidence: float,
) -> pd.DataFrame:
    """Return a row per method."""
    rows = {name: _counts(study, name, selection[name], done[name]) for name in selection}
    frame = pd.DataFrame.from_dict(rows, orient="index")
    for name in (AVERAGE, TARGET, "probability_best", "difference"):  # where all fits failed, too
        frame[name] = np.nan
    for metric, found in crossed.items():
        low, high = np.clip(found.intervals(confidence), 0, 1)
        frame.loc[known, metric] = found.means
        frame.loc[known, f"{metric}_lower"] = low
        frame.loc[known, f"{metric}_upper"] = high
        frame.loc[known, f"{metric}_std"] = found.deviations
    if crossed:
        frame.loc[known, "probability_best"] = crossed[TARGET].best()
    for name, values in against.items():
        frame.loc[known, name] = values
    return frame.rename_axis("method")


def _pairs(done: Mapping[str, Sequence[Outcome]]) -> list[np.ndarray]:
    """Return the numbers of the fits that worked: those of one number had the same draw."""
    worked = [[i for i, o in enumerate(own) if not o.error] for own in done.values()]
    return [np.array(numbers) for numbers in worked if numbers]


def _against(
    crossed: Mapping[str, Crossed],
    known: list[str],
    reference: str,
    confidence: float,
) -> dict[str, np.ndarray]:
    """Return the differences to the reference by column; none where all its fits failed."""
    if reference not in known:
        return {}
    found = crossed[TARGET].against(known.index(reference), confidence)
    return {
        "difference": np.clip(found.difference, -1, 1),
        "difference_lower": np.clip(found.lower, -1, 1),
        "difference_upper": np.clip(found.upper, -1, 1),
    }


def _counts(
    study: Study, name: str, tasks: list[list[Task]], outcomes: Sequence[Outcome]
) -> dict[str, Any]:
    """Return what was tried for a method, what it cost, and what went wrong."""
    tried = [study.outcome(task) for folds in tasks for task in folds]
    best = selected(study, tasks)
    every = [*tried, *outcomes]
    return {
        "configuration": (
            "" if best is None else as_text(study.contenders[name].configurations[best])
        ),
        "validation_score": np.nan if best is None else mean_scores(study, tasks)[best],
        "n_configurations": len(tasks),
        "n_fits": len(outcomes),
        "n_worked": sum(not o.error for o in outcomes),
        "failed": sum(bool(o.error) for o in every),
        "warned": sum(bool(o.warnings) for o in outcomes),
        "warning": next((o.warnings[0] for o in outcomes if o.warnings), ""),
        "degenerate": sum(o.is_constant for o in every),
        "seconds_per_fit": np.mean([o.seconds for o in outcomes]) if outcomes else np.nan,
        "seconds": float(np.sum([o.seconds for o in every])),
        "error": next((o.error for o in every if o.error), ""),
    }


def _regret(study: Study, tasks: list[list[Task]], groups: Groups, y: np.ndarray) -> float:
    """Return how much better, on the test rows, another of the configurations would have been."""
    best = selected(study, tasks)
    if best is None or tasks == [[]]:
        return np.nan
    sizes = groups.total(np.ones(len(y)))
    values = []
    for folds in tasks:
        found = [study.outcome(task).arrays.get("test") for task in folds]
        worst = [
            np.nan if a is None else (groups.total((a == y).astype(float)) / sizes).min()
            for a in found
        ]
        values.append(np.mean(worst))
    return float(np.nanmax(values) - values[best])


def _by_group(groups: Groups, names: list[str], found: list[Crossed]) -> pd.DataFrame:
    """Return the accuracy of each group, a column per method, averaged over its fits."""
    sizes = groups.total(np.ones(len(groups.strata)))
    index = pd.Index(groups.names, tupleize_cols=False, name="group")
    table = pd.DataFrame({"n": sizes.astype(int)}, index=index)
    for i, name in enumerate(names):
        table[name] = [group.means[i] for group in found]
    return table


def _frames(
    groups: Groups, names: list[str], found: list[Crossed], confidence: float
) -> dict[str, pd.DataFrame]:
    """Return a table of the groups for each method, as `GroupReport.to_frame` has them."""
    sizes = groups.total(np.ones(len(groups.strata))).astype(int)
    cells = groups.kind == "cell"
    named = {"class": [name[0] if cells else name for name in groups.names]}
    if cells:
        named["bias"] = [name[1] for name in groups.names]
    ends = np.clip([group.intervals(confidence) for group in found], 0, 1)
    return {
        method: pd.DataFrame(
            {
                **named,
                "n": sizes,
                "accuracy": [group.means[i] for group in found],
                "lower": ends[:, 0, i],
                "upper": ends[:, 1, i],
            }
        )
        for i, method in enumerate(names)
    }


def _configurations(study: Study, selection: Mapping[str, list[list[Task]]]) -> pd.DataFrame:
    """Return a row per fit of the selection."""
    rows = []
    for name, tasks in selection.items():
        best = selected(study, tasks)
        for i, folds in enumerate(tasks):
            for task in folds:
                outcome = study.outcome(task)
                rows.append(
                    {
                        "method": name,
                        "configuration": i,
                        "split": task.split,
                        "params": study.contenders[name].configurations[i],
                        "score": outcome.score,
                        "seconds": outcome.seconds,
                        "selected": i == best,
                        "degenerate": outcome.is_constant,
                        "error": outcome.error,
                        "warnings": outcome.warnings,
                    }
                )
    return pd.DataFrame(rows, columns=COLUMNS)


def _predicted(outcomes: Sequence[Outcome], classes: np.ndarray) -> np.ndarray:
    """Return the labels predicted by the fits that worked, (n_fits, n)."""
    return np.stack([classes[o.arrays["test"]] for o in outcomes if not o.error])


def _probabilities(outcomes: Sequence[Outcome]) -> np.ndarray | None:
    """Return the probabilities of the fits that worked, (n_fits, n, classes), if they have any."""
    found = [o.arrays.get("probabilities") for o in outcomes if not o.error]
    known = [array for array in found if array is not None]
    return np.stack(known) if len(known) == len(found) else None


def _best(frame: pd.DataFrame) -> str | None:
    """Return the method that the rows held out prefer; never the test rows."""
    scores = frame.loc[frame["n_worked"] > 0, "validation_score"].dropna()
    return None if scores.empty else str(scores.idxmax())
