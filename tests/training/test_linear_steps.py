"""Heads without autograd: the same fits, by gradients in closed form."""

import copy
from dataclasses import dataclass
from functools import partial
from types import MethodType

import numpy as np
import pytest
import torch
from skorch.callbacks import Callback, GradientNormClipping
from torch import nn, optim
from torch.nn.modules.module import register_module_forward_hook
from torch.optim.optimizer import register_optimizer_step_post_hook

from sklearn_debias import (
    BiasAdvClassifier,
    ERMClassifier,
    GroupDROClassifier,
    JTTClassifier,
    LfFClassifier,
)
from sklearn_debias.core import Phase, SplitModule, Step, WeightedObjective, Weights
from sklearn_debias.objectives import ERM, LfF
from sklearn_debias.training import _engine as engine_file
from sklearn_debias.training import _linear_steps as linear_steps_file
from sklearn_debias.training._direct import direct_update
from sklearn_debias.training._linear_steps import LinearSteps

pytestmark = pytest.mark.filterwarnings("ignore::sklearn_debias.exceptions.DebiasWarning")

QUICK = {"max_epochs": 3, "batch_size": 16, "lr": 0.05, "random_state": 0, "device": "cpu"}
BY_WEIGHT = {"identification_epochs": 1, "upweight": 3, "upweight_by": "weight"}
METHODS = {
    "erm": ERMClassifier(),
    "balanced": ERMClassifier(balance="class"),
    "lff": LfFClassifier(),
    "lff of raw losses": LfFClassifier(ema=0, class_normalize=False, gce_factor=False),
    "groupdro": GroupDROClassifier(step_size=0.1, adjustment=1.0),
    "jtt": JTTClassifier(identification_epochs=1, upweight=3),
    "jtt by weight": JTTClassifier(**BY_WEIGHT),
    "biasadv": BiasAdvClassifier(base="erm"),
    "biasadv linf": BiasAdvClassifier(base="erm", norm="linf"),
    "biasadv lff": BiasAdvClassifier(base="lff", random_start=True),
    "biasadv jtt": BiasAdvClassifier(base=JTTClassifier(**BY_WEIGHT)),
}


@pytest.fixture(scope="module")
def rows():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(90, 7)).astype(np.float32)
    y = (X[:, 0] + rng.normal(size=90) > 0) * 1 + (X[:, 1] > 1)
    return X, y, (X[:, 2] > 0).astype(int)


@pytest.fixture
def steps(monkeypatch):
    """Count the steps in closed form."""
    taken = []
    gradients = LinearSteps.gradients

    def counted(self, batch, state):
        taken.append(len(batch.y))
        return gradients(self, batch, state)

    monkeypatch.setattr(LinearSteps, "gradients", counted)
    return taken


def fitted(clf, rows, **options):
    X, y, bias = rows
    clf = copy.deepcopy(clf).set_params(**{**QUICK, **options})
    beside = {"bias_labels": bias} if isinstance(clf, GroupDROClassifier) else {}
    return clf.fit(X, y, **beside)


def by_autograd(clf, rows, **options):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(engine_file, "linear_steps", lambda *args: None)
        return fitted(clf, rows, **options)


def assert_same_fit(one, other, atol):
    np.testing.assert_allclose(one.coef_, other.coef_, rtol=0, atol=atol)
    np.testing.assert_allclose(one.intercept_, other.intercept_, rtol=0, atol=atol)
    numbers = one.history_.select_dtypes("number").drop(columns="seconds", errors="ignore")
    theirs = other.history_[numbers.columns]
    np.testing.assert_allclose(numbers, theirs, rtol=0, atol=atol)


@pytest.mark.parametrize("optimizer", ["adam", "sgd", optim.AdamW])
@pytest.mark.parametrize("name", METHODS)
def test_a_fit_is_that_by_autograd(name, optimizer, rows, steps):
    options = {"optimizer": optimizer, "dtype": "float64", "weight_decay": 0.01}
    closed = fitted(METHODS[name], rows, **options)
    assert steps
    expected = len(steps)
    slow = by_autograd(METHODS[name], rows, **options)
    assert len(steps) == expected
    assert_same_fit(closed, slow, 1e-9)


