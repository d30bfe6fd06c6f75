"""Metrics as callers give them: names, or callables of scikit-learn's signature."""

import functools
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
import sklearn.metrics as skm

from sklearn_debias.arguments import check_option, hint
from sklearn_debias.metrics import _rates
from sklearn_debias.metrics._calibration import expected_calibration_error

__all__ = ["Measure", "read_metrics"]

Response = Literal["label", "score"]
NAMED: dict[str, Callable[..., float]] = {
    "accuracy": skm.accuracy_score,
    "average_precision": skm.average_precision_score,
    "balanced_accuracy": skm.balanced_accuracy_score,
    "brier": skm.brier_score_loss,
    "ece": expected_calibration_error,
    "f1": skm.f1_score,
    "false_negative_rate": _rates.false_negative_rate,
    "false_positive_rate": _rates.false_positive_rate,
    "log_loss": skm.log_loss,
    "precision": skm.precision_score,
    "recall": skm.recall_score,
    "roc_auc": skm.roc_auc_score,
    "selection_rate": _rates.selection_rate,
    "true_negative_rate": _rates.true_negative_rate,
    "true_positive_rate": _rates.true_positive_rate,
    "zero_one_loss": skm.zero_one_loss,
}
# What the second parameter of a metric is called that takes scores.
SCORES = ("y_score", "y_scores", "y_prob", "y_probs", "y_proba", "y_probas", "probas_pred")
# ... and the rest of scikit-learn's that do; `log_loss` had `y_pred` before 1.9.
TAKE_SCORES = (skm.log_loss, skm.d2_log_loss_score, skm.hinge_loss)
# They need all classes, which one group need not have.
TAKE_LABELS = (
    skm.log_loss,
    skm.d2_log_loss_score,
    skm.top_k_accuracy_score,
    expected_calibration_error,
)
# By scikit-learn's own convention `_score` is better the higher, `_error` and `_loss` the lower.
LOWER = ("_error", "_loss")
LOWER_TOO = (
    skm.brier_score_loss,
    _rates.false_negative_rate,
    _rates.false_positive_rate,
)
HIGHER_TOO = (_rates.true_negative_rate, _rates.true_positive_rate)


RATES = tuple(set(NAMED.values()) - {skm.log_loss, skm.brier_score_loss})  # between 0 and 1
CHANGE_RANGE = {"normalize", "adjusted"}  # keywords
OURS = ("sklearn.", "sklearn_debias.")  # modules whose names of functions tell something


@dataclass(frozen=True)
class Measure:
    """A metric of the report: what is called, with which response and keywords."""

    name: str
    function: Callable[..., float]  # without `functools.partial` around it
    keywords: dict[str, Any] = field(default_factory=dict)
    response: Response = "label"
    takes_weight: bool = True
    is_named: bool = False  # by a text, so that the positive class is the report's to choose

    @property
    def greater_is_better(self) -> bool | None:
        """Whether it is, by scikit-learn's naming of functions; None where that does not tell."""
        name = getattr(self.function, "__name__", "")
        if name.endswith(LOWER) or _is_among(self.function, LOWER_TOO):
            return False
        if name.endswith("_score") or _is_among(self.function, HIGHER_TOO):
            return True
        return None

    @property
    def bounds(self) -> tuple[float, float]:
        """The range of its values, as far as that is known."""
        name = getattr(self.function, "__name__", "")
        if not str(getattr(self.function, "__module__", "")).startswith(OURS):
            return -np.inf, np.inf
        if _is_among(self.function, RATES) and not set(self.keywords) & CHANGE_RANGE:
            return 0.0, 1.0
        return (0.0 if name.endswith(LOWER) else -np.inf), np.inf

    def bind(self, classes: list[Any]) -> "Measure":
        """Return the metric with what it must be told of the classes."""
        told: dict[str, Any] = {}
        needs_labels = _is_among(self.function, TAKE_LABELS) and "labels" not in self.keywords
        if needs_labels and len(classes) > 1:
            told["labels"] = classes
        if self.function is skm.brier_score_loss and not self.keywords:
            told = {"pos_label": classes[-1]} if len(classes) == 2 else {"labels": classes}
        parameters = inspect.signature(self.function).parameters if self.is_named else {}
        if "pos_label" in parameters and not told:
            if len(classes) > 2:
                raise ValueError(
                    f"`metrics`: {self.name!r} by its name is one of two classes, but there are "
                    f"{len(classes)}. Pass a callable, such as partial(recall_score, "
                    "average='macro')."
                )
            told["pos_label"] = classes[-1]
        return replace(self, keywords={**self.keywords, **told})

    def __call__(self, y_true: Any, response: Any, weight: Any = None) -> float:
        keywords = self.keywords if weight is None else {**self.keywords, "sample_weight": weight}
        return self.function(y_true, response, **keywords)


