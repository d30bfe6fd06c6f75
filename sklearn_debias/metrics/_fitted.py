"""Facts that a fitted estimator remembers of its training data, however it is wrapped."""

from collections.abc import Callable
from typing import Any

__all__ = ["find_fitted", "trained_fact"]

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


def trained_fact(estimator: object, parameter: str) -> Any:
    """Return what training stored for the parameter `aligned` or `group_shares`.

    Raise a ValueError if training stored nothing.
    """
    attribute = {"aligned": "aligned_bias_", "group_shares": "group_shares_"}[parameter]
    fact = find_fitted(estimator, attribute)
    if fact is None:
        raise ValueError(
            f"`{parameter}` comes from the training data, but {type(estimator).__name__} has no "
            f"`{attribute}`. Pass `bias_labels` to its `fit`, or use make_group_scorer(metric, "
            f"{parameter}=...)."
        )
    return fact


def _unwrap(estimator: object) -> Any:
    """Return the estimator inside of a wrapper, or None if there is none."""
    for inside in _INSIDE:
        # By attribute, not by type: wrappers of other libraries often keep to these names.
        try:
            return inside(estimator)
        except (AttributeError, IndexError, TypeError):
            continue
    return None