def test_weights_and_bare_layers_and_schedules(rows, steps):
    X, y, _ = rows
    weight = np.random.default_rng(1).uniform(0.1, 2, len(y))
    options = {**QUICK, "dtype": "float64", "lr_schedule": optim.lr_scheduler.ExponentialLR}
    options["lr_schedule"] = lambda optimizer: optim.lr_scheduler.StepLR(optimizer, 1, 0.5)
    layer = nn.Linear(7, 3)
    fits = []
    for module in (layer, SplitModule(nn.Identity(), layer)):
        fits.append(ERMClassifier(copy.deepcopy(module), **options).fit(X, y, sample_weight=weight))
    assert len(steps) == 2 * (3 * 6 - 1)  # all but the first of each fit
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(engine_file, "linear_steps", lambda *args: None)
        slow = ERMClassifier(copy.deepcopy(layer), **options).fit(X, y, sample_weight=weight)
    for clf in fits:
        assert_same_fit(clf, slow, 1e-9)


def test_callbacks_see_the_gradients(rows, steps):
    clipping = [GradientNormClipping(gradient_clip_value=0.01)]
    closed = fitted(ERMClassifier(), rows, callbacks=clipping, optimizer="sgd", dtype="float64")
    assert steps
    slow = by_autograd(ERMClassifier(), rows, callbacks=clipping, optimizer="sgd", dtype="float64")
    assert_same_fit(closed, slow, 1e-9)
    free = fitted(ERMClassifier(), rows, optimizer="sgd", dtype="float64")
    assert abs(free.coef_ - closed.coef_).max() > 1e-3


class Halved(nn.Linear):
    def forward(self, x):
        return super().forward(x) / 2


def hooked():
    layer = nn.Linear(7, 3)
    layer.register_forward_hook(lambda module, args, out: out / 2)
    return layer


def with_a_forward():
    layer = nn.Linear(7, 3)

    def forward(self, x):
        return nn.functional.linear(x, self.weight, self.bias) / 2

    layer.forward = MethodType(forward, layer)
    return layer


def with_a_fixed_bias():
    layer = nn.Linear(7, 3)
    layer.bias.requires_grad_(False)
    return layer


@pytest.mark.parametrize(
    "module",
    [
        Halved(7, 3),
        nn.Linear(7, 3, bias=False),
        hooked(),
        with_a_forward(),
        with_a_fixed_bias(),
        nn.utils.parametrizations.weight_norm(nn.Linear(7, 3)),
        nn.Sequential(nn.LayerNorm(7), nn.Linear(7, 3)),
        "mlp",
    ],
    ids=["subclass", "no bias", "hook", "forward", "fixed bias", "weight norm", "norm", "mlp"],
)
def test_other_networks_are_differentiated(module, rows, steps):
    fitted(ERMClassifier(module), rows)
    assert not steps


@dataclass(frozen=True)
class Twice(ERM):
    def step(self, nets, batch, state):
        out = super().step(nets, batch, state)
        return Step({"model": 2 * out.losses["model"]}, out.state)


@dataclass(frozen=True)
class ByRate(WeightedObjective):
    """Weighs by what a batch is told of the training."""

    def weigh(self, loss, batch, state):
        return Weights({"model": torch.full_like(loss["model"], batch.lr)}, state)


@dataclass(frozen=True)
class OneOfTwo(LfF):
    """Trains one of its roles only."""

    def weigh(self, loss, batch, state):
        weights = super().weigh(loss, batch, state)
        return Weights({"model": weights.of["model"]}, weights.state)


def fitted_by(objective, rows, parent=ERMClassifier, **options):
    class Made(parent):
        def _phases(self):
            return (Phase("train", (objective,), self.max_epochs),)

    return Made(**QUICK, dtype="float64", **options).fit(*rows[:2])


