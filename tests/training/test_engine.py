"""The engine behind every fit: skorch's callbacks, schedules, faults, precision."""

import signal
from functools import partial

import numpy as np
import pytest
import torch
from skorch.callbacks import Callback, EarlyStopping, GradientNormClipping, LRScheduler
from torch import nn
from torch.optim.lr_scheduler import LambdaLR, ReduceLROnPlateau, StepLR

from sklearn_debias import BiasAdvClassifier, ERMClassifier, JTTClassifier, LfFClassifier
from sklearn_debias.core import SplitModule
from sklearn_debias.exceptions import DivergedError
from sklearn_debias.training import _terms

pytestmark = pytest.mark.filterwarnings("ignore:The fitted model predicts")  # these fits are short

QUICK = {"max_epochs": 3, "batch_size": 8, "lr": 0.1, "random_state": 0}
METHODS = [
    ERMClassifier(**QUICK),
    LfFClassifier(**QUICK),
    JTTClassifier(**QUICK, identification_epochs=2),
    BiasAdvClassifier(**QUICK, base="erm"),
]


@pytest.fixture(scope="module")
def rows():
    rng = np.random.default_rng(0)
    return rng.normal(size=(24, 4)).astype(np.float32), np.arange(24) % 3


def start(n_features, n_classes, seed=0):
    generator = torch.Generator().manual_seed(seed)
    module = SplitModule(
        nn.Sequential(nn.Linear(n_features, 5), nn.Tanh()), nn.Linear(5, n_classes)
    )
    for parameter in module.parameters():
        nn.init.normal_(parameter, std=0.4, generator=generator)
    return module


def state(module):
    return {name: value.clone() for name, value in module.state_dict().items()}


def distance(a, b):
    return float(sum(((a[name] - b[name]) ** 2).sum() for name in a) ** 0.5)


STARTED = state(start(4, 3))


def test_early_stopping_ends_its_phase_and_not_the_fit(rows):
    stopping = EarlyStopping(
        monitor="train_loss", patience=2, threshold=100.0, threshold_mode="abs"
    )
    clf = JTTClassifier(
        **{**QUICK, "max_epochs": 9}, identification_epochs=9, callbacks=[stopping]
    ).fit(*rows)
    epochs = clf.history_.groupby("phase", sort=False)["epoch"].max()
    assert list(epochs.index) == ["identification", "train"]
    assert (epochs < 9).all()
    assert clf.predict(rows[0]).shape == (24,)


def test_skorch_schedules_restart_in_each_phase(rows):
    callbacks = [LRScheduler("StepLR", step_size=1, gamma=0.1)]
    clf = JTTClassifier(**QUICK, identification_epochs=2, callbacks=callbacks).fit(*rows)
    np.testing.assert_allclose(clf.history_["lr"], [0.1, 0.01, 0.1, 0.01, 0.001])


@pytest.mark.parametrize("base", ["erm", "jtt"])
def test_a_schedule_restarts_in_each_phase(base, rows):
    schedule = partial(StepLR, step_size=1, gamma=0.5)
    base = JTTClassifier(identification_epochs=2) if base == "jtt" else base
    clf = BiasAdvClassifier(base=base, **QUICK, lr_schedule=schedule).fit(*rows)
    for _, phase in clf.history_.groupby("phase"):
        np.testing.assert_allclose(phase["lr"], [0.1, 0.05, 0.025][: len(phase)])


def test_a_schedule_reaches_every_role(rows):
    once = partial(LambdaLR, lr_lambda=lambda epoch: float(epoch == 0))
    options = {"module": start, "biased_module": partial(start, seed=1)}
    stopped = LfFClassifier(**QUICK, **options, lr_schedule=once).fit(*rows)
    single = LfFClassifier(**{**QUICK, "max_epochs": 1}, **options).fit(*rows)
    for name in ("module_", "biased_module_"):
        assert distance(state(getattr(stopped, name)), state(getattr(single, name))) == 0
        assert distance(state(getattr(single, name)), STARTED) > 0


def test_a_schedule_may_follow_the_loss(rows):
    patient = partial(
        ReduceLROnPlateau, patience=0, threshold=100.0, threshold_mode="abs", factor=0.5
    )
    clf = ERMClassifier(**QUICK, lr_schedule=patient).fit(*rows)
    assert clf.history_["lr"].iloc[-1] < 0.1


def test_clipped_gradients_move_the_parameters_by_less(rows):
    plain = {"optimizer": torch.optim.SGD, "weight_decay": 0.0, "max_epochs": 1}
    options = {**QUICK, "module": start, **plain}
    clf = ERMClassifier(**options, callbacks=[GradientNormClipping(1e-3)]).fit(*rows)
    assert 0 < distance(state(clf.module_), STARTED) <= 3 * 0.1 * 1e-3 * 1.001  # three steps


EVENTS = []


