"""What a fitted estimator remembers of its training data, however it is wrapped."""

__all__ = ["find_fitted", "trained_fact"]

# scikit-learn's wrappers, and where each keeps the estimator that it fitted.
_INSIDE = (
    lambda wrapper: wrapper.steps[-1][1],  # Pipeline
    lambda wrapper: wrapper.best_estimator_,  # GridSearchCV and its kin
    lambda wrapper: wrapper.calibrated_classifiers_[0].estimator,  # CalibratedClassifierCV
    lambda wrapper: wrapper.estimator_,  # FixedThresholdClassifier and its kin
    lambda wrapper: wrapper.estimator,  # FrozenEstimator
)


def find_fitted(estimator, attribute, default=None):
    """Attribute of the estimator, or of the innermost estimator that it wraps, or `default`."""
    while estimator is not None:
        if hasattr(estimator, attribute):
            return getattr(estimator, attribute)
        estimator = _unwrap(estimator)
    return default


def trained_fact(estimator, parameter):
    """What training stored for the parameter `aligned` or `group_shares`; ValueError if nothing."""
    attribute = {"aligned": "aligned_bias_", "group_shares": "group_shares_"}[parameter]
    fact = find_fitted(estimator, attribute)
    if fact is None:
        raise ValueError(
            f"`{parameter}` comes from the training data, but {type(estimator).__name__} has no "
            f"`{attribute}`. Pass `bias_labels` to its `fit`, or use make_group_scorer(metric, "
            f"{parameter}=...)."
        )
    return fact


def _unwrap(estimator):
    for inside in _INSIDE:
        try:
            return inside(estimator)
        except (AttributeError, IndexError, TypeError):
            continue
    return None