def test_a_step_of_ones_own_is_taken(rows, steps):
    twice = fitted_by(Twice(), rows, optimizer="sgd")
    assert not steps
    once = fitted_by(ERM(), rows, optimizer="sgd")
    assert steps
    assert twice.history_["model_loss"].iloc[0] > 1.5 * once.history_["model_loss"].iloc[0]


def test_weights_are_told_the_rate_in_every_step(rows, steps):
    clf = fitted_by(ByRate(), rows)
    assert steps
    plain = fitted_by(ERM(), rows)
    first = [one.history_["model_loss"].iloc[0] for one in (clf, plain)]
    np.testing.assert_allclose(first[0], 0.05 * first[1], rtol=0.05)


def test_a_role_without_weights_stays_where_it_is(rows, steps):
    clf = fitted_by(OneOfTwo(), rows, LfFClassifier)
    assert steps
    assert list(clf.history_.filter(like="_loss").columns) == ["model_loss"]
    assert_same_fit(clf, fitted_slowly(OneOfTwo(), rows, LfFClassifier), 1e-9)


@dataclass(frozen=True)
class Sometimes(WeightedObjective):
    """Trains a role on some batches only: ``where`` says which, by their numbers."""

    role: str
    where: tuple[bool, ...]
    roles = ("model", "biased")

    def init(self, nets, data):
        return {"seen": torch.zeros((), dtype=torch.int64)}

    def weigh(self, loss, batch, state):
        now = self.where[min(int(state["seen"]), len(self.where) - 1)]
        of = {role: None for role in self.roles if now or role != self.role}
        return Weights(of, {"seen": state["seen"] + 1})


@pytest.mark.parametrize("optimizer", ["adam", "sgd", optim.AdamW])
@pytest.mark.parametrize("role", ["model", "biased"])
@pytest.mark.parametrize(
    "where",
    [(False,) * 3 + (True,), (True,) * 8 + (False,), (True, False, False) * 3 + (True,)],
    ids=["late", "early", "now and then"],
)
def test_a_role_may_learn_on_some_batches_only(where, role, optimizer, rows, steps):
    options = {"optimizer": optimizer, "weight_decay": 0.01}
    closed = fitted_by(Sometimes(role, where), rows, **options)
    assert steps
    slow = fitted_slowly(Sometimes(role, where), rows, ERMClassifier, **options)
    assert_same_fit(closed, slow, 1e-9)


@pytest.mark.parametrize("dampening", [0.0, 0.5])
def test_a_late_role_begins_its_momentum_as_others_do(dampening, rows):
    """Torch's fused kernel fails where some parameters have a momentum, and others none yet."""
    late = Sometimes("biased", (False,) * 3 + (True,))
    options = {"optimizer": "sgd", "net_params": {"optimizer__dampening": dampening}}
    if not dampening:
        del options["net_params"]
    fused = fitted_slowly(late, rows, ERMClassifier, **options)
    options["net_params"] = {"optimizer__foreach": False, "optimizer__dampening": dampening}
    loop = fitted_slowly(late, rows, ERMClassifier, **options)
    assert_same_fit(fused, loop, 1e-12)


def test_each_set_of_roles_has_its_update_built_once(rows, monkeypatch):
    built = []
    build = linear_steps_file.direct_update
    monkeypatch.setattr(
        linear_steps_file, "direct_update", lambda o: built.append(build(o)) or built[-1]
    )
    fitted_by(Sometimes("biased", (True, False) * 9), rows)
    assert len(built) == 2 * 3  # sets times epochs
    assert all(built)


def fitted_slowly(objective, rows, parent, **options):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(engine_file, "linear_steps", lambda *args: None)
        return fitted_by(objective, rows, parent, **options)


