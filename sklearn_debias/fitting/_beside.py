"""Rows that `fit` is given beside X: a meta set, extra training rows."""

from dataclasses import replace
from typing import Any

import numpy as np

from sklearn_debias.core.internal import is_tokens
from sklearn_debias.fitting._facts import Facts, reopen
from sklearn_debias.fitting._inputs import FIRST, Inputs
from sklearn_debias.fitting._targets import encode_known
from sklearn_debias.fitting._training_set import TrainingSet
from sklearn_debias.fitting._types import Classifier
from sklearn_debias.rows import check_same_rows
from sklearn_debias.training import JoinedSource, blamed


def open_beside(
    estimator: Classifier, name: str, beside: tuple[Any, Any], n: int, facts: Facts
) -> tuple[Inputs, np.ndarray]:
    """Check ``X_name`` and ``y_name`` given beside X of n rows; return inputs and class codes."""
    X, y = beside
    argument = f"X_{name}"
    labels = f"y_{name}"
    # As one pair, which no splitter takes for an array of rows.
    paired = y is None and isinstance(X, tuple) and len(X) == 2
    if paired:
        X, y = X
    if X is None or y is None:
        missing, given = (argument, labels) if X is None else (labels, argument)
        raise ValueError(f"`{missing}` must be given with `{given}`.")
    check_same_rows({argument: X, labels: y})
    with blamed(argument, f"It must be like X, with one label per row in `{labels}`."):
        inputs = reopen(estimator, X, facts, estimator.get_params(deep=False))
    m = len(inputs)
    if m == n and not paired:
        raise ValueError(
            f"`{argument}` must not have as many rows as X, {n}: cross-validation would slice it "
            f"as if it were aligned with X. Pass both as one pair: {argument}=({argument}, "
            f"{labels})."
        )
    inputs = replace(inputs, source=inputs.source.called(argument))
    return inputs, encode_known(facts.classes, y, m, labels, argument)


def with_extra(
    estimator: Classifier, training: TrainingSet, beside: tuple[Any, Any], facts: Facts
) -> TrainingSet:
    """Return the training set with ``X_extra`` and ``y_extra``, whose bias values are not known."""
    inputs = training.inputs
    n = len(inputs)
    extra, codes = open_beside(estimator, "extra", beside, n, facts)
    own, new = (tuple(source.take(FIRST).shape[1:]) for source in (inputs.source, extra.source))
    # Alike once they are resized, but not as they are stored. Tokens have any number.
    if own != new and not is_tokens(inputs.shape):
        raise ValueError(
            f"`X_extra` must have rows of the shape of X before `image_size` is applied, {own}, "
            f"got {new}. Resize them."
        )
    joined = replace(
        inputs,
        source=JoinedSource((inputs.source, extra.source)),
        low=min(inputs.low, extra.low),
        high=max(inputs.high, extra.high),
    )
    return replace(
        training,
        inputs=joined,
        index=np.concatenate([training.index, n + np.arange(len(codes))]),
        y=np.concatenate([training.y, codes]),
        group=None,
        groups=None,
    )
