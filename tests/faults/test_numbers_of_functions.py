"""Numbers of NumPy, bools, and integers too large, for every function and every attack."""

import inspect
import warnings
from functools import wraps
from types import UnionType
from typing import get_args

import joblib
import numpy as np
import pytest
import torch
from faulty import IMAGES, UINT8, X, b, make, y
from sklearn.linear_model import LogisticRegression
from torch import nn
from wrong_numbers import HUGE, of_numpy

from sklearn_debias import GroupInferrer
from sklearn_debias.attacks import Threat
from sklearn_debias.comparison import compare
from sklearn_debias.corruptions import Corruption
from sklearn_debias.exceptions import DebiasWarning
from sklearn_debias.model_selection import BiasStratifiedKFold
from sklearn_debias.models import mlp
from sklearn_debias.robustness import robust_accuracy
from sklearn_debias.testing import all_attacks, all_functions, default

UNWARNED = pytest.mark.filterwarnings("ignore::sklearn_debias.exceptions.DebiasWarning")


def numbers(function):
    """Names of the parameters of a function that are numbers, by annotation or default."""
    for p in inspect.signature(function).parameters.values():
        union = isinstance(p.annotation, UnionType)
        kinds = get_args(p.annotation) if union else (p.annotation,)
        named = p.name in ("random_state", "epsilon")
        # The True of `verbose` is scikit-learn's 1.
        if (named or int in kinds or float in kinds) and p.name != "verbose":
            yield p.name


Y10 = np.arange(40) % 10
GREY = (np.arange(40 * 28 * 28) % 251).astype(np.uint8).reshape(40, 28, 28)
PIXELS = np.linspace(0, 1, 40 * 48).reshape(40, 3, 4, 4).astype(np.float32)
NET = nn.Sequential(nn.Flatten(), nn.Linear(48, 2)).requires_grad_(False).eval()
nn.init.normal_(NET[1].weight, generator=torch.Generator().manual_seed(0))
ROWS = {"estimator": NET, "X": PIXELS, "y": y}
PREDICTED = {"y_true": y, "bias_labels": b}
SEEN = {
    "estimator": make("ERMClassifier", module="linear", lr=0.01).fit(IMAGES, y),
    "X": IMAGES,
    "y": y,
}
SEEDED = {"random_state": 0}
SHARES = {(0, 0): 0.25, (0, 1): 0.25, (1, 0): 0.25, (1, 1): 0.25}
DRAWN = {"y": y, "imbalance_ratio": 2, **SEEDED}
GREYS = {"images": GREY, "target": Y10, **SEEDED}
BIASED = LogisticRegression(C=1e-3).fit(X, y)
GROUPS = GroupInferrer("errors", random_state=0)
with warnings.catch_warnings():
    warnings.simplefilter("ignore", DebiasWarning)  # so few rows have no minority
    GROUPS.fit(X, y)
