"""Every group metric as a function of the groups' accuracies: the smallest, or a weighted sum.

One definition serves the metric, the report and the bootstrap, which needs it for thousands of
replicates.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from sklearn_debias.exceptions import warn
from sklearn_debias.metrics._groups import Groups, tally
from sklearn_debias.metrics._names import FEW, many_small
from sklearn_debias.metrics._training_facts import aligned_mask, share_weights
from sklearn_debias.metrics._types import Facts

__all__ = ["BY_GROUP", "COEFFICIENTS", "score", "summarise", "warn_of_classes", "warn_of_crossing"]

# The others pool samples, so that a group counts as much as it has samples.
BY_GROUP = ("worst_group_accuracy", "group_mean_accuracy", "adjusted_accuracy")


def score(
    metric: str,
    y_true: npt.ArrayLike,
    y_pred: npt.ArrayLike,
    facts: Facts,
    *,
    min_group_size: int = 1,
    **arguments: Any,
) -> float:
    """Return the score of the metric named `metric`.

    `facts` are what the metric needs to know of the training data; `arguments` are those of
    `tally`.
    """
    counts = tally(y_true, y_pred, **arguments).of_at_least(min_group_size)
    if metric in BY_GROUP:
        warn_of_crossing(counts.groups, counts.n, min_group_size)
    coefficients = COEFFICIENTS[metric](counts.groups, counts.weight, facts)
    warn_of_classes(counts.groups)
    return float(summarise(counts.accuracy, coefficients))


def warn_of_classes(groups: Groups) -> None:
    """Warn if the classes stand in for the groups."""
    if groups.kind == "class":
        warn(
            "`bias_labels` is missing, so the classes are taken as groups and the worst group is "
            "the worst CLASS. Pass `bias_labels` to score the (class, bias value) groups.",
        )


def warn_of_crossing(groups: Groups, n: np.ndarray, min_group_size: int) -> None:
    """Warn if crossed attributes leave many of the groups a few samples each, (n_groups,)."""
    if groups.kind != "cell" or min_group_size > 1:
        return
    found = many_small(groups.names, n)
    if found:
        warn(
            f"{found} Their accuracies are a matter of luck. Pass the attributes as columns of "
            "`membership`, which are not crossed, or leave small groups out by "
            f"min_group_size={FEW}."
        )


def summarise(accuracy: np.ndarray, coefficients: np.ndarray | None) -> np.ndarray:
    """Reduce accuracies of shape (..., n_groups) to (...,).

    The result is their minimum if `coefficients` is None, else the weighted sum.
    """
    return accuracy.min(axis=-1) if coefficients is None else accuracy @ coefficients


def _worst(groups: Groups, weight: np.ndarray, facts: Facts) -> None:
    """Return None: the minimum is no linear function of the accuracies."""
    return None


def _group_mean(groups: Groups, weight: np.ndarray, facts: Facts) -> np.ndarray:
    """Return one weight for all groups."""
    return np.full(len(groups.names), 1 / len(groups.names))


def _adjusted(groups: Groups, weight: np.ndarray, facts: Facts) -> np.ndarray:
    """Return the groups' shares in the training data."""
    return share_weights(groups, facts.get("group_shares"))


def _aligned(groups: Groups, weight: np.ndarray, facts: Facts) -> np.ndarray:
    """Return the aligned groups' shares among the aligned samples."""
    return _pooled(weight, aligned_mask(groups, facts.get("aligned")), "aligned")


def _conflicting(groups: Groups, weight: np.ndarray, facts: Facts) -> np.ndarray:
    """Return the conflicting groups' shares among the conflicting samples."""
    return _pooled(weight, ~aligned_mask(groups, facts.get("aligned")), "conflicting")


def _gap(groups: Groups, weight: np.ndarray, facts: Facts) -> np.ndarray:
    """Return the coefficients of the aligned accuracy minus the conflicting one."""
    return _aligned(groups, weight, facts) - _conflicting(groups, weight, facts)


def _pooled(weight: np.ndarray, mask: np.ndarray, name: str) -> np.ndarray:
    """Return the coefficients of the accuracy over all samples of the groups in the mask."""
    if not mask.any():
        raise ValueError(
            f"`bias_labels` must hold a bias-{name} sample, got none: the {name} accuracy is "
            "undefined."
        )
    inside = weight * mask
    return inside / inside.sum()


COEFFICIENTS: dict[str, Callable[[Groups, np.ndarray, Facts], np.ndarray | None]] = {
    "worst_group_accuracy": _worst,
    "group_mean_accuracy": _group_mean,
    "adjusted_accuracy": _adjusted,
    "aligned_accuracy": _aligned,
    "conflicting_accuracy": _conflicting,
    "bias_gap": _gap,
}
