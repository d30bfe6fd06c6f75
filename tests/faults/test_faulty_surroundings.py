"""No call changes the caller's global state, and none depends on it."""

import random
import threading
import warnings
from contextlib import contextmanager
from functools import cache

import numpy as np
import pytest
import torch
from faulty import FRONT, IMAGES, GradientModeOff, X, erm, make, y
from torch import nn


def surroundings():
    """Everything global that a fit could leave changed."""
    return {
        "torch generator": torch.get_rng_state().tolist(),
        "numpy generator": np.random.get_state()[1].tolist(),  # noqa: NPY002
        "python generator": hash(random.getstate()),
        "threads": torch.get_num_threads(),
        "gradients": torch.is_grad_enabled(),
        "inference": torch.is_inference_mode_enabled(),
        "dtype": torch.get_default_dtype(),
        "determinism": torch.are_deterministic_algorithms_enabled(),
        "anomalies": torch.is_anomaly_enabled(),
        "filters": list(warnings.filters),
        "numpy errors": np.geterr(),
        "running threads": threading.active_count(),
    }


def use(method, given=X, **params):
    clf = make(method, **params).fit(given, y)
    clf.predict_proba(given)
    clf.score(given, y)
    if hasattr(clf, "adversarial_examples"):
        clf.adversarial_examples(given, y)
    return clf


FITS = {
    "features": {},
    "dropout": {"module": nn.Sequential(nn.Linear(4, 8), nn.Dropout(0.5), nn.Linear(8, 2))},
    "float64": {"dtype": "float64"},
    "amp": {"amp": True},
    "loader": {"net_params": {"iterator_train__num_workers": 0}},
    "validation": {"validation": 0.25, "monitor": "accuracy"},
    "verbose": {"verbose": 1},
    "gradient mode off inside": {"module": GradientModeOff},
    "NaN": {"lr": 1e38},
}


@pytest.fixture(scope="module", autouse=True)
def all_is_imported():
    """Import what the first optimiser of a process imports: SymPy adds a warning filter."""
    erm().fit(X, y)


@pytest.mark.parametrize("method", FRONT)
@pytest.mark.parametrize("row", FITS)
def test_global_state_is_left_alone(method, row):
    torch.manual_seed(3)
    before = surroundings()
    with torch.random.fork_rng(enabled=False):
        if row in ("NaN", "gradient mode off inside"):
            with pytest.raises(ValueError, match="diverged|nothing to train"):
                use(method, **FITS[row])
        else:
            use(method, **FITS[row])
    assert surroundings() == before


def test_global_state_is_left_alone_by_images():
    before = surroundings()
    use(
        "BiasAdvClassifier", IMAGES, module="simple_cnn", lr=1e-3, augment="crop-flip", max_epochs=4
    )
    assert surroundings() == before


@contextmanager
def deterministic():
    torch.use_deterministic_algorithms(True)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(False)


@contextmanager
def other_seed():
    state = torch.get_rng_state()
    torch.manual_seed(99)
    yield
    torch.set_rng_state(state)


MODES = {
    "no_grad": torch.no_grad,
    "inference mode": torch.inference_mode,
    "deterministic": deterministic,
    "numpy errors": lambda: np.errstate(all="raise"),
    "another global seed": other_seed,
}


@cache
def plain_scores(method):
    return use(method, module="mlp").decision_function(X)


@pytest.mark.parametrize("method", FRONT)
@pytest.mark.parametrize("row", MODES)
def test_results_do_not_depend_on_the_callers_modes(method, row):
    expected = plain_scores(method)
    with MODES[row]():
        np.testing.assert_array_equal(use(method, module="mlp").decision_function(X), expected)


def test_a_warning_points_at_the_callers_line():
    with pytest.warns(UserWarning, match="`balance`") as caught:
        erm(balance="group").fit(X, y)
    assert caught[0].filename == __file__
