"""Models without what prediction does not need."""

import copy
from typing import Any

from sklearn.base import BaseEstimator

from sklearn_debias.fitting import PlainState
from sklearn_debias.plain import Plain


def slimmed(estimator: Any) -> Any:
    """Return a copy of a fitted model with what prediction needs, and nothing else.

    It has ``predict``, ``predict_proba``, ``decision_function``, ``transform`` and ``score``, and
    what scorers ask for, as the whole model has. Gone are other networks (`biased_module_`, a
    student), `history_`, whatever is told of single rows of the training data (`error_set_`,
    `sample_difficulty_`, `epsilon_`, `held_out_rows_`, `bias_labels_` of an inferrer and the like),
    and parameters that are networks or callbacks. What needs them, such as `rows_to_label` and
    `adversarial_examples`, raises an AttributeError that says so; a fit asks for the parameters
    again.

    Parameters
    ----------
    estimator : estimator
        Of this package, or what holds such: a Pipeline, a search (whose `best_estimator_` predicts;
        its `cv_results_` are dropped), a FrozenEstimator. It is not changed; the copy shares its
        networks.

    Returns
    -------
    estimator

    Examples
    --------
    >>> from sklearn_debias import LfFClassifier
    >>> from sklearn_debias.datasets import make_spurious_embeddings
    >>> from sklearn_debias.deployment import slimmed
    >>> train = make_spurious_embeddings(random_state=0).train
    >>> clf = LfFClassifier(max_epochs=2, random_state=0).fit(train.data, train.target)
    >>> slim = slimmed(clf)
    >>> bool((slim.predict_proba(train.data) == clf.predict_proba(train.data)).all())
    True
    >>> hasattr(clf, "sample_difficulty_"), hasattr(slim, "sample_difficulty_")
    (True, False)
    """
    return _slim(estimator, {})


def _slim(value: Any, made: dict[int, Any]) -> Any:
    """Return a value with slim estimators in it; what is met again stays the same."""
    if not isinstance(value, BaseEstimator | Plain | list | tuple | dict):
        return value
    if id(value) not in made:
        made[id(value)] = (_slim_copy(value, made), value)  # the second keeps the number taken
    return made[id(value)][0]


def _slim_copy(value: Any, made: dict[int, Any]) -> Any:
    def inside(part: Any) -> Any:
        return _slim(part, made)

    if type(value) in (list, tuple):
        return type(value)(map(inside, value))
    if type(value) is dict:
        return {key: inside(part) for key, part in value.items()}
    if not isinstance(value, BaseEstimator | Plain):
        return value
    twin = copy.copy(value)
    if isinstance(twin, PlainState):
        twin._slim(inside)
        return twin
    vars(twin).pop("cv_results_", None)
    for name, part in vars(twin).items():
        setattr(twin, name, inside(part))
    return twin