@dataclass(frozen=True)
class OfItsOwn(WeightedObjective):
    """Differentiates within, and weighs in float64."""

    def weigh(self, loss, batch, state):
        value = loss["model"].detach().double().requires_grad_()
        slope = torch.autograd.grad(value.square().sum(), value)[0]
        return Weights({"model": slope}, state)


@dataclass(frozen=True)
class Misspelt(WeightedObjective):
    def weigh(self, loss, batch, state):
        return Weights({"modle": loss["model"]}, state)


@dataclass(frozen=True)
class Column(WeightedObjective):
    def weigh(self, loss, batch, state):
        return Weights({"model": loss["model"][:, None]}, state)


def test_weights_may_be_differentiated_and_of_another_type(rows, steps):
    class Made(ERMClassifier):
        def _phases(self):
            return (Phase("train", (OfItsOwn(),), self.max_epochs),)

    closed = Made(**QUICK).fit(*rows[:2])
    assert steps
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(engine_file, "linear_steps", lambda *args: None)
        slow = Made(**QUICK).fit(*rows[:2])
    np.testing.assert_allclose(closed.coef_, slow.coef_, rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("objective", "found"), [(Misspelt(), "'modle'"), (Column(), r"\(16, 1\)")]
)
def test_other_weights_than_of_the_batch_are_refused(objective, found, rows):
    with pytest.raises(ValueError, match=rf"`{type(objective).__name__}.weigh` must .*{found}"):
        fitted_by(objective, rows)


@dataclass(frozen=True)
class Worse(WeightedObjective):
    """Weighs well at first, and then ``by`` something else."""

    by: str

    def init(self, nets, data):
        return {"seen": torch.zeros(())}

    def weigh(self, loss, batch, state):
        of = {
            "nothing": {},
            "misspelt": {"modle": None},
            "column": {"model": loss["model"][:, None]},
            "one": {"model": loss["model"][:1]},
        }
        now = of[self.by] if state["seen"] == 2 else {"model": None}
        return Weights(now, {"seen": state["seen"] + 1})


@pytest.mark.parametrize("way", ["closed", "autograd"])
@pytest.mark.parametrize(
    ("by", "found"),
    [
        ("nothing", r"at least one of the roles \('model',\), got none"),
        ("misspelt", "'modle'"),
        ("column", r"\(16, 1\)"),
        ("one", r"\(1,\)"),
    ],
)
def test_weights_of_every_batch_are_looked_at(by, found, way, rows, steps):
    fit = fitted_by if way == "closed" else fitted_slowly
    with pytest.raises(ValueError, match=f"`Worse.weigh` must .*{found}"):
        fit(Worse(by), rows, ERMClassifier)
    assert len(steps) == (2 if way == "closed" else 0)


class FrozenBias(Callback):
    """Freeze the bias at the beginning of the training, or of an epoch."""

    def __init__(self, epoch):
        self.epoch = epoch

    def freeze(self, net):
        for name, parameter in net.module_.named_parameters():
            if name.endswith("bias"):
                parameter.requires_grad_(False)

    def on_train_begin(self, net, **kwargs):
        if self.epoch == 0:
            self.freeze(net)

    def on_epoch_begin(self, net, **kwargs):
        if len(net.history) == self.epoch:
            self.freeze(net)


@pytest.mark.parametrize("epoch", [0, 2])
def test_what_a_callback_freezes_stays(epoch, rows, steps):
    closed = fitted(ERMClassifier(), rows, callbacks=[FrozenBias(epoch)], dtype="float64")
    assert len(steps) == (0 if epoch == 0 else 5)
    slow = by_autograd(ERMClassifier(), rows, callbacks=[FrozenBias(epoch)], dtype="float64")
    assert_same_fit(closed, slow, 1e-9)


class Watching(Callback):
    """Put hooks on, as trackers of experiments do."""

    def __init__(self, register):
        self.register = register
        self.seen = []

    def on_train_begin(self, net, **kwargs):
        for parameter in net.module_.parameters():
            getattr(parameter, self.register)(lambda given: self.seen.append(given.shape))


