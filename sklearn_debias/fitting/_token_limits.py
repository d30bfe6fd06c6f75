"""Rows of tokens are looked at before the first step: one that is refused would end a long fit."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from torch import nn

from sklearn_debias.core.internal import TokenLimits, is_tokens, token_limits
from sklearn_debias.fitting._fitted import Fitted
from sklearn_debias.fitting._networks import Networks
from sklearn_debias.fitting._tokens import is_hugging_face, open_tokens, token_rows
from sklearn_debias.fitting._training_set import TrainingSet
from sklearn_debias.fitting._types import Classifier
from sklearn_debias.training import Source, is_token_row


def look_at_tokens(
    estimator: Classifier,
    training: TrainingSet,
    fitted: Fitted,
    networks: Networks,
    loader: Mapping[str, Any],
) -> None:
    """Raise where a row of tokens is none, or more than a network takes; other rows stay unread.

    Rows that torch Datasets make are read when they are due, and so are all rows where a DataLoader
    has workers: whoever asks for these reads slowly.
    """
    if not is_tokens(training.inputs.shape) or loader.get("num_workers"):
        return
    for source in training.sources():
        source.look()
    if training.validation is not None:
        limits = TokenLimits.of(networks.modules["model"])  # which alone predicts
        _validation_rows(estimator, training, fitted).limited(limits).look()


def look_ahead(estimators: Iterable[Any], X: Any, name: str = "X") -> None:
    """Raise where a row of tokens is none, or more than these will take once they are fitted.

    For what is fitted in several turns, of which the first may be long. What is known ahead are the
    instances that are passed as `module` of torch classifiers that get X as it is: behind the steps
    of a Pipeline rows may be others. Rows that torch Datasets make are read when they are due.

    Parameters
    ----------
    estimators : iterable of estimators
        Which shall predict the rows; they are left as they are.
    X : array-like
    name : str, default="X"
        What users pass the rows as.
    """
    direct = [clf for estimator in estimators for clf in _torch_classifiers(estimator)]
    rows = _tokens_in(X) if direct else None
    if rows is None:
        return
    limits = TokenLimits()
    for clf in direct:
        if isinstance(clf.module, nn.Module):
            limits &= token_limits(clf.module)
    open_tokens(rows, rows[0])[0].called(name).limited(limits).look()


def _torch_classifiers(estimator: Any) -> Iterator[Classifier]:
    """Yield the torch classifiers that are given X as the estimator is."""
    params = estimator.get_params(deep=False)
    if {"module", "net_params"} <= params.keys():
        yield estimator
        return
    # The steps of a Pipeline are a list, which is left alone. An estimator with a part that
    # transforms may hand on other rows.
    parts = [part for part in params.values() if _is_estimator(part)]
    if not any(hasattr(part, "transform") for part in parts):
        for part in parts:
            yield from _torch_classifiers(part)


def _is_estimator(value: Any) -> bool:
    return hasattr(value, "get_params") and not isinstance(value, type)


def _tokens_in(X: Any) -> Any:
    """Return rows of tokens one by one, as `token_rows` does; None of all others."""
    if is_hugging_face(X) and (isinstance(X, Mapping) or not hasattr(X, "__len__")):
        return None  # splits, and streams
    rows = token_rows(X)
    return rows if rows is not None and is_token_row(rows[0]) else None


def _validation_rows(estimator: Classifier, training: TrainingSet, fitted: Fitted) -> Source:
    """Return the validation rows under the name by which users know them."""
    if training.held is not None:
        return training.inputs.source.subset(training.held)
    assert training.validation is not None
    return fitted.open(estimator, training.validation[0]).source.called("validation_data[0]")