RECIPES = {
    "bias_report": {"y": y, "metadata": b, "n_permutations": 19, **SEEDED},
    "biased_balance_scorer": {"model": BIASED},
    "inferred_groups_report": {"y": y, "inferred": b, "bias_labels": y},
    "inferred_worst_group_scorer": {"inferrer": GROUPS},
    "adjusted_accuracy_score": {**PREDICTED, "y_pred": y, "group_shares": SHARES},
    "adversarial_examples": {**ROWS, "epsilon": 0.1},
    "attribute": {**ROWS, "method": "integrated_gradients"},
    "attribute_long_tail": {"features": X, "y": y, "n_clusters": 2, "n_attributes": 2, **SEEDED},
    "balanced_indices": {"y": y, "bias_labels": b, "per_cell": 3, **SEEDED},
    "bias_train_test_split": {"X": X, "y": y, "bias_labels": b, **SEEDED},
    "binary_colour_mnist": GREYS,
    "cnc_colour_mnist": GREYS,
    "colour_mnist": {**GREYS, "conflict_ratio": 0.1},
    "compare": {
        "estimators": {"logistic": LogisticRegression()},
        "train": (X, y, b),
        "test": (X + 0.5, y, b),
        "n_configurations": 1,
        "n_resamples": 100,
        "verbose": 0,
        **SEEDED,
    },
    "corrupt": {"images": UINT8, "name": "brightness", "severity": 3},
    "corrupted_images": {"images": UINT8, "target": y, "kind": "type0", **SEEDED},
    "corruption_report": {**SEEN, "corruptions": ["brightness"], "severities": [1]},
    "encode_bias": {"bias_labels": b, "n_samples": 40},
    "epsilon_sweep": {**ROWS, "epsilons": [0.1]},
    "expected_calibration_error": {"y_true": y, "y_prob": np.linspace(0, 1, 40)},
    "flip_labels": {"y": y, "noise_rate": 0.2, **SEEDED},
    "glt_split": {**DRAWN, "attributes": b, "proportions": (2, 1), "n_max": 6},
    "group_mean_accuracy_score": {**PREDICTED, "y_pred": y},
    "group_report": {**PREDICTED, "y_pred": y, "metrics": ["f1"], "by": "bias", **SEEDED},
    "integrated_gradients": ROWS,
    "irm_colour_mnist": GREYS,
    "load_biased_digits": {},
    "long_tail_indices": {**DRAWN, "n_max": 10},
    "make_spurious_embeddings": {"n_features": 8, "n_values": 2, **SEEDED},
    "mean_saliency_share": {"maps": PIXELS[:, 0], "mask": np.eye(4, dtype=bool)},
    "paired_difference": {**PREDICTED, "y_pred_a": y, "y_pred_b": y, **SEEDED},
    "patch_mnist": GREYS,
    "robust_accuracy": {"epsilon": 0.1},
    "robust_accuracy_score": {**ROWS, "epsilon": 0.1},
    "robust_report": {**ROWS, "attacks": ["pgd-2"], "epsilon": 0.1},
    "transfer_accuracy_score": {"source": NET, "target": NET, "X": PIXELS, "y": y, "epsilon": 0.1},
    "spuco_mnist": GREYS,
    "worst_group_accuracy_score": {**PREDICTED, "y_pred": y},
    "xrm_colour_mnist": GREYS,
    # Classes that are called like functions.
    "BiasStratifiedKFold": {"shuffle": True, **SEEDED},
    "Corruption": {"severity": 2, **SEEDED},
    "Threat": {"epsilon": 0.1},
}
# Of files and clusters that a test here has not.
ELSEWHERE = {"read_bar", "read_cifar_c", "read_group_folders", "on_dask"}


@wraps(robust_accuracy)
def scored(**params):
    return robust_accuracy(**params)(NET, PIXELS, y)


@wraps(compare)
def compared(**params):
    return compare(**params).to_frame().drop(columns="CPU s")


@wraps(BiasStratifiedKFold.__init__, assigned=())
def folds(**params):
    return list(BiasStratifiedKFold(**params).split(X, y, bias_labels=b))


@wraps(Corruption.__init__, assigned=())
def corrupted(**params):
    return Corruption("brightness", **params).fit_transform(UINT8)


CALLED = {
    **{name: function for name, function in all_functions() if name not in ELSEWHERE},
    "compare": compared,
    "robust_accuracy": scored,
    "BiasStratifiedKFold": folds,
    "Corruption": corrupted,
    "Threat": Threat,
}
NUMERIC = {name: list(numbers(function)) for name, function in CALLED.items()}


def value_of(name, parameter):
    given = RECIPES[name]
    return given.get(parameter, inspect.signature(CALLED[name]).parameters[parameter].default)


@UNWARNED
@pytest.mark.parametrize("name", [name for name in NUMERIC if NUMERIC[name]])
def test_functions_take_numpy_numbers(name):
    call, given = CALLED[name], RECIPES[name]
    changed = {p: of_numpy(value_of(name, p)) for p in NUMERIC[name]}
    assert joblib.hash(call(**{**given, **changed})) == joblib.hash(call(**given))


@UNWARNED
@pytest.mark.parametrize("name", [name for name in NUMERIC if NUMERIC[name]])
def test_no_function_takes_a_bool_or_an_overflow_for_a_number(name):
    for parameter in NUMERIC[name]:
        # A seed may be as long as one likes.
        for value in (True,) if parameter == "random_state" else (True, HUGE):
            with pytest.raises((ValueError, TypeError), match=f"`{parameter}`"):
                CALLED[name](**{**RECIPES[name], parameter: value})


ATTACKS = [(name, p) for name, cls in all_attacks() for p in numbers(cls)]


@pytest.mark.parametrize(("name", "parameter"), ATTACKS)
def test_numbers_of_attacks(name, parameter):
    cls = dict(all_attacks())[name]
    value = getattr(default(cls), parameter)
    value = 0.1 if value is None else value
    made = cls(**{parameter: of_numpy(value)})
    assert made == cls(**{parameter: value})
    assert type(getattr(made, parameter)) is type(value)
    for wrong in (True, HUGE):
        with pytest.raises((ValueError, TypeError), match=f"`{parameter}`"):
            cls(**{parameter: wrong})


def test_widths_of_networks():
    assert str(mlp(np.int64(4), np.int64(2), np.int64(3))) == str(mlp(4, 2, 3))
