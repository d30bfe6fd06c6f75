"""Every group metric as a function of the groups' accuracies: the smallest one, or a linear combination.

One definition serves the metric, the report and the bootstrap, which needs it for thousands of
replicates.
"""

import warnings

import numpy as np

from sklearn_debias.exceptions import DebiasWarning
from sklearn_debias.metrics._groups import tally
from sklearn_debias.metrics._training_facts import aligned_mask, share_weights

__all__ = ["COEFFICIENTS", "score", "summarise", "warn_of_classes"]


def score(metric, y_true, y_pred, facts, **arguments):
    """Score of the metric named `metric`; `facts` are what it needs to know of the training data."""
    counts = tally(y_true, y_pred, **arguments)
    coefficients = COEFFICIENTS[metric](counts.groups, counts.weight, facts)
    warn_of_classes(counts.groups, stacklevel=4)
    return float(summarise(counts.accuracy, coefficients))


def warn_of_classes(groups, stacklevel=3):
    """Say so, once, when the classes stand in for the groups."""
    if groups.kind == "class":
        warnings.warn(
            "`bias_labels` is missing, so the classes are taken as groups and the worst group is "
            "the worst CLASS. Pass `bias_labels` to score the (class, bias value) groups.",
            DebiasWarning,
            stacklevel=stacklevel,
        )


def summarise(accuracy, coefficients):
    """Reduce accuracies of shape (..., n_groups) to (...,): their minimum if `coefficients` is None."""
    return accuracy.min(axis=-1) if coefficients is None else accuracy @ coefficients


def _worst(groups, weight, facts):
    return None


def _group_mean(groups, weight, facts):
    return np.full(len(groups.names), 1 / len(groups.names))


def _adjusted(groups, weight, facts):
    return share_weights(groups, facts.get("group_shares"))


def _aligned(groups, weight, facts):
    return _pooled(weight, aligned_mask(groups, facts.get("aligned")), "aligned")


def _conflicting(groups, weight, facts):
    return _pooled(weight, ~aligned_mask(groups, facts.get("aligned")), "conflicting")


def _gap(groups, weight, facts):
    return _aligned(groups, weight, facts) - _conflicting(groups, weight, facts)


def _pooled(weight, mask, name):
    """Coefficients of the accuracy over all samples of the groups in the mask."""
    if not mask.any():
        raise ValueError(
            f"`bias_labels` must hold a bias-{name} sample, got none: the {name} accuracy is "
            "undefined."
        )
    inside = weight * mask
    return inside / inside.sum()


COEFFICIENTS = {
    "worst_group_accuracy": _worst,
    "group_mean_accuracy": _group_mean,
    "adjusted_accuracy": _adjusted,
    "aligned_accuracy": _aligned,
    "conflicting_accuracy": _conflicting,
    "bias_gap": _gap,
}
