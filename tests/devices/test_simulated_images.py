"""Images on the simulated device: networks with channels last, attacks, maps, embeddings."""

import pickle
from inspect import signature

import numpy as np
import pytest
import torch
from simulated_cuda import SimulatedCuda
from simulated_fits import answers, assert_alike
from torch import nn

from sklearn_debias import ERMClassifier
from sklearn_debias.attacks import AutoAttack, CarliniWagner, RandomSearch
from sklearn_debias.attribution import attribute
from sklearn_debias.fitting import _opened
from sklearn_debias.robustness import (
    adversarial_examples,
    epsilon_sweep,
    robust_accuracy,
    robust_accuracy_score,
    robust_report,
    transfer_accuracy_score,
)
from sklearn_debias.testing import all_estimators, quick
from sklearn_debias.testing._estimator_data import toy_rows

NETWORKS = [
    pytest.param(cls, id=name)
    for name, cls in all_estimators()
    if "module" in signature(cls).parameters
]
CNN = {"module": "simple_cnn", "net_params": {"module__width": 4}, "random_state": 0}
# Channels last, and batches of 256 for predictions, are summed in another order.
CLOSE = 1e-9
pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn_debias.exceptions.DebiasWarning"),
    pytest.mark.filterwarnings("ignore::skorch.exceptions.DeviceWarning"),
]


def images(n=30):
    X, y, bias = toy_rows(n, (3, 8, 8))
    return (255 * X).astype(np.uint8), y, bias


@pytest.mark.parametrize("cls", NETWORKS)
def test_images(cls):
    X, y, bias = images()
    params = {**CNN, "max_epochs": 1, "augment": "crop-flip", "dtype": "float64"}
    here = quick(cls, **params, device="cpu").fit(X, y, bias_labels=bias)
    with SimulatedCuda():
        there = quick(cls, **params, device="cuda").fit(X, y, bias_labels=bias)
        said = answers(there, X)
        stored = pickle.dumps(there)
        weights = [p for p in there.module_.parameters() if p.ndim == 4]
        assert all(p.is_cuda for p in weights)
        assert all(p.is_contiguous(memory_format=torch.channels_last) for p in weights)
    expected = answers(here, X)
    # Starts of attacks are drawn in the order of the memory.
    assert_alike(said, expected, atol=CLOSE if "n_steps" not in signature(cls).parameters else 0.01)
    assert_alike(answers(pickle.loads(stored), X), said, CLOSE)


def test_mixed_precision():
    """Autocast is that of the device: weights stay in float32, the losses differ."""
    X, y, _ = images()
    clf = ERMClassifier(**CNN, max_epochs=2, lr=0.01, batch_size=10, device="cuda")
    with SimulatedCuda():
        single = clf.fit(X, y).predict_proba(X)
        half = clf.set_params(amp=True).fit(X, y)
        assert all(p.dtype == torch.float32 for p in half.module_.parameters())
        assert 0 < np.abs(half.predict_proba(X) - single).max() < 0.05
    on_cpu = clf.set_params(device="cpu").fit(X, y)
    np.testing.assert_allclose(on_cpu.predict_proba(X), half.predict_proba(X), atol=1e-2)


# Uses of a fitted model: of its rows, labels and groups, what they return as a dict of arrays.


def attacked(attack, norm="linf"):
    def use(model, X, y, bias):
        options = {"attack": attack, "epsilon": 0.1 if norm == "linf" else 0.5, "norm": norm}
        return {
            "score": robust_accuracy_score(model, X, y, **options),
            "examples": adversarial_examples(model, X, y, **options),
        }

    return use


def explained(method, **options):
    def use(model, X, y, bias):
        return {"maps": attribute(model, X, y, method=method, **options)}

    return use


USES = {
    **{name: attacked(name) for name in ("fgsm", "pgd-2", "cw-2", "pgd-2-dhat")},
    "random search": attacked(RandomSearch(n_steps=4)),
    "cw-l2": attacked(CarliniWagner(n_steps=2, search_steps=2), "l2"),
    "autoattack": attacked(AutoAttack(parts=("apgd-ce",)), "l2"),
    "pgd-2 in l2": attacked("pgd-2", "l2"),
    "sweep": lambda model, X, y, bias: {
        "accuracy": epsilon_sweep(model, X, y, epsilons=[0, 0.1], attack="pgd-2").accuracy
    },
    "report": lambda model, X, y, bias: {
        "accuracy": robust_report(model, X, y, attacks=("fgsm",), bias_labels=bias).frame.accuracy
    },
    "scorer": lambda model, X, y, bias: {"score": robust_accuracy("pgd-2")(model, X, y)},
    "transfer": lambda model, X, y, bias: {
        "score": transfer_accuracy_score(model, model, X, y, attack="fgsm")
    },
    **{name: explained(name) for name in ("grad_cam", "input_gradient", "gradient_x_input")},
    "integrated_gradients": explained("integrated_gradients", n_steps=3),
    "signed": explained("gradient_x_input", signed=True),
}


def of_both(use, X, y, bias, fit):
    """Return what a use gives for a model on the CPU, and for one on the device."""
    expected = use(fit("cpu"), X, y, bias)
    with SimulatedCuda():
        return use(fit("cuda"), X, y, bias), expected


@pytest.fixture
def small_batches(monkeypatch):
    """Let the device take as many rows at once as the CPU: 256 small images take a second each."""
    monkeypatch.setattr(_opened, "inference_rows", lambda device, shape: 32)


@pytest.mark.parametrize("name", USES)
@pytest.mark.parametrize("kind", ["classifier", "module"])
def test_a_fitted_network_under_scrutiny(name, kind, small_batches):
    if name == "autoattack":
        pytest.importorskip("pyautoattack")
    X, y, bias = images(12)
    X = (X / 255).astype(np.float32)

    def fit(device):
        if kind == "module":
            generator = torch.Generator().manual_seed(0)
            layers = nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()
            net = nn.Sequential(*layers, nn.Linear(4, 3)).double()
            for p in net.parameters():
                nn.init.uniform_(p, -0.5, 0.5, generator=generator)
            return net.eval().to(device)
        return ERMClassifier(**CNN, max_epochs=1, dtype="float64", device=device).fit(X, y)

    assert_alike(*of_both(USES[name], X, y, bias, fit), atol=CLOSE)
