"""Lists of labels keep their types: NaN among text is missing, and 1 is not "1"."""

import numpy as np
import pandas as pd
import pytest

from sklearn_debias import (
    AdversarialTrainingClassifier,
    ClassScaling,
    DFRClassifier,
    ERMClassifier,
    MetaWeightNetClassifier,
)
from sklearn_debias.attribution import input_gradients
from sklearn_debias.datasets import balanced_indices, flip_labels, long_tail_indices
from sklearn_debias.metrics import (
    aligned_map,
    encode_bias,
    group_cells,
    worst_group_accuracy_score,
)
from sklearn_debias.model_selection import BiasStratifiedKFold

GOOD = ["nan", "text"] * 20  # a class may be called "nan"
X = np.random.default_rng(0).normal(size=(40, 3)).astype(np.float32)
QUICK = {"max_epochs": 1, "random_state": 0}


def spoiled(value):
    return [*GOOD[:5], value, *GOOD[6:]]


DOORS = {
    "fit": ("y", lambda y: ERMClassifier(**QUICK).fit(X, y)),
    "tuple": ("y", lambda y: ERMClassifier(**QUICK).fit(X, tuple(y))),
    "column": ("y", lambda y: ERMClassifier(**QUICK).fit(X, [[label] for label in y])),
    "DFR": ("y", lambda y: DFRClassifier(C=1.0, n_resamples=1).fit(X, y)),
    "scaling": ("y", lambda y: ClassScaling(ERMClassifier(**QUICK)).fit(X, y)),
    "validation": (
        r"validation_data\[1\]",
        lambda y: ERMClassifier(**QUICK).fit(X, GOOD, validation_data=(X, y)),
    ),
    "meta": (
        "y_meta",
        lambda y: MetaWeightNetClassifier(**QUICK).fit(X, GOOD, X_meta=X[:9], y_meta=y[:9]),
    ),
    "extra": (
        "y_extra",
        lambda y: AdversarialTrainingClassifier(**QUICK).fit(X, GOOD, X_extra=X[:9], y_extra=y[:9]),
    ),
    "maps": ("y", lambda y: input_gradients(ERMClassifier(**QUICK).fit(X, GOOD), X, y)),
    "flipped": ("y", lambda y: flip_labels(y, 0.1, random_state=0)),
    "tail": ("y", lambda y: long_tail_indices(y, 2, random_state=0)),
    "balanced": ("bias_labels", lambda bias: balanced_indices(GOOD, bias, random_state=0)),
}
# These keep each label as it is, so that numbers may stand beside text.
KEEPING = {
    "bias": ("bias_labels", lambda bias: ERMClassifier(**QUICK).fit(X, GOOD, bias_labels=bias)),
    "encode": ("bias_labels", lambda bias: encode_bias(bias, 40)),
    "score": ("y_true", lambda y: worst_group_accuracy_score(y, GOOD, bias_labels=GOOD)),
    "prediction": ("y_pred", lambda y: worst_group_accuracy_score(GOOD, y, bias_labels=GOOD)),
    "cells": ("y", lambda y: group_cells(y, GOOD)),
    "aligned": ("bias_labels", lambda bias: aligned_map(GOOD, bias, ties="omit")),
    "folds": ("y", lambda y: list(BiasStratifiedKFold(2).split(X, y, bias_labels=GOOD))),
}


@pytest.mark.parametrize("missing", [float("nan"), np.float64("nan"), None, pd.NA, pd.NaT])
@pytest.mark.parametrize("door", [*DOORS, *KEEPING])
def test_what_is_missing_among_text_is_no_class(door, missing):
    name, call = {**DOORS, **KEEPING}[door]
    with pytest.raises(ValueError, match=rf"`{name}` must (have no missing value|not contain NaN)"):
        call(spoiled(missing))


@pytest.mark.parametrize("other", [1, 1.5, True, b"text"])
@pytest.mark.parametrize("door", DOORS)
def test_numbers_are_not_made_text(door, other):
    name, call = DOORS[door]
    with pytest.raises(ValueError, match=rf"`{name}` must hold labels of one type, got text and "):
        call(spoiled(other))


@pytest.mark.parametrize("door", KEEPING)
@pytest.mark.parametrize("as_given", [list, lambda labels: np.array(labels, dtype=object)])
def test_a_number_and_its_text_are_refused(door, as_given):
    name, call = KEEPING[door]
    both = ["1", 1] + ["1"] * 38
    with pytest.raises(ValueError, match=rf"`{name}` must not hold both 1 and '1'"):
        call(as_given(both))


def test_a_list_of_text_trains_as_its_array():
    by_list = ERMClassifier(**QUICK).fit(X, GOOD)
    by_array = ERMClassifier(**QUICK).fit(X, np.array(GOOD))
    assert by_list.classes_.tolist() == ["nan", "text"]
    np.testing.assert_array_equal(by_list.predict_proba(X), by_array.predict_proba(X))
    # A table has a type in each column.
    rows = balanced_indices(GOOD, [["p", 1], ["p", 1], ["q", 2], ["q", 2]] * 10, random_state=0)
    assert len(rows) == 40