def read_metrics(metrics: Any) -> tuple[Measure, ...]:
    """Return the metrics of a dict, or a list of names; raise a ValueError if one is none."""
    if isinstance(metrics, list | tuple) and all(isinstance(name, str) for name in metrics):
        if len(set(metrics)) < len(metrics):
            raise ValueError(f"`metrics` must name each metric once, got {list(metrics)}.")
        metrics = {name: name for name in metrics}
    if not isinstance(metrics, Mapping) or not metrics:
        raise ValueError(
            "`metrics` must be a non-empty dict of name to callable, such as "
            f"{{'auroc': roc_auc_score}}, or a list of names, got {metrics!r:.60}."
        )
    return tuple(_read(name, given) for name, given in metrics.items())


def _read(name: Any, given: Any) -> Measure:
    if not isinstance(name, str) or not name.strip():
        raise ValueError(f"`metrics` must have texts as keys, got {name!r:.60}.")
    response: Response | None = None
    if isinstance(given, tuple) and len(given) == 2:
        check_option(f"metrics[{name!r}][1]", given[1], ("label", "score"))
        given, response = given
    is_named = isinstance(given, str)
    if is_named:
        if given not in NAMED:
            raise ValueError(
                f"`metrics` must name one of {', '.join(NAMED)}, got {given!r}. "
                f"{hint(given, NAMED)}".rstrip()
            )
        given = NAMED[given]
    if not callable(given):
        raise ValueError(
            f"`metrics`[{name!r}] must be a callable (y_true, y_pred) or (y_true, y_score), a name "
            f"or a pair of one and 'label' or 'score', got {given!r:.60}."
        )
    second, takes_weight = _signature(name, given)
    function, keywords = _unwrapped(given)
    if response is None:
        takes_scores = second in SCORES or _is_among(function, TAKE_SCORES)
        response = "score" if takes_scores else "label"
    return Measure(name, function, keywords, response, takes_weight, is_named)


def _signature(name: str, function: Callable[..., Any]) -> tuple[str, bool]:
    """Return the name of the second parameter, and whether weights are taken."""
    try:
        parameters = inspect.signature(function).parameters
    except (TypeError, ValueError):  # compiled, without a signature
        return "", False
    names = list(parameters)
    if names[:1] == ["estimator"]:
        raise ValueError(
            f"`metrics`[{name!r}] is a scorer, which takes an estimator, got {function!r:.60}. "
            "Pass its metric, such as roc_auc_score."
        )
    return (names[1] if len(names) > 1 else ""), "sample_weight" in parameters


def _is_among(function: Any, known: tuple[Any, ...]) -> bool:
    """Return whether a function is one of them; by identity, as callables may compare oddly."""
    return any(function is other for other in known)


def _unwrapped(function: Callable[..., Any]) -> tuple[Callable[..., Any], dict[str, Any]]:
    """Return the function inside of `functools.partial`, and what that fixes by keyword."""
    if isinstance(function, functools.partial) and not function.args:
        return function.func, dict(function.keywords)
    return function, {}
