"""The configurations of one method in a few runs, by the batched search."""

import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from sklearn.utils.metadata_routing import get_routing_for_object

from sklearn_debias.comparison._contenders import Contender, takes
from sklearn_debias.comparison._fits import Judging, Outcome, Task, recorded, said_by
from sklearn_debias.comparison._parts import Part
from sklearn_debias.model_selection import BatchedGridSearchCV


class Watch:
    """A scorer that keeps what each candidate predicts, by the candidate's parameters."""

    def __init__(self, judging: Judging, names: Sequence[str]) -> None:
        self.judging = judging
        self.names = names
        self.seen: dict[str, dict[str, np.ndarray]] = {}

    def __call__(self, estimator: Any, X: Any, y: Any, **metadata: Any) -> float:
        """Return the score, and keep the predictions."""
        part = Part("judged", X, y, metadata.get("bias_labels"))
        score = self.judging.score(estimator, part)
        arrays = self.judging.predictions(estimator, part)
        self.seen[name_of(estimator.get_params(), self.names)] = arrays
        return score

    def get_metadata_routing(self) -> Any:
        """Return what the scorer asks for."""
        return get_routing_for_object(self.judging.scorer)


def name_of(values: Mapping[str, Any], names: Sequence[str]) -> str:
    """Return a text that is equal for equal parameters."""
    return repr([(name, values[name]) for name in names])


def run_stacked(
    contender: Contender, tasks: Sequence[Task], fit: Part, judged: Part, judging: Judging
) -> list[Outcome] | None:
    """Return the outcomes of tasks of one seed and fold; None where they cannot be stacked.

    The outcome of a task that failed is left to a fit of its own, which says why.
    """
    if np.ndim(fit.X) != 2:
        return None
    first = contender.made({}, tasks[0].seed)
    names = sorted(contender.configurations[0])
    # In the words of the search: lists of one value each.
    grids = [contender.configurations[task.configuration] for task in tasks]
    watch = Watch(judging, names)
    start = time.process_time()
    try:
        X, y, bias = _joined(fit, judged)
        search = BatchedGridSearchCV(
            first,
            [{name: [value] for name, value in grid.items()} for grid in grids],
            scoring=watch,
            cv=[(np.arange(len(fit)), np.arange(len(fit), len(fit) + len(judged)))],
            refit=False,
        )
        asked = takes(first, "bias_labels") or takes(watch, "bias_labels", "score")
        metadata = {"bias_labels": bias} if bias is not None and asked else {}
        with recorded() as caught:
            search.fit(X, y, **metadata)
    # Whatever it is, a fit of its own says it for the candidate that it concerns.
    except (TypeError, ValueError, RuntimeError, MemoryError):
        return None
    seconds = (time.process_time() - start) / len(tasks)
    scores = search.cv_results_["mean_test_score"]
    # Whose they are is not known: they are of the stack.
    said = tuple(message for message in said_by(caught) if "fits failed" not in message)
    outcomes = []
    for score, grid in zip(scores, grids, strict=True):
        arrays = watch.seen.get(name_of(grid, names), {})
        outcomes.append(Outcome(float(score), seconds, "", said, arrays))
    return outcomes


def _joined(one: Part, two: Part) -> tuple[Any, Any, Any]:
    """Return the rows of two parts, one after the other."""
    if (one.bias_labels is None) != (two.bias_labels is None):
        raise ValueError("Bias labels of one part only cannot be joined.")
    bias = None if one.bias_labels is None else _join(one.bias_labels, two.bias_labels)
    return _join(one.X, two.X), _join(one.y, two.y), bias


def _join(one: Any, two: Any) -> Any:
    if isinstance(one, pd.DataFrame) and isinstance(two, pd.DataFrame):
        return pd.concat([one, two], ignore_index=True)
    return np.concatenate([np.asarray(one), np.asarray(two)])