class Listener(Callback):
    def on_train_begin(self, net, **kwargs):
        EVENTS.append("train")

    def on_batch_begin(self, net, batch=None, **kwargs):
        EVENTS.append(("begin", len(batch.y)))

    def on_grad_computed(self, net, named_parameters, **kwargs):
        EVENTS.append(
            all(p.grad is not None for name, p in named_parameters if name.startswith("model"))
        )

    def on_batch_end(self, net, batch=None, loss=None, **kwargs):
        EVENTS.append(("end", bool(torch.isfinite(loss))))

    def on_train_end(self, net, **kwargs):
        EVENTS.append("done")


def test_callbacks_hear_of_every_batch(rows):
    EVENTS.clear()
    ERMClassifier(**{**QUICK, "max_epochs": 1}, callbacks=[Listener()]).fit(*rows)
    expected = ["train", *[("begin", 8), True, ("end", True)] * 3, "done"]
    assert expected == EVENTS


@pytest.mark.parametrize("clf", METHODS, ids=lambda clf: type(clf).__name__)
def test_an_interrupt_inside_a_batch_ends_the_fit_and_leaves_nothing(clf, rows):
    def interrupted(x):
        raise KeyboardInterrupt

    clf = type(clf)(**{**clf.get_params(deep=False), "augment": interrupted})
    with pytest.raises(KeyboardInterrupt):
        clf.fit(*rows)
    assert not hasattr(clf, "net_")
    assert not hasattr(clf, "classes_")


class Signalled(Callback):
    def on_epoch_end(self, net, **kwargs):
        signal.raise_signal(signal.SIGINT)


@pytest.mark.usefixtures("interruptible")
def test_ctrl_c_while_a_callback_looks_at_an_epoch_ends_the_fit_too(rows):
    with pytest.raises(KeyboardInterrupt):
        ERMClassifier(**QUICK, callbacks=[Signalled()]).fit(*rows)


@pytest.mark.parametrize(
    ("clf", "phase"), [(METHODS[0], "train"), (METHODS[2], "identification")], ids=["erm", "jtt"]
)
def test_a_diverged_fit_names_the_epoch_and_the_phase(clf, phase, rows):
    clf = type(clf)(**{**clf.get_params(deep=False), "lr": 1e30})
    with pytest.raises(DivergedError, match=rf"epoch \d of phase '{phase}'") as caught:
        clf.fit(*rows)
    assert "`lr`" in str(caught.value)
    assert not hasattr(clf, "net_")


def test_parameter_groups_have_options_of_their_own(rows):
    groups = {"optimizer__param_groups": [("model.head.*", {"lr": 0.0})]}
    clf = ERMClassifier(**QUICK, module=start, net_params=groups).fit(*rows)
    moved = {
        name: not torch.equal(value, STARTED[name]) for name, value in state(clf.module_).items()
    }
    assert moved == {
        "body.0.weight": True,
        "body.0.bias": True,
        "head.weight": False,
        "head.bias": False,
    }


def test_a_frozen_body_does_not_move(rows):
    clf = LfFClassifier(**QUICK, module=start, freeze="body").fit(*rows)
    for module in (clf.module_, clf.biased_module_):
        moved = {
            name: not torch.equal(value, STARTED[name]) for name, value in state(module).items()
        }
        assert moved == {
            "body.0.weight": False,
            "body.0.bias": False,
            "head.weight": True,
            "head.bias": True,
        }


@pytest.mark.parametrize("clf", METHODS, ids=lambda clf: type(clf).__name__)
def test_mixed_precision_trains_parameters_that_stay_float32(clf, rows):
    mixed = type(clf)(**{**clf.get_params(deep=False), "amp": True, "module": start}).fit(*rows)
    plain = type(clf)(**{**clf.get_params(deep=False), "module": start}).fit(*rows)
    assert {value.dtype for value in mixed.module_.state_dict().values()} == {torch.float32}
    assert (
        0
        < distance(state(mixed.module_), state(plain.module_))
        < 0.3 * distance(state(plain.module_), STARTED)
    )


def test_optimiser_options_come_by_their_dunder_names(rows):
    slow = (
        ERMClassifier(**QUICK, module=start)
        .set_params(optimizer="sgd", optimizer__momentum=0.5)
        .fit(*rows)
    )
    plain = ERMClassifier(**QUICK, module=start, optimizer=torch.optim.SGD).fit(*rows)
    assert slow.net_.optimizer_.param_groups[0]["momentum"] == 0.5
    assert distance(state(slow.module_), state(plain.module_)) > 0


def test_what_only_training_needs_is_dropped(rows):
    clf = LfFClassifier(**QUICK).fit(*rows)
    assert not clf.net_.optimizer_.state
    assert all(p.grad is None for p in clf.net_.module_.parameters())
    assert not clf.net_.nets
    assert not clf.net_.state


def test_terms_of_more_batches_than_are_kept_together(monkeypatch):
    X = np.random.default_rng(0).normal(size=(60, 3)).astype(np.float32)
    y = np.arange(60) % 2
    clf = ERMClassifier(max_epochs=2, batch_size=7, random_state=0, device="cpu")
    whole = clf.fit(X, y).history_["model_loss"].tolist()
    monkeypatch.setattr(_terms, "TOGETHER", 2)
    assert clf.fit(X, y).history_["model_loss"].tolist() == whole
