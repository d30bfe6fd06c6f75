"""Shares of two-class predictions, by name: who is selected, and who is wrongly so."""

from collections.abc import Callable
from typing import Any

import numpy as np

__all__ = [
    "COUNTS",
    "false_negative_rate",
    "false_positive_rate",
    "selection_rate",
    "true_negative_rate",
    "true_positive_rate",
]

Masks = tuple[np.ndarray, np.ndarray]  # (n,) each: what is counted, and among which samples


def _selected(true: np.ndarray, predicted: np.ndarray) -> Masks:
    return predicted, np.ones_like(true)


def _true_positive(true: np.ndarray, predicted: np.ndarray) -> Masks:
    return true & predicted, true


def _false_negative(true: np.ndarray, predicted: np.ndarray) -> Masks:
    return true & ~predicted, true


def _false_positive(true: np.ndarray, predicted: np.ndarray) -> Masks:
    return ~true & predicted, ~true


def _true_negative(true: np.ndarray, predicted: np.ndarray) -> Masks:
    return ~true & ~predicted, ~true


def _precise(true: np.ndarray, predicted: np.ndarray) -> Masks:
    return true & predicted, predicted


def _rate(masks: Callable[..., Masks], y_true: Any, y_pred: Any, pos_label: Any, w: Any) -> float:
    """Return the weighted share; NaN where it is one of no samples."""
    counted, among = masks(np.asarray(y_true) == pos_label, np.asarray(y_pred) == pos_label)
    weight = np.ones(len(counted)) if w is None else np.asarray(w)
    total = (weight * among).sum()
    return float((weight * counted).sum() / total) if total > 0 else float("nan")


def selection_rate(
    y_true: Any, y_pred: Any, *, pos_label: Any = 1, sample_weight: Any = None
) -> float:
    """Return the share of samples that are predicted positive."""
    return _rate(_selected, y_true, y_pred, pos_label, sample_weight)


def true_positive_rate(
    y_true: Any, y_pred: Any, *, pos_label: Any = 1, sample_weight: Any = None
) -> float:
    """Return the share of the positive samples that are predicted positive."""
    return _rate(_true_positive, y_true, y_pred, pos_label, sample_weight)


def false_negative_rate(
    y_true: Any, y_pred: Any, *, pos_label: Any = 1, sample_weight: Any = None
) -> float:
    """Return the share of the positive samples that are not predicted positive."""
    return _rate(_false_negative, y_true, y_pred, pos_label, sample_weight)


def false_positive_rate(
    y_true: Any, y_pred: Any, *, pos_label: Any = 1, sample_weight: Any = None
) -> float:
    """Return the share of the negative samples that are predicted positive."""
    return _rate(_false_positive, y_true, y_pred, pos_label, sample_weight)


def true_negative_rate(
    y_true: Any, y_pred: Any, *, pos_label: Any = 1, sample_weight: Any = None
) -> float:
    """Return the share of the negative samples that are not predicted positive."""
    return _rate(_true_negative, y_true, y_pred, pos_label, sample_weight)


# By the function's name, scikit-learn's two among them.
COUNTS: dict[str, Callable[[np.ndarray, np.ndarray], Masks]] = {
    "selection_rate": _selected,
    "true_positive_rate": _true_positive,
    "recall_score": _true_positive,
    "false_negative_rate": _false_negative,
    "false_positive_rate": _false_positive,
    "true_negative_rate": _true_negative,
    "precision_score": _precise,
}
