"""What `optimizer="lbfgs"` cannot do is refused by name."""

import re
import warnings
from dataclasses import dataclass
from functools import partial
from types import MethodType

import numpy as np
import pytest
import torch
from torch import nn

from sklearn_debias import (
    ClassBalancedRetrainingClassifier,
    CRTClassifier,
    ERMClassifier,
    LfFClassifier,
    LongTailClassifier,
)
from sklearn_debias.core import Phase, SplitModule
from sklearn_debias.estimators import BaseDebiasClassifier
from sklearn_debias.exceptions import DebiasWarning, DivergedError
from sklearn_debias.objectives import ERM
from sklearn_debias.testing import all_estimators, quick


def problem(k=3, n=120, d=5):
    """Rows of `k` classes of unequal sizes, bias labels and weights."""
    rng = np.random.default_rng(0)
    y = np.minimum(rng.integers(0, 2 * k, n), k - 1)
    X = rng.normal(size=(n, d)) + 1.5 * np.eye(k, d)[y]
    return X, y, rng.integers(0, 2, n), rng.uniform(0.2, 2, n)


def fixed(name):
    layer = nn.Linear(5, 3)
    layer.get_parameter(name).requires_grad_(False)
    return layer


def scaled():
    layer = nn.Linear(5, 3)

    def forward(self, x):
        return nn.functional.linear(x, self.weight, self.bias) / 2

    layer.forward = MethodType(forward, layer)
    return layer


