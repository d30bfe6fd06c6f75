"""Name the groups of the training rows; warn of empty ones."""

from dataclasses import replace
from typing import Any

import numpy as np

from sklearn_debias.exceptions import EmptyCellsWarning, warn
from sklearn_debias.fitting._training_set import TrainingSet
from sklearn_debias.metrics import encode_bias
from sklearn_debias.metrics.internal import (
    aligned_of,
    cells_of,
    encode_labels,
    encode_values,
    many_small,
    shares_of,
)


def warn_of_cells(classes: Any, group: np.ndarray, cells: list[tuple], consequence: str) -> None:
    """Warn of (class, bias value) cells that are empty, and of many that hold next to nothing.

    Parameters
    ----------
    classes : ndarray of shape (k,)
        The labels.
    group : ndarray of shape (n,)
        Code of each training row's cell.
    cells : list of tuple
        The observed cells, which the codes stand for.
    consequence : str
        What it means that a cell is empty.
    """
    found = many_small(cells, np.bincount(group, minlength=len(cells)))
    if found:
        warn(
            f"{found} What is learned of these few, or weighted by them, is noise. Pass the "
            "attributes that matter most, or merge their rare values."
        )
    _, values = encode_values([value for _, value in cells])
    empty = [
        (label, value)
        for label in classes.tolist()
        for value in values
        if (label, value) not in cells
    ]
    if empty:
        message = f"No training row has (class, bias value) in {empty[:8]}: {consequence}"
        warn(message, EmptyCellsWarning)


def describe_groups(
    classes: Any, codes: np.ndarray, bias_labels: Any
) -> tuple[np.ndarray, list, dict[str, Any]]:
    """Return codes (n,) of the groups, their names, and what scorers ask an estimator for.

    A group is a (class, bias value), or a class without bias labels; there is nothing to ask for
    then.
    """
    if bias_labels is None:
        present, group = np.unique(codes, return_inverse=True)
        return group, classes[present].tolist(), {}
    encoded = encode_bias(bias_labels, len(codes))
    group, cells = cells_of(encode_labels(classes[codes], "y"), encoded)
    return group, cells, bias_facts(group, cells, encoded[1])


def bias_facts(group: np.ndarray, cells: list, values: Any) -> dict[str, Any]:
    """Return what scorers ask a fitted estimator for, from the cells of the training rows (n,)."""
    return {
        "bias_classes_": list(values),
        # A class without a majority has no aligned value; scorers then say so.
        "aligned_bias_": aligned_of(group, cells, "omit"),
        "group_shares_": shares_of(group, cells),
    }


def by_environment(training: TrainingSet, method: str, instead: str) -> TrainingSet:
    """Return the training set with the bias values as groups; warn of fewer than two."""
    if training.groups is None:
        warn(
            f"{method} was given no bias_labels, which say what environment a row is from: "
            f"{instead}."
        )
        return training
    codes, values = encode_values([value for _, value in training.groups])
    if len(values) < 2:
        warn(
            f"`bias_labels` hold a single value, {values[0]!r}, and {method} compares "
            f"environments: {instead}."
        )
        return replace(training, group=None, groups=None)
    return replace(training, group=codes[training.group], groups=list(values))
