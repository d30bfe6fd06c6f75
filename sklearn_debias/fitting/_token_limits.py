"""Rows of tokens are looked at before the first step: one that is refused would end a long fit."""

from collections.abc import Iterable, Mapping
from typing import Any

from torch import nn

from sklearn_debias.core.internal import TokenLimits, is_tokens, token_limits
from sklearn_debias.fitting._fitted import Fitted
from sklearn_debias.fitting._named_images import images_by_name
from sklearn_debias.fitting._networks import Networks
from sklearn_debias.fitting._tokens import open_tokens, token_rows
from sklearn_debias.fitting._training_set import TrainingSet
from sklearn_debias.fitting._types import Classifier
from sklearn_debias.training import Source


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
    instances that are passed as `module`. Rows that torch Datasets make are read when they are due.

    Parameters
    ----------
    estimators : iterable of estimators
        Which shall predict the rows; they are left as they are.
    X : array-like
    name : str, default="X"
        What users pass the rows as.
    """
    rows = token_rows(images_by_name(X))
    if rows is None:
        return
    limits = TokenLimits()
    for estimator in estimators:
        for key, value in estimator.get_params().items():
            if key.rpartition("__")[2] == "module" and isinstance(value, nn.Module):
                limits &= token_limits(value)
    open_tokens(rows, rows[0])[0].called(name).limited(limits).look()


def _validation_rows(estimator: Classifier, training: TrainingSet, fitted: Fitted) -> Source:
    """Return the validation rows under the name by which users know them."""
    if training.held is not None:
        return training.inputs.source.subset(training.held)
    assert training.validation is not None
    return fitted.open(estimator, training.validation[0]).source.called("validation_data[0]")
