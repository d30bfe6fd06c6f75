"""From what `fit` was given to the training set: checks, held-out rows, groups, weights."""

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from sklearn.utils.validation import _check_sample_weight

from sklearn_debias.fitting._beside import with_extra
from sklearn_debias.fitting._cells import bias_facts
from sklearn_debias.fitting._facts import Facts, reopen
from sklearn_debias.fitting._given import Given, View, indexed, take_rows
from sklearn_debias.fitting._inputs import Inputs, open_inputs
from sklearn_debias.fitting._meta_set import open_meta
from sklearn_debias.fitting._plain import plain
from sklearn_debias.fitting._targets import encode_known, encode_target, hold_out, plain_bias
from sklearn_debias.fitting._training_set import TrainingSet
from sklearn_debias.fitting._types import Classifier
from sklearn_debias.metrics import encode_bias
from sklearn_debias.metrics.internal import cells_of, check_numeric, encode_labels
from sklearn_debias.rows import check_same_rows
from sklearn_debias.training import Streams, blamed

# imbalanced-learn's samplers choose and reorder the rows of X and y, and of nothing beside them.
SAMPLED = (
    " If a sampler moved the rows, fit without a pipeline to what it returns, with "
    "np.asarray({name})[sampler.sample_indices_]{instead}."
)
BESIDE = {
    "bias_labels": SAMPLED.format(
        name="bias_labels", instead=', or balance by ERMClassifier(balance="group") instead'
    ),
    "sample_weight": SAMPLED.format(name="sample_weight", instead=""),
}
LIKE_X = "It must hold the rows of X in the same order, as arrays, image paths or a Dataset."


def read_given(estimator: Classifier, given: Given, streams: Streams) -> tuple[TrainingSet, Facts]:
    """Check what `fit` was given, and split it; return the rows and what was seen of them.

    The estimator is asked for its parameters only, and left as it is.
    """
    check_same_rows(given.rows(), advice=BESIDE)
    inputs = open_inputs(
        given.X, dtype=estimator.dtype, image_size=estimator.image_size, owner=estimator
    )
    n = len(inputs)
    codes, classes = encode_target(estimator, given.y, n)
    facts = replace(Facts.of(inputs), classes=classes)
    bias = None
    if given.bias_labels is not None:
        bias = encode_bias(plain_bias(given.bias_labels), n)
    weight = _read_weight(given.sample_weight, n)
    # Weight 0 means removed: not even BatchNorm sees the row.
    index = np.arange(n) if weight is None else np.flatnonzero(weight)
    index, held, validation = _hold_out(estimator, given, facts, codes, bias, index, streams)
    present = np.unique(codes[index])
    if len(present) < len(classes):  # all rows of a class have weight 0
        if len(present) < 2:
            raise ValueError(
                f"`sample_weight` leaves one class, {classes[present].tolist()}; at least 2 are "
                "needed."
            )
        classes = classes[present]
        codes = np.searchsorted(present, codes)
        facts = replace(facts, classes=classes)
    training = TrainingSet(inputs, index, codes[index], classes, validation=validation, held=held)
    if bias is not None:
        y = encode_labels(classes[training.y], "y")
        group, groups = cells_of(y, (bias[0][index], bias[1]))
        training = replace(training, group=group, groups=groups)
        facts = replace(facts, bias=bias_facts(group, groups, bias[1]))
    if weight is not None:
        # Mean 1 keeps the size of a step, whatever unit the weights are in.
        # By a power of two first, which changes no digit: the sum of huge weights overflows.
        own = weight[index]
        own = np.ldexp(own, -np.frexp(own.max())[1])
        training = replace(training, weight=own / own.mean())
    views = {name: _open_view(estimator, view, n) for name, view in given.views.items()}
    aligned = frozenset(name for name, view in given.views.items() if view.aligned)
    training = replace(training, views=views, aligned=aligned)
    if given.meta is not None:
        training = replace(training, meta=open_meta(estimator, given.meta, inputs.source, facts))
    if given.extra is not None:
        training = with_extra(estimator, training, given.extra, facts)
    return training, facts


def _hold_out(
    estimator: Classifier,
    given: Given,
    facts: Facts,
    codes: np.ndarray,
    bias: tuple[np.ndarray, list] | None,
    index: np.ndarray,
    streams: Streams,
) -> tuple[np.ndarray, np.ndarray | None, tuple[Any, Any, Any] | None]:
    """Return the rows to train on, those held out, and the validation rows, given or held out."""
    if estimator.validation is not None and given.validation_data is not None:
        raise ValueError(
            "`validation` and `validation_data` must not both be given: keep one of them."
        )
    if given.validation_data is not None:
        return index, None, _read_validation(estimator, given.validation_data, facts)
    if estimator.validation is None:
        if estimator.monitor is not None:
            raise ValueError(
                "`monitor` needs validation rows to score: set `validation` to a fraction, or pass "
                "validation_data."
            )
        if estimator.monitor_every != 1:
            raise ValueError(
                f"`monitor_every`={estimator.monitor_every} needs validation rows to score: set "
                "`validation` to a fraction, or pass validation_data, or leave it at 1."
            )
        return index, None, None
    strata = codes[index]  # of classes alone, rare groups could all be held out, or none
    if bias is not None:
        strata = strata * len(bias[1]) + bias[0][index]
    rng = np.random.default_rng(streams.seed("validation"))
    held = hold_out(strata, estimator.validation, rng)
    out = index[held]
    labels: Any = None
    if bias is not None:
        labels = [bias[1][code] for code in bias[0][out]]
        if not isinstance(labels[0], tuple):
            # Found categorical in all rows; these few could look continuous.
            labels = pd.Categorical(labels)
    y = indexed(facts.classes[codes[out]], given.y, out)
    return index[~held], out, (take_rows(given.X, out), y, labels)


def _read_validation(estimator: Classifier, data: Any, facts: Facts) -> tuple[Any, Any, Any]:
    if not isinstance(data, (tuple, list)) or len(data) not in (2, 3):
        raise ValueError("`validation_data` must be (X, y) or (X, y, bias_labels).")
    X, y, bias = (*data, None)[:3]
    names = ("validation_data[0]", "validation_data[1]", "validation_data[2]")
    check_same_rows(dict(zip(names, (X, y, bias), strict=True)))
    advice = "Its X must be like that of fit, with one label (and bias value) per row."
    with blamed("validation_data", advice):
        n = len(reopen(estimator, X, facts, estimator.get_params(deep=False)))
        encode_known(facts.classes, y, n, "validation_data[1]")
        if bias is not None:  # of any value: a hospital may be left out to validate on it
            encode_bias(plain_bias(bias, "validation_data[2]"), n)
    return X, y, bias


def _open_view(estimator: Classifier, view: View, n: int) -> Inputs:
    with blamed(view.argument, LIKE_X):
        inputs = open_inputs(
            view.rows, dtype=estimator.dtype, image_size=estimator.image_size, owner=estimator
        )
        if len(inputs) != n:
            raise ValueError(f"it has {len(inputs)} rows, and X {n}")
    return replace(inputs, source=inputs.source.called(view.argument))


def _read_weight(sample_weight: Any, n: int) -> np.ndarray | None:
    if sample_weight is None:
        return None
    weight = plain(sample_weight, "sample_weight")
    check_numeric(weight, "sample_weight")
    weight = _check_sample_weight(
        weight,
        np.empty((n, 1)),
        dtype=np.float64,
        ensure_non_negative=True,
    )
    if not weight.any():
        raise ValueError(
            "`sample_weight` must have a positive entry for at least 2 classes, got zeros only."
        )
    return weight
