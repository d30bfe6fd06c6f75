"""Faults that random calls found: each a kind, tried wherever it occurs."""

import inspect

import numpy as np
import pytest
from faulty import IMAGES, X, b, erm, y
from fuzz import SURFACE

from sklearn_debias import DFRClassifier
from sklearn_debias.attribution import attribute
from sklearn_debias.datasets import read_mnist
from sklearn_debias.feature_extraction import Embedder
from sklearn_debias.inspection import SaliencyDisplay
from sklearn_debias.metrics import paired_difference
from sklearn_debias.model_selection import bias_train_test_split

NAMES = ("absent", "ties", "metric", "judge", "scalar", "method", "norm", "family")
SOUND = {
    "estimator": erm().fit(X, y),
    "source": erm().fit(X, y),
    "target": erm().fit(X, y),
    "X": X,
    "y": y,
    "y_true": y,
    "y_pred": y,
    "y_prob": y.astype(float),
    "y_pred_a": y,
    "y_pred_b": y,
    "bias_labels": b,
    "aligned": {0: 0, 1: 1},
    "group_shares": {(0, 0): 0.5, (1, 1): 0.5},
    "epsilon": 0.1,
    "score_func": len,
}
TAKE_A_NAME = [
    (name, parameter)
    for name, function in sorted(SURFACE.items())
    for parameter in inspect.signature(function).parameters
    if parameter in NAMES and not inspect.isclass(function)
]


@pytest.mark.parametrize(("name", "parameter"), TAKE_A_NAME)
def test_an_array_is_no_name(name, parameter):
    function = SURFACE[name]
    needed = [p for p in inspect.signature(function).parameters if p in SOUND and p != parameter]
    given = {p: SOUND[p] for p in needed}

    def call():
        made = function(**given, **{parameter: np.array(["a", "b"])})
        made(SOUND["estimator"], X, y)  # a scorer looks when it scores

    with pytest.raises((ValueError, TypeError), match=f"`{parameter}`"):
        call()


@pytest.mark.parametrize("value", [np.timedelta64(3), np.timedelta64(3, "D")])
@pytest.mark.parametrize("parameter", ["max_epochs", "lr", "random_state", "batch_size"])
def test_a_span_of_time_is_no_number(parameter, value):
    with pytest.raises((ValueError, TypeError), match=parameter):
        erm(**{parameter: value}).fit(X, y)


def test_a_span_of_time_is_no_batch_size_of_an_embedder():
    with pytest.raises(TypeError, match="`batch_size` of Embedder must be a number, got a span"):
        Embedder(batch_size=np.timedelta64(3, "D")).fit(IMAGES)


@pytest.mark.parametrize("rows", [1 + 1j, [[1 + 1j] * X.shape[1]], X + 1j])
@pytest.mark.parametrize("estimator", [DFRClassifier(C=1.0), erm()])
def test_a_complex_number_is_no_feature(estimator, rows):
    estimator.fit(X, y, bias_labels=b)
    with pytest.raises(ValueError, match="Complex data not supported"):
        estimator.predict(rows)


@pytest.mark.parametrize("rows", [{1, 2}, object(), {"a": 1}, print])
def test_what_has_no_rows_is_named(rows):
    with pytest.raises(TypeError, match=r"`X` must"):
        erm().fit(rows, y)
    with pytest.raises(TypeError, match=r"`X` must"):
        attribute(SOUND["estimator"], rows, y)
    with pytest.raises(TypeError, match=r"`X` must be array-like"):
        bias_train_test_split(rows, y, b)
    with pytest.raises(TypeError, match=r"`arrays\[0\]` must be array-like"):
        bias_train_test_split(X, y, b, rows)


@pytest.mark.parametrize("which", ["y_pred_a", "y_pred_b"])
@pytest.mark.parametrize("labels", ["a", y[:3], np.array(["a", "b"])[y]])
def test_the_predictions_that_are_wrong_are_named(which, labels):
    given = {"y_pred_a": y, "y_pred_b": y, which: labels}
    with pytest.raises(ValueError, match=f"`{which}`"):
        paired_difference(y, **given, bias_labels=b)


def test_maps_have_a_name():
    with pytest.raises(ValueError, match="`maps` must be a dict"):
        SaliencyDisplay(IMAGES, IMAGES[:, 0], mask=IMAGES[:, 0] > 0.5)


def test_a_file_that_is_no_archive_names_the_argument():
    with pytest.raises(ValueError, match=r"`folder`: .* must be an npz file"):
        read_mnist(__file__)
