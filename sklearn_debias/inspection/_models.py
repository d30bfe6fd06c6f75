"""One model or several, by name: what they predict, and the report of each."""

from collections.abc import Mapping
from typing import Any

from sklearn_debias.metrics import GroupReport, group_report


def by_name(value: Any, argument: str, name: Any, default: str) -> dict[str, Any]:
    """Return one value or a dict of them as a dict by the text of the name."""
    if not isinstance(value, Mapping):
        return {default if name is None else str(name): value}
    if name is not None:
        raise ValueError(
            f"`name` names a single model, got {name!r} and a dict as `{argument}`, whose keys are "
            "the names. Leave it out."
        )
    if not value:
        raise ValueError(f"`{argument}` must hold at least one model, got an empty dict.")
    named = {str(key): item for key, item in value.items()}
    if len(named) < len(value):
        raise ValueError(f"`{argument}` must have names that differ as text, got {list(value)}.")
    return named


def predictions_of(estimator: Any, X: Any, name: Any) -> dict[str, Any]:
    """Return what each model predicts for X, by name."""
    models = by_name(estimator, "estimator", name, type(estimator).__name__)
    for key, model in models.items():
        if isinstance(model, type) or not callable(getattr(model, "predict", None)):
            raise ValueError(
                "`estimator` must be a fitted classifier with `predict`, or a dict of them, got "
                f"{model!r:.60} as {key!r}."
            )
    return {key: model.predict(X) for key, model in models.items()}


def reports_of(
    y_true: Any, y_pred: Any, name: Any, given: dict[str, Any]
) -> dict[str, GroupReport]:
    """Return the group report of each model's predictions, by name."""
    named = by_name(y_pred, "y_pred", name, "Classifier")
    return {key: group_report(y_true, predicted, **given) for key, predicted in named.items()}


def confidence_of(reports: Mapping[str, Any]) -> float:
    """Return the coverage of all reports; raise unless they are reports, of one coverage."""
    for key, found in reports.items():
        if not isinstance(found, GroupReport):
            raise ValueError(
                f"`report` must be a GroupReport or a dict of them, got a {type(found).__name__} "
                f"as {key!r}. See sklearn_debias.metrics.group_report."
            )
    coverage = {found.confidence for found in reports.values()}
    if len(coverage) > 1:
        raise ValueError(f"`report` must hold reports of one confidence, got {sorted(coverage)}.")
    return coverage.pop()
