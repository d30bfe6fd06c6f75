"""Facts that a fitted estimator remembers of its training data, however it is wrapped."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from sklearn_debias.exceptions import warn
from sklearn_debias.metrics._encoding import encode_labels
from sklearn_debias.metrics._groups import group_cells
from sklearn_debias.metrics._names import shorten

__all__ = ["find_fitted", "refuse_unseen", "trained_fact", "unseen_classes"]

# scikit-learn's wrappers, and where each keeps the estimator that it fitted. The order matters:
# GridSearchCV has `estimator` as well, but that is the template, which was never fitted.
_INSIDE: tuple[Callable[[Any], Any], ...] = (
    lambda wrapper: wrapper.steps[-1][1],  # Pipeline
    lambda wrapper: wrapper.best_estimator_,  # GridSearchCV and its kin
    lambda wrapper: wrapper.calibrated_classifiers_[0].estimator,  # CalibratedClassifierCV
    lambda wrapper: wrapper.estimator_,  # FixedThresholdClassifier and its kin
    lambda wrapper: wrapper.estimator,  # FrozenEstimator
)


def find_fitted(estimator: object, attribute: str, default: Any = None) -> Any:
    """Return an attribute of the estimator, or of the first one inside of it that has it.

    Return `default` if none has.
    """
    while estimator is not None:
        if hasattr(estimator, attribute):
            return getattr(estimator, attribute)
        estimator = _unwrap(estimator)
    return default


def unseen_classes(estimator: object, y_true: Any, name: str = "y_true") -> list[Any]:
    """Return the classes in `y_true` that the estimator does not know, and warn of them.

    A rare class may be missing from the training rows of a fold. No prediction of its rows is
    right, and they are scored as such: an error would make the score of that fold NaN.
    """
    classes = find_fitted(estimator, "classes_")
    if not isinstance(classes, np.ndarray) or classes.ndim != 1:
        return []
    known = set(classes.tolist())
    unseen = [label for label in encode_labels(y_true, name)[1] if label not in known]
    if unseen:
        warn(
            f"`{name}` holds classes that training did not see, {shorten(unseen)}: their rows "
            "count as wrong. Stratify the folds, or leave these classes out."
        )
    return unseen


def trained_fact(estimator: object, parameter: str, unseen: Sequence[Any] = ()) -> Any:
    """Return what training stored for the parameter `aligned` or `group_shares`.

    Classes that it did not see have a share of 0, and no bias value that goes with them: their
    samples are conflicting. Raise a ValueError if training stored nothing.
    """
    attribute = {"aligned": "aligned_bias_", "group_shares": "group_shares_"}[parameter]
    fact = find_fitted(estimator, attribute)
    if fact is None:
        raise ValueError(
            f"`{parameter}` comes from the training data, but {type(estimator).__name__} has no "
            f"`{attribute}`. Pass `bias_labels` to its `fit`, or use make_group_scorer(metric, "
            f"{parameter}=...)."
        )
    if not unseen:
        return fact
    if parameter == "aligned":
        return {**fact, **dict.fromkeys(unseen)}  # None is no bias value
    values = find_fitted(estimator, "bias_classes_", [])
    return {**fact, **{(label, value): 0.0 for label in unseen for value in values}}


def refuse_unseen(estimator: object, y_true: Any, bias_labels: Any) -> None:
    """Raise a ValueError if there are groups with a bias value that training did not see.

    Training cannot tell whether they are aligned, nor what their share is. A misspelled value would
    count as conflicting without a word.
    """
    trained = find_fitted(estimator, "bias_classes_")
    if trained is None:
        return
    known = set(trained)
    _, cells = group_cells(y_true, bias_labels)
    unseen = [(label, value) for label, value in cells if value not in known]
    if unseen:
        raise ValueError(
            "`bias_labels` must hold values seen in training, "
            f"{shorten(sorted(known, key=str))}, for a metric that depends on what training saw, "
            f"got the (class, bias value) groups {shorten(unseen)}. Use a metric such as "
            "worst_group_accuracy_score, or leave these rows out."
        )


def _unwrap(estimator: object) -> Any:
    """Return the estimator inside of a wrapper, or None if there is none."""
    for inside in _INSIDE:
        # By attribute, not by type: wrappers of other libraries often keep to these names.
        try:
            return inside(estimator)
        except (AttributeError, IndexError, TypeError):
            continue
    return None