@pytest.mark.parametrize("register", ["register_hook", "register_post_accumulate_grad_hook"])
def test_hooks_on_parameters_see_every_gradient(register, rows, steps):
    watching = Watching(register)
    fitted(ERMClassifier(), rows, callbacks=[watching])
    assert not steps
    assert len(watching.seen) == 2 * 3 * 6


def test_hooks_on_all_modules_see_every_step(rows, steps):
    seen = []
    handle = register_module_forward_hook(lambda module, args, out: seen.append(module.training))
    try:
        fitted(ERMClassifier(), rows)
    finally:
        handle.remove()
    assert not steps
    assert sum(seen) >= 3 * 6


class Stopping(Callback):
    """Load a state into the optimiser, with a rate of 0, before the last epoch."""

    def on_epoch_begin(self, net, **kwargs):
        if len(net.history) == 3:
            kept = net.optimizer_.state_dict()
            kept["param_groups"] = [{**group, "lr": 0.0} for group in kept["param_groups"]]
            net.optimizer_.load_state_dict(kept)


def test_a_state_that_is_loaded_into_the_optimizer_counts(rows, steps):
    stopped = fitted(ERMClassifier(), rows, callbacks=[Stopping()])
    assert steps
    shorter = fitted(ERMClassifier(), rows, max_epochs=2)
    np.testing.assert_array_equal(stopped.coef_, shorter.coef_)


@pytest.mark.parametrize("maximize", [False, True])
@pytest.mark.parametrize(
    "kind", [optim.Adam, optim.AdamW, partial(optim.Adam, decoupled_weight_decay=True)], ids=str
)
def test_a_direct_update_is_the_step_to_the_last_bit(kind, maximize):
    generator = torch.Generator().manual_seed(0)
    pairs = []
    for _ in range(2):
        generator.manual_seed(0)
        parameters = [nn.Parameter(torch.randn(5, 3, generator=generator)) for _ in range(3)]
        groups = [{"params": parameters[:2], "lr": 0.1}, {"params": parameters[2:]}]
        made = kind(
            groups, lr=0.01, weight_decay=0.1, betas=(0.8, 0.9), maximize=maximize, fused=True
        )
        pairs.append((parameters, made))
    for t in range(4):
        gradients = [torch.randn(5, 3, generator=generator) for _ in range(2)]
        for i, (parameters, optimizer) in enumerate(pairs):
            # The second of three never has a gradient.
            for parameter, gradient in zip((parameters[0], parameters[2]), gradients, strict=True):
                parameter.grad = gradient.clone()
            direct = direct_update(optimizer) if i and t else None
            assert (direct is not None) == bool(i and t)
            (direct or optimizer.step)()
    (one, first), (other, second) = pairs
    assert all(map(torch.equal, one, other))
    for mine, theirs in zip(one, other, strict=True):
        assert first.state[mine].keys() == second.state[theirs].keys()
        assert all(torch.equal(v, second.state[theirs][k]) for k, v in first.state[mine].items())


def test_what_more_than_updates_is_left_to_the_optimizer():
    parameter = nn.Parameter(torch.zeros(2))
    parameter.grad = torch.ones(2)

    def made(**options):
        optimizer = optim.Adam([parameter], fused=True, **options)
        optimizer.step()
        return optimizer

    assert direct_update(made()) is not None
    assert direct_update(made(amsgrad=True)) is None
    assert direct_update(optim.SGD([parameter], 0.1)) is None
    assert direct_update(optim.Adam([parameter])) is None  # has not begun
    watched = made()
    watched.register_step_post_hook(lambda *args: None)
    assert direct_update(watched) is None
    hook = register_optimizer_step_post_hook(lambda *args: None)
    try:
        assert direct_update(made()) is None
    finally:
        hook.remove()
    scheduled = made()
    optim.lr_scheduler.StepLR(scheduled, 1)
    assert direct_update(scheduled) is not None
    replaced = made()
    replaced.step = lambda: None
    assert direct_update(replaced) is None
