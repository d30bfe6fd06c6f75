"""faults.md, the rows on robust evaluation: radii, ranges, gradients, labels, models."""

import builtins

import numpy as np
import pytest
import torch
from faulty import IMAGES, UINT8, Detached, Linear, NoGradient, X, erm, y
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import nn

from sklearn_debias.attacks import PGD, CarliniWagner
from sklearn_debias.exceptions import DebiasWarning
from sklearn_debias.robustness import (
    adversarial_examples,
    epsilon_sweep,
    robust_accuracy,
    robust_accuracy_score,
    robust_report,
    transfer_accuracy_score,
)


@pytest.fixture(scope="module")
def head():
    return erm().fit(X, y)


@pytest.fixture(scope="module")
def images():
    return erm(module="linear", lr=0.01).fit(IMAGES, y)


GIVEN = {
    "no radius for features": ({}, "`epsilon` must be given for X that are no images"),
    "negative": ({"epsilon": -0.1}, "`epsilon` must be a finite number >= 0"),
    "NaN": ({"epsilon": float("nan")}, "`epsilon` must be a finite number >= 0"),
    "infinite": ({"epsilon": float("inf")}, "`epsilon` must be a finite number >= 0"),
    "text": ({"epsilon": "8/255"}, "`epsilon` must be a finite number >= 0"),
    "true": ({"epsilon": True}, "`epsilon` must be a finite number >= 0"),
    "norm": ({"epsilon": 0.1, "norm": "l1"}, "`norm` must be 'linf' or 'l2'"),
    "norm as a number": ({"epsilon": 0.1, "norm": 2}, "`norm` must be 'linf' or 'l2'"),
    "clip": ({"epsilon": 0.1, "clip": "yes"}, "`clip` must be 'auto', (low, high) or None"),
    "clip upside down": ({"epsilon": 0.1, "clip": (1, 0)}, "`clip` must be finite with low < high"),
    "clip of other channels": (
        {"epsilon": 0.1, "clip": ([-9, -9], [9, 9])},
        "`clip` must hold numbers, or one",
    ),
    "clip beside X": (
        {"epsilon": 0.1, "clip": (0, 1)},
        "`clip`=(0.0, 1.0) must hold X, which reaches from",
    ),
    "judge": ({"epsilon": 0.1, "judge": "first"}, "`judge` must be 'any'"),
    "seed": ({"epsilon": 0.1, "random_state": "0"}, "`random_state` must be an int >= 0"),
    "negative seed": ({"epsilon": 0.1, "random_state": -1}, "`random_state` must be an int >= 0"),
    "attack": ({"epsilon": 0.1, "attack": "pgd"}, "`attack` must be one of"),
    "cw-l2 under linf": (
        {"epsilon": 0.1, "attack": "cw-l2"},
        "`norm` must be 'l2' for CarliniWagner",
    ),
    "dlr of two": (
        {"epsilon": 0.1, "attack": PGD(loss="dlr")},
        "`loss`='dlr' of PGD needs 3 classes, got 2",
    ),
    "autoattack": ({"epsilon": 0.1, "attack": "autoattack"}, "'autoattack' needs images in [0, 1]"),
}


@pytest.mark.parametrize("row", GIVEN)
@pytest.mark.parametrize("function", [robust_accuracy_score, adversarial_examples])
def test_bad_parameters(row, function, head):
    if row == "autoattack":
        pytest.importorskip("pyautoattack")
    params, words = GIVEN[row]
    with pytest.raises(
        ValueError, match=words.replace("(", r"\(").replace(")", r"\)").replace("[", r"\[")
    ):
        function(head, X, y, **params)


IN_GREY_LEVELS = {
    "float images": (IMAGES, {"epsilon": 8}),
    "uint8 images": (UINT8, {"epsilon": 8}),
    "L2": (IMAGES, {"epsilon": 0.3 * 255, "norm": "l2"}),
}


@pytest.mark.parametrize("row", IN_GREY_LEVELS)
def test_a_radius_in_grey_levels_is_refused(row, images):
    given, params = IN_GREY_LEVELS[row]
    with pytest.raises(
        ValueError, match="`epsilon`=.* is larger than the whole range .* divide by 255"
    ):
        robust_accuracy_score(images, given, y, **params)


def test_images_outside_of_0_1_are_refused():
    net = nn.Sequential(nn.Flatten(), nn.Linear(192, 2))
    for given in (255 * IMAGES, IMAGES - 0.5):
        with pytest.raises(ValueError, match="`clip`=.* must hold X, which reaches from"):
            robust_accuracy_score(net, given, y)


