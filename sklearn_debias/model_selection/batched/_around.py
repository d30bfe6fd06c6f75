"""What stands around the classifier that a search trains: pipelines, and inferrers of groups."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeAlias

from sklearn.base import clone
from sklearn.pipeline import Pipeline

from sklearn_debias.estimators import BaseDebiasClassifier
from sklearn_debias.fitting import is_fitted_name
from sklearn_debias.group_inference import InferredGroupsClassifier

Around: TypeAlias = Pipeline | InferredGroupsClassifier


def around(estimator: Any) -> list[Around]:
    """Return what ``estimator`` is, what that holds, and so on, but for the classifier inside."""
    found: list[Around] = []
    while isinstance(estimator, Pipeline | InferredGroupsClassifier):
        held = inside(estimator)
        # Its default is a logistic regression, or what suits images: nothing to go into.
        if held is None and isinstance(estimator, InferredGroupsClassifier):
            break
        found.append(estimator)
        estimator = held
    return found


def inside(one: Around, *, fitted: bool = False) -> Any:
    """Return the last step, or the classifier that is trained on the groups."""
    if isinstance(one, Pipeline):
        return one.steps[-1][1]
    return one.classifier_ if fitted else one.classifier


def put_inside(one: Around, estimator: Any) -> None:
    """Let this be the last step, or the classifier that is trained on the groups."""
    if isinstance(one, Pipeline):
        one.steps[-1] = (one.steps[-1][0], estimator)
    else:
        one.classifier = estimator


@contextmanager
def recording(outer: list[Around], recorder: Any) -> Iterator[None]:
    """Let a recorder stand in for the classifier inside, which is back in its place afterwards."""
    innermost = outer[-1]
    last = inside(innermost)
    inferring = [one for one in outer if isinstance(one, InferredGroupsClassifier)]
    asked = [one.groups_as for one in inferring]
    # The recorder is told of the groups as the classifier would be.
    for one in inferring:
        one.groups_as = one.handed_as()
    put_inside(innermost, recorder)
    try:
        yield
    finally:
        put_inside(innermost, last)
        for one, way in zip(inferring, asked, strict=True):
            one.groups_as = way


def before(one: Around) -> Any:
    """Return what decides how the rows come to the classifier inside, unfitted."""
    if isinstance(one, Pipeline):
        return one[:-1]
    own = {k: v for k, v in one.get_params(deep=False).items() if k != "classifier"}
    return [own, one.handed_as()]


def learned(one: Around) -> Mapping[str, Any]:
    """Return what a fit has left on it, but for the classifier inside."""
    if isinstance(one, Pipeline):
        return {"steps": one.steps[:-1]}
    return {k: v for k, v in vars(one).items() if is_fitted_name(k) and k != "classifier_"}


def take_over(one: Around, state: Mapping[str, Any]) -> None:
    """Give it what another fit has left."""
    if isinstance(one, Pipeline):
        one.steps = [*state["steps"], one.steps[-1]]
    else:
        one.__dict__.update(state)


def close(estimator: Any) -> None:
    """Hand the classifiers that were trained in place to the attributes of fitted ones."""
    # From the inside out: the classifier of the outer one holds the inner one, fitted.
    for one in reversed(around(estimator)):
        if isinstance(one, InferredGroupsClassifier):
            one.classifier_ = one.classifier
            one.classifier = clone(one.classifier)
            one.classes_ = one.classifier_.classes_


def last_step(estimator: Any, setting: Iterable[str] = ()) -> BaseDebiasClassifier:
    """Return the classifier of this package that ``estimator`` is, ends in, or trains on groups.

    Raises
    ------
    TypeError
        Where it is none, or where a fallback may take its place. ``setting`` holds the parameters
        that a grid has set, for the message.
    """
    outer = around(estimator)
    last = inside(outer[-1]) if outer else estimator  # of what holds nothing, that itself
    for one in outer:
        if getattr(one, "fallback", None) is not None:
            raise TypeError(
                "`fallback` of InferredGroupsClassifier cannot be decided in a stack of candidates."
                " Set it to None, or use sklearn.model_selection.GridSearchCV."
            )
    if isinstance(last, BaseDebiasClassifier):
        return last
    # Of "inner" and "inner__clf" the longer one has put it there.
    path = "__".join(
        one.steps[-1][0] if isinstance(one, Pipeline) else "classifier" for one in outer
    )
    above = [key for key in setting if path == key or path.startswith(f"{key}__")]
    placed = max(above, key=len, default=None)
    where = f"`{placed}` in `param_grid`" if placed else "`estimator`"
    found = repr(last) if isinstance(last, str) else type(last).__name__
    raise TypeError(
        f"{where} must be a torch classifier of sklearn_debias, or a Pipeline or an "
        f"InferredGroupsClassifier that ends in one, got {found}. Use "
        "sklearn.model_selection.GridSearchCV for it."
    )


def _name_inside(one: Around) -> str:
    return one.steps[-1][0] if isinstance(one, Pipeline) else "classifier"
