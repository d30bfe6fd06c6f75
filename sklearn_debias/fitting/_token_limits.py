"""Rows of tokens are looked at before the first step: one that is refused would end a long fit."""

from collections.abc import Mapping
from typing import Any

from sklearn_debias.core.internal import TokenLimits, is_tokens
from sklearn_debias.fitting._fitted import Fitted
from sklearn_debias.fitting._networks import Networks
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

    Workers of a DataLoader see their rows first: whoever asks for them reads slowly.
    """
    if not is_tokens(training.inputs.shape):
        return
    if not loader.get("num_workers"):
        for source in training.sources():
            source.look()
    if training.validation is not None:
        limits = TokenLimits.of(networks.modules["model"])  # which alone predicts
        _validation_rows(estimator, training, fitted).limited(limits).look()


def _validation_rows(estimator: Classifier, training: TrainingSet, fitted: Fitted) -> Source:
    """Return the validation rows under the name by which users know them."""
    if training.held is not None:
        return training.inputs.source.subset(training.held)
    assert training.validation is not None
    return fitted.open(estimator, training.validation[0]).source.called("validation_data[0]")