def test_lazy_images_outside_of_0_1_are_refused():
    class Lazy(torch.utils.data.Dataset):
        def __len__(self):
            return 40

        def __getitem__(self, i):
            return IMAGES[i] * (1 + 5 * (i == 30))

    clf = erm(module="linear", lr=0.01).fit(IMAGES, y)
    with pytest.raises(ValueError, match="must hold X, which reaches from"):
        robust_accuracy_score(clf, Lazy(), y)


@pytest.mark.parametrize("module", [NoGradient, Detached])
def test_a_module_without_gradient_is_refused(module):
    with pytest.raises(ValueError, match="No gradient of the network's outputs reaches X"):
        robust_accuracy_score(module(), X.astype(np.float32), y, epsilon=0.1)


def test_outputs_of_a_softmax_are_warned_about():
    net = nn.Sequential(nn.Linear(4, 2), nn.Softmax(-1))
    with pytest.warns(DebiasWarning, match="look like probabilities"):
        robust_accuracy_score(net, X.astype(np.float32), y, epsilon=0.1, attack="fgsm")


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
def test_the_scale_of_the_logits_does_not_matter(scale):
    class Scaled(Linear):
        def forward(self, x):
            return scale * self.linear(x)

    net = Scaled()
    with torch.no_grad():
        net.linear.weight.copy_(torch.tensor([[-1.0, -1, -1, -1], [1, 1, 1, 1]]))
        net.linear.bias.copy_(torch.tensor([4.0, -4.0]))
    score = robust_accuracy_score(net, X.astype(np.float32), y, epsilon=0.5, attack="pgd-5")
    margin = (X.sum(1) - 4) * np.where(y == 1, 1, -1)
    assert score == (margin > 4 * 0.5).mean()


def test_outputs_that_are_not_finite_or_one_column_are_refused():
    class Broken(Linear):
        def forward(self, x):
            return self.linear(x) / 0

    with pytest.raises(ValueError, match="not finite"):
        robust_accuracy_score(Broken(), X.astype(np.float32), y, epsilon=0.1)
    with pytest.raises(ValueError, match="at least two outputs"):
        robust_accuracy_score(nn.Linear(4, 1), X.astype(np.float32), 0 * y, epsilon=0.1)


LABELS = {
    "none": (None, "`y` must hold the labels"),
    "unseen": (y + 5, "`y` must hold labels seen in fit"),
    "too few": (y[:3], "`y` must have one label per row of X"),
    "NaN": (np.full(40, np.nan), "`y`"),
}


@pytest.mark.parametrize("row", LABELS)
def test_bad_labels(row, head):
    bad, words = LABELS[row]
    with pytest.raises(ValueError, match=words):
        robust_accuracy_score(head, X, bad, epsilon=0.1)


def test_codes_of_a_module_must_be_known():
    for bad in (y + 1, y - 1, y.astype(str), y[:3]):
        with pytest.raises((ValueError, TypeError), match="`y`"):
            robust_accuracy_score(nn.Linear(4, 2), X.astype(np.float32), bad, epsilon=0.1)


def test_strangers_and_pipelines_are_refused(head):
    with pytest.raises(TypeError, match="Pass its last step, and X as that step sees it"):
        robust_accuracy_score(make_pipeline(StandardScaler(), erm()).fit(X, y), X, y, epsilon=0.1)
    with pytest.raises(
        TypeError, match="`estimator` must be a fitted classifier of sklearn_debias"
    ):
        robust_accuracy_score(LogisticRegression().fit(X, y), X, y, epsilon=0.1)
    with pytest.raises(TypeError, match="`target` must be a fitted classifier of sklearn_debias"):
        transfer_accuracy_score(head, object(), X, y, epsilon=0.1)
    with pytest.raises(ValueError, match="not fitted yet"):
        transfer_accuracy_score(head, LogisticRegression(), X, y, epsilon=0.1)
    with pytest.raises(
        ValueError, match=r"`y` must hold labels that `target` knows, got also \[0\]"
    ):
        transfer_accuracy_score(head, LogisticRegression().fit(X, y + 1), X, y, epsilon=0.1)
    with pytest.raises(ValueError, match="not fitted yet"):
        robust_accuracy_score(erm(), X, y, epsilon=0.1)


