"""Wrong types given to metrics, displays, maps and robust scores: each is named."""

import warnings

import numpy as np
import pandas as pd
import pytest
import torch

from sklearn_debias import ERMClassifier
from sklearn_debias.attribution import grad_cam, integrated_gradients, saliency_share
from sklearn_debias.inspection import SaliencyDisplay
from sklearn_debias.metrics import (
    aligned_map,
    encode_bias,
    group_report,
    make_group_scorer,
    paired_difference,
    worst_group_accuracy_score,
)
from sklearn_debias.robustness import corruption_report, robust_accuracy, robust_report

Y = np.arange(12) % 2
BIAS = np.arange(12) // 2 % 2
NOISE = np.random.default_rng(0).random((12, 1, 8, 8)).astype(np.float32)
IMAGES = NOISE * np.where(Y, 1, 0.3)[:, None, None, None].astype(np.float32)
MAPS = np.abs(IMAGES[:2, 0])
HUGE = 10**400
with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # torch says that they are a prototype
    NESTED = torch.nested.nested_tensor([torch.zeros(2), torch.zeros(3)])
SPARSE = torch.zeros(12).to_sparse()
NO_TEXT = [None, 3, [], {}, np.zeros(3), pd.Series([1, 2]), pd.NA, torch.zeros(2), NESTED, len]


@pytest.fixture(scope="module")
def model():
    return ERMClassifier("simple_cnn", max_epochs=30, lr=0.01, random_state=0).fit(IMAGES, Y)


@pytest.mark.parametrize("name", ["y_true", "y_pred", "bias_labels", "sample_weight", "membership"])
@pytest.mark.parametrize("wrong", [NESTED, SPARSE], ids=["nested", "sparse"])
def test_tensors_that_are_no_arrays(name, wrong):
    given = {"y_true": Y, "y_pred": Y, "bias_labels": BIAS}
    if name == "membership":
        del given["bias_labels"]
    for score in (worst_group_accuracy_score, group_report):
        with pytest.raises(ValueError, match=f"^`{name}` must be"):
            score(**{**given, name: wrong})


def test_tensors_in_any_state_are_labels():
    labels = torch.tensor(-Y, dtype=torch.float64)
    states = {
        "negated": torch._neg_view(labels),
        "with a gradient": torch.tensor(Y, dtype=torch.float64, requires_grad=True),
    }
    for state in states.values():
        score = worst_group_accuracy_score(Y, state, bias_labels=state, sample_weight=state + 1)
        assert score == 1.0
        assert encode_bias(state, 12)[1] == [0.0, 1.0]


@pytest.mark.parametrize("wrong", [HUGE, [HUGE] * 12, np.array([HUGE] * 12, dtype=object)])
def test_weights_beyond_the_floats(wrong):
    with pytest.raises(ValueError, match="`sample_weight` must be numeric"):
        worst_group_accuracy_score(Y, Y, bias_labels=BIAS, sample_weight=wrong)


@pytest.mark.parametrize("wrong", NO_TEXT, ids=lambda value: type(value).__name__)
def test_options_that_are_no_text(wrong, model):
    calls = {
        "absent": lambda: worst_group_accuracy_score(Y, Y, bias_labels=BIAS, absent=wrong),
        "ties": lambda: aligned_map(Y, BIAS, ties=wrong),
        "metric": lambda: paired_difference(Y, Y, Y, bias_labels=BIAS, metric=wrong),
        "judge": lambda: robust_accuracy(judge=wrong),
        "scalar": lambda: grad_cam(model, IMAGES, Y, scalar=wrong),
    }
    if wrong is not None:
        calls["layer"] = lambda: grad_cam(model, IMAGES, Y, layer=wrong)
    for name, call in calls.items():
        with pytest.raises(ValueError, match=f"`{name}` must be"):
            call()


def test_numbers_without_end(model):
    still = {"epsilon": 0.1, "attacks": ["fgsm"]}
    calls = {
        "n_resamples": lambda: paired_difference(Y, Y, Y, bias_labels=BIAS, n_resamples=2**64),
        "n_samples": lambda: encode_bias(BIAS, torch.zeros(2)),
        "greater_is_better": lambda: make_group_scorer(
            worst_group_accuracy_score, greater_is_better=torch.zeros(2)
        ),
        "epsilon": lambda: robust_accuracy(epsilon=HUGE),
        "clip": lambda: robust_accuracy(clip=[HUGE, 1]),
        "n_steps": lambda: integrated_gradients(model, IMAGES, Y, n_steps=2**64),
        "baseline": lambda: integrated_gradients(model, IMAGES, Y, baseline=HUGE),
        "check_masking": lambda: robust_report(model, IMAGES, Y, check_masking=[], **still),
        "verbose": lambda: robust_report(model, IMAGES, Y, verbose=torch.zeros(2), **still),
    }
    for name, call in calls.items():
        with pytest.raises(ValueError, match=f"`{name}`"):
            call()
    with pytest.raises(ValueError, match="`verbose`"):
        corruption_report(model, IMAGES, Y, corruptions=["brightness"], verbose=pd.Series([1, 2]))


DISPLAYS = {
    "images": [None, 3, "x", NESTED, SPARSE, np.zeros((2, 1, 8, 8), dtype="M8[s]"), [[1], [2, 3]]],
    "maps": [None, [], {}, 3, "x", {"a": NESTED}, {"a": None}, {"a": MAPS.astype(complex)}],
    "mask": [3, "x", NESTED, SPARSE, np.zeros((8, 8)), [[1], [2, 3]]],
    "labels": [3, "x", NESTED, SPARSE, {1: 2}, [1, 2, 3], len],
    "cmap": [3, "no", [], NESTED, {}],
    "signed": [None, "x", 3, NESTED],
    "alpha": [None, "x", -1, 2, float("nan"), True, NESTED, [0.5], HUGE],
    "ax": [3, "x", {}, [1], [None, None]],
}


@pytest.mark.parametrize("name", DISPLAYS)
def test_displays_of_other_types(name):
    pyplot = pytest.importorskip("matplotlib.pyplot")
    for wrong in DISPLAYS[name]:
        given = {
            "images": IMAGES[:2],
            "maps": {"a": MAPS},
            "mask": None,
            "labels": None,
            "signed": False,
        }
        look = {}
        (given if name in given else look)[name] = wrong
        with pytest.raises(ValueError, match=f"`{name}"):
            SaliencyDisplay(given.pop("images"), given.pop("maps"), **given).plot(**look)
    pyplot.close("all")


def test_a_display_takes_tensors():
    pyplot = pytest.importorskip("matplotlib.pyplot")
    mask = np.eye(8) > 0
    live = torch.tensor(MAPS, requires_grad=True)
    display = SaliencyDisplay(torch.tensor(IMAGES[:2]), {"a": live}, mask=torch.tensor(mask))
    np.testing.assert_array_equal(display.plot().shares_["a"], saliency_share(MAPS, mask))
    pyplot.close("all")