REFUSED = {
    "lr_schedule": ({"lr_schedule": "drops"}, "`lr_schedule` must be None"),
    "augment": ({"augment": "crop-flip"}, "`augment` must be None"),
    "monitor": ({"monitor": "accuracy", "validation": 0.2}, "`monitor` must be None"),
    "checkpoint": ({"checkpoint": "folder"}, "`checkpoint` must be None"),
    "amp": ({"amp": True}, "`amp` must be False"),
    "callbacks": ({"callbacks": ["any"]}, "`callbacks` must"),
    "accelerator": ({"net_params": {"accelerator": object()}}, "must not set accelerator"),
    "optimizer__*": ({"net_params": {"optimizer__lr": 1}}, "must not set optimizer__lr"),
    "module": ({"module": "mlp"}, r"`module` must be a linear layer.*freeze='body'"),
    "dropout": (
        {"module": nn.Sequential(nn.Dropout(), nn.Linear(5, 3))},
        "body changes while it trains",
    ),
    "frozen head": ({"module": nn.Sequential(nn.Linear(5, 3), nn.ReLU())}, "`module` must be"),
    "fixed bias": ({"module": fixed("bias")}, "head whose bias cannot learn. Set requires_grad"),
    "fixed layer": ({"module": fixed("weight")}, "head whose weight cannot learn. Set requires_"),
    "own forward": ({"module": scaled()}, "Linear as head, with a forward of its own"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_needs_steps_is_refused_by_name(name):
    X, y, _, _ = problem()
    parameters, message = REFUSED[name]
    clf = ERMClassifier(optimizer="lbfgs", **parameters)
    with pytest.raises((ValueError, TypeError), match=f"(?s){message}"):
        clf.fit(X, y)
    assert not hasattr(clf, "classes_")


@pytest.mark.parametrize(
    ("parameters", "name"),
    [({"loss": "focal"}, "loss"), ({"loss": "ldam"}, "loss"), ({"deferred": 0.5}, "deferred")],
)
def test_losses_that_are_not_convex_are_refused_by_name(parameters, name):
    X, y, _, _ = problem()
    clf = LongTailClassifier(optimizer="lbfgs", beta=0.9, **parameters)
    with pytest.raises(ValueError, match=f"`{name}` must be .* with `optimizer`='lbfgs'"):
        clf.fit(X, y)


SOLVABLE = {
    cls.__name__
    for cls in (ERMClassifier, LongTailClassifier, CRTClassifier, ClassBalancedRetrainingClassifier)
}


@pytest.mark.parametrize(
    "cls", [cls for _, cls in all_estimators() if issubclass(cls, BaseDebiasClassifier)]
)
def test_every_method_is_solved_or_refuses_it(cls):
    X, y, bias, _ = problem(2)
    clf = quick(cls, optimizer="lbfgs", lr_schedule=None, random_state=0)
    if cls.__name__ in SOLVABLE:
        clf.set_params(max_epochs=200)
        assert clf.fit(X, y, bias_labels=bias).score(X, y) > 0.6
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DebiasWarning)
        expected = f"`optimizer`='lbfgs' needs a loss that is a cross entropy.*{cls.__name__}"
        with pytest.raises(ValueError, match=expected):
            clf.fit(X, y, bias_labels=bias)


@dataclass(frozen=True)
class Halved(ERM):
    """A loss of its own, which says nothing of being convex."""

    def step(self, nets, batch, state):
        found = super().step(nets, batch, state)
        return type(found)({role: loss / 2 for role, loss in found.losses.items()}, state)


@dataclass(kw_only=True, eq=False, repr=False)
class HalvedClassifier(ERMClassifier):
    """Trains by it."""

    def _phases(self):
        return (Phase("train", (Halved(),), self.max_epochs),)


def test_a_step_written_anew_takes_the_declaration_back():
    X, y, _, _ = problem()
    with pytest.raises(ValueError, match="HalvedClassifier trains the phase 'train' by Halved"):
        HalvedClassifier(optimizer="lbfgs").fit(X, y)


class Sine(nn.Module):
    """A body and a head, and another forward."""

    def __init__(self):
        super().__init__()
        self.body = nn.Identity()
        self.head = nn.Linear(5, 3)

    def forward(self, x):
        return self.head(torch.sin(3 * self.body(x)))


def hooked():
    layer = nn.Linear(5, 3)
    layer.register_forward_hook(lambda module, args, out: out / 2)
    return layer


def hooked_before():
    module = SplitModule(nn.Identity(), nn.Linear(5, 3))
    module.head.register_forward_pre_hook(lambda module, args: (2 * args[0],))
    return module


@pytest.mark.parametrize("module", [Sine, hooked, hooked_before])
def test_networks_with_another_forward_are_refused(module):
    X, y, _, _ = problem()
    with pytest.raises(ValueError, match=r"`module` must be head\(body\(x\)\)"):
        ERMClassifier(module(), optimizer="lbfgs").fit(X, y)


@pytest.mark.filterwarnings("ignore::sklearn_debias.exceptions.DebiasWarning")
def test_a_frozen_body_with_another_forward_is_run_as_it_is():
    X, y, _, _ = problem()
    options = {"freeze": "body", "max_epochs": 30, "lr": 0.05, "random_state": 0}
    clf = ERMClassifier(Sine(), device="cpu", **options).fit(X, y)
    log_p = clf.predict_log_proba(X)
    loss = -log_p[np.arange(len(y)), y].mean()
    assert abs(loss - clf.history_["model_loss"].iloc[-1]) < 0.02


@pytest.mark.parametrize(
    "optimizer", [torch.optim.LBFGS, partial(torch.optim.LBFGS, history_size=5)]
)
@pytest.mark.parametrize("weight_decay", [0.0, 1e-4])
def test_the_class_of_torch_leads_here(optimizer, weight_decay):
    X, y, _, _ = problem()
    clf = ERMClassifier(optimizer=optimizer, weight_decay=weight_decay)
    with pytest.raises(TypeError, match=r"step\(\) of LBFGS needs a closure.*optimizer='lbfgs'"):
        clf.fit(X, y)


def test_the_name_of_scikit_learn_leads_here():
    with pytest.raises(TypeError, match=re.escape("Here it is `optimizer`")):
        LfFClassifier(solver="lbfgs")


def test_weights_beyond_the_type_are_no_model():
    X, y, _, _ = problem()
    clf = ERMClassifier(optimizer="lbfgs", weight_decay=0)
    with pytest.raises(DivergedError, match="`X` leads to weights that are not finite"):
        clf.fit(X * 1e-40, y)
    assert not hasattr(clf, "classes_")