def test_autoattack_without_its_package(images, monkeypatch):
    real = builtins.__import__

    def without(name, *args, **kwargs):
        if name.startswith("pyautoattack"):
            raise ModuleNotFoundError(f"No module named {name!r}")
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ImportError, match=r'pip install "sklearn-debias\[robust\]"'):
        robust_accuracy_score(images, IMAGES, y, attack="autoattack")


REPORTS = {
    "no attack": ({"attacks": ()}, ValueError, "`attacks` must hold at least one attack"),
    "one as text": ({"attacks": "fgsm"}, TypeError, "`attacks` must be a sequence"),
    "twice": ({"attacks": ["fgsm", "fgsm"]}, ValueError, "`attacks` must not repeat a name"),
    "taken": (
        {"attacks": {"clean": "fgsm"}},
        ValueError,
        "names that the report has no other column for",
    ),
    "unknown": ({"attacks": ["deepfool"]}, ValueError, "`attack` must be one of"),
    "one source": ({"transfer_from": Linear()}, TypeError, "`transfer_from` must be a sequence"),
    "confidence": ({"confidence": 95}, ValueError, "`confidence` must be a number in"),
    "short bias labels": (
        {"attacks": ["fgsm"], "bias_labels": [0, 1]},
        ValueError,
        "`bias_labels`",
    ),
}


@pytest.mark.parametrize("row", REPORTS)
def test_bad_arguments_of_a_report(row, head):
    params, kind, words = REPORTS[row]
    with pytest.raises(kind, match=words):
        robust_report(head, X, y, epsilon=0.1, **params)


@pytest.mark.parametrize("bad", [None, 0.1, [], ["a"], [-1.0]])
def test_bad_radii_of_a_sweep(bad, head):
    with pytest.raises(ValueError, match="`epsilon"):
        epsilon_sweep(head, X, y, epsilons=bad)


def test_a_scorer_is_checked_when_it_is_made():
    for params in ({"attack": "pgd-0"}, {"judge": "first"}):
        with pytest.raises(ValueError, match="must be"):
            robust_accuracy(**params)


class Flat(nn.Module):
    """Says class 1 of every row, at any place."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(4, 2))

    def forward(self, x):
        return x @ self.weight + x.new_tensor([0.0, 2.0])


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize("norm", ["l2", "linf"])
def test_a_gradient_of_zero_fools_nobody_in_any_precision(dtype, norm):
    module = Flat().to(getattr(torch, dtype))
    rows = X.astype(dtype)
    with pytest.warns(DebiasWarning, match="is exactly zero"):
        found = robust_accuracy_score(module, rows, np.ones(len(X), int), norm=norm, epsilon=0.1)
    assert found == 1.0


CW = CarliniWagner(n_steps=20, search_steps=3, lr=0.1)


class Undefined(nn.Module):
    """Class 0 by far; NaN, in the outputs or only in their gradient, where x moves below 0.5."""

    def __init__(self, where):
        super().__init__()
        self.where = where

    def forward(self, x):
        z = torch.stack([10 + x[:, 0], x[:, 1]], 1)
        low = (x[:, :1] < 0.5).to(x)
        if self.where == "outputs":
            return z / (1 - low) - z * low / (1 - low)
        # The root of 0 has an infinite slope, and 0 times that is NaN.
        return z + 0 * (x[:, :1] * 0).sqrt() * torch.ones_like(z)


@pytest.mark.parametrize("attack", ["pgd-5", "fgsm", "random-search", CW])
def test_outputs_that_become_nan_are_misses_and_said(attack):
    rows = np.full((6, 4), 0.51, dtype="f4")
    rows[:2] = 5.0  # too far from where it fails
    with pytest.warns(DebiasWarning, match="outputs of the network are NaN for 4 of 6 rows"):
        found = robust_accuracy_score(
            Undefined("outputs"), rows, [0] * 6, attack=attack, epsilon=0.2, norm="l2"
        )
    assert found == pytest.approx(2 / 6)


@pytest.mark.parametrize("attack", ["pgd-5", CW])
def test_gradients_that_are_nan_are_not_called_zero(attack):
    rows = np.full((6, 4), 0.7, dtype="f4")
    with pytest.warns(DebiasWarning) as caught:
        found = robust_accuracy_score(
            Undefined("gradient"), rows, [0] * 6, attack=attack, epsilon=0.2, norm="l2"
        )
    assert found == 1.0
    said = " ".join(str(warning.message) for warning in caught)
    assert "The gradient of 6 of 6 attacked rows is NaN or infinite" in said
    assert "exactly zero" not in said
