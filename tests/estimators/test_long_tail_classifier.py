"""Losses for long-tailed classes and classifier re-training, as estimators."""

from dataclasses import dataclass
from functools import partial

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.metrics import balanced_accuracy_score
from torch import nn
from torch.optim.lr_scheduler import StepLR

from sklearn_debias import CRTClassifier, ERMClassifier, LongTailClassifier
from sklearn_debias.core import Phase, SplitModule
from sklearn_debias.exceptions import DebiasWarning
from sklearn_debias.models import NormalizedLinear, mlp, simple_cnn
from sklearn_debias.objectives import ERM

QUICK = {"max_epochs": 5, "batch_size": 32, "lr": 0.05, "random_state": 0, "device": "cpu"}


def tail(sizes, seed=1, d=10):
    means = 0.8 * np.random.default_rng(0).normal(size=(len(sizes), d))
    y = np.repeat(np.arange(len(sizes)), sizes)
    return (means[y] + np.random.default_rng(seed).normal(size=(len(y), d))).astype(np.float32), y


@pytest.fixture(scope="module")
def long():
    return tail([600, 120, 24, 6])


@pytest.fixture(scope="module")
def even():
    return tail([400] * 4, seed=99)


def assert_same_model(one, other, exact=True):
    for name, value in one.module_.state_dict().items():
        tolerance = {"rtol": 0, "atol": 0} if exact else {"rtol": 1e-7, "atol": 1e-9}
        torch.testing.assert_close(other.module_.state_dict()[name], value, **tolerance)


@pytest.mark.parametrize("module", [None, "mlp"])
@pytest.mark.parametrize(
    "options",
    [
        {"loss": "cross_entropy"},
        {"loss": "focal", "gamma": 0},
        {"loss": "logit_adjustment", "tau": 0},
    ],
)
@pytest.mark.usefixtures("by_autograd")
def test_each_loss_can_be_erm_to_the_last_bit(long, options, module):
    one = ERMClassifier(**QUICK, module=module).fit(*long)
    assert_same_model(one, LongTailClassifier(**QUICK, module=module, **options).fit(*long))


def test_towards_beta_one_the_weights_are_those_of_balanced_erm(long):
    balanced = ERMClassifier(**QUICK, dtype="float64", balance="class").fit(*long)
    for beta in (1, 1 - 1e-12):
        clf = LongTailClassifier(**QUICK, dtype="float64", loss="cross_entropy", beta=beta).fit(
            *long
        )
        assert_same_model(balanced, clf, exact=False)


@pytest.mark.parametrize("loss", ["balanced_softmax", "logit_adjustment"])
def test_equal_classes_make_it_erm(even, loss):
    X, y = even
    X, y = X[::10], y[::10]
    one = ERMClassifier(**QUICK, dtype="float64").fit(X, y)
    assert_same_model(
        one,
        LongTailClassifier(**QUICK, dtype="float64", loss=loss, beta=0.9).fit(X, y),
        exact=False,
    )


def test_balanced_softmax_is_logit_adjustment_at_tau_one(long):
    one, other = (
        LongTailClassifier(**QUICK, dtype="float64", loss=loss).fit(*long)
        for loss in ("balanced_softmax", "logit_adjustment")
    )
    assert_same_model(one, other, exact=False)


@pytest.mark.parametrize(
    ("deferred", "epochs", "expected"),
    [
        (0.8, 200, (160, 40)),
        (0.8, 5, (4, 1)),
        (0.99, 5, (4, 1)),
        (0.5, 1, (1,)),
        (0.05, 5, (5,)),
        (0.0, 5, (5,)),
    ],
)
def test_the_deferred_stage_is_the_last_share_of_the_epochs(deferred, epochs, expected):
    phases = LongTailClassifier(beta=0.9999, deferred=deferred, max_epochs=epochs)._phases()
    assert tuple(phase.max_epochs for phase in phases) == expected
    assert phases[-1].steps[0].beta == 0.9999
    if len(phases) == 2:
        assert phases[0].steps[0].beta == 0.0
        assert [phase.continues for phase in phases] == [False, True]


def test_before_the_deferred_stage_there_are_no_weights(long):
    options = {**QUICK, "max_epochs": 10, "lr": 0.01}
    plain = LongTailClassifier(**options, loss="ldam").fit(*long)
    drw = LongTailClassifier(**options, loss="ldam", beta=0.9999, deferred=0.8).fit(*long)
    np.testing.assert_array_equal(drw.history_["model_loss"][:8], plain.history_["model_loss"][:8])
    assert (drw.history_["model_loss"][8:] != plain.history_["model_loss"][8:]).all()
    assert drw.history_["phase"].tolist() == ["train"] * 8 + ["deferred"] * 2


def test_deferred_without_weights_warns_and_changes_nothing(long):
    with pytest.warns(DebiasWarning, match="`deferred`=0.8 has no effect with `beta`=0"):
        clf = LongTailClassifier(**QUICK, deferred=0.8).fit(*long)
    assert_same_model(LongTailClassifier(**QUICK).fit(*long), clf)


@pytest.mark.parametrize(
    "module", [None, "mlp", nn.Linear, nn.Sequential(nn.Linear(10, 6), nn.ReLU(), nn.Linear(6, 4))]
)
def test_ldam_has_a_normalised_head_and_other_losses_have_not(long, module):
    options = (
        {}
        if module is not nn.Linear
        else {"net_params": {"module__in_features": 10, "module__out_features": 4}}
    )
    clf = LongTailClassifier(**QUICK, **options, module=module, loss="ldam", scale=12).fit(*long)
    assert isinstance(clf.module_.head, NormalizedLinear)
    assert np.abs(clf.decision_function(long[0])).max() <= 12 + 1e-9
    other = LongTailClassifier(**QUICK, **options, module=module).fit(*long)
    assert isinstance(other.module_.head, nn.Linear)


def test_ldam_takes_options_of_the_module_and_leaves_a_given_one_alone(long):
    clf = LongTailClassifier(**QUICK, module="mlp", loss="ldam", normalize=(0.0, 2.0))
    clf.set_params(module__hidden=7).fit(*long)
    assert clf.module_.head.in_features == 7
    given = SplitModule(nn.Linear(10, 5), nn.Linear(5, 4))
    LongTailClassifier(**QUICK, module=given, loss="ldam").fit(*long)
    assert type(given.head) is nn.Linear
    odd = SplitModule(nn.Identity(), nn.Sequential(nn.Linear(10, 4), nn.Tanh()))
    kept = LongTailClassifier(**QUICK, module=odd, loss="ldam").fit(*long)
    assert isinstance(kept.module_.head, nn.Sequential)


def test_ldam_of_a_module_that_cannot_be_built_names_it(long):
    with pytest.raises((TypeError, ValueError), match="`module`.*hiden"):
        LongTailClassifier(**QUICK, module="mlp", loss="ldam", net_params={"module__hiden": 3}).fit(
            *long
        )
    with pytest.raises(ValueError, match="`module`.*'mpl'"):
        LongTailClassifier(**QUICK, module="mpl", loss="ldam").fit(*long)


@pytest.mark.parametrize("freeze", [None, "body"])
def test_ldam_on_images(freeze):
    y = np.arange(24) % 2
    X = (
        np.random.default_rng(0).random((24, 1, 8, 8)) * 0.5 + 0.5 * y[:, None, None, None]
    ).astype(np.float32)
    # A factory: what a name draws at random would not be frozen.
    clf = LongTailClassifier(
        simple_cnn, **{**QUICK, "lr": 0.01}, loss="ldam", beta=0.99, deferred=0.6, freeze=freeze
    ).fit(X, y)
    assert isinstance(clf.module_.head, NormalizedLinear)
    assert clf.score(X, y) > 0.9


# What each gains at least with a linear head, and with a perceptron that fits every row.
METHODS = {
    "balanced softmax": (LongTailClassifier(), 0.08, 0.04),
    "logit adjustment": (LongTailClassifier(loss="logit_adjustment"), 0.08, 0.04),
    "class-balanced": (LongTailClassifier(loss="cross_entropy", beta=0.9999), 0.08, 0.005),
    "class-balanced focal": (LongTailClassifier(loss="focal", beta=0.9999), 0.08, 0.005),
    "ldam-drw": (LongTailClassifier(loss="ldam", beta=0.9999, deferred=0.8), 0.05, 0.02),
    "crt": (CRTClassifier(retraining_epochs=30), 0.08, 0.01),
}


@pytest.fixture(scope="module", params=[None, "mlp"])
def module_and_accuracy_of_erm(request, long, even):
    return request.param, balanced_accuracy(ERMClassifier(), request.param, long, even)


def balanced_accuracy(clf, module, long, even):
    clf = clone(clf).set_params(module=module, lr=0.01, max_epochs=40, random_state=0)
    return balanced_accuracy_score(even[1], clf.fit(*long).predict(even[0]))


@pytest.mark.parametrize("name", METHODS)
def test_balanced_accuracy_rises_above_that_of_erm(long, even, name, module_and_accuracy_of_erm):
    module, of_erm = module_and_accuracy_of_erm
    clf, *gains = METHODS[name]
    assert balanced_accuracy(clf, module, long, even) > of_erm + gains[module == "mlp"]


@dataclass(kw_only=True, eq=False, repr=False)
class BalancedERM(ERMClassifier):
    """ERM on rows drawn class by class, from the stream of the second stage."""

    def _phases(self):
        return (Phase("retraining", (ERM(balanced=True),), self.max_epochs),)


@pytest.mark.parametrize("options", [{}, {"module": mlp, "freeze": "body"}])
@pytest.mark.usefixtures("by_autograd")
def test_without_a_body_to_train_crt_is_balanced_erm_from_a_fresh_start(long, options):
    expected = BalancedERM(**{**QUICK, "max_epochs": 3}, **options).fit(*long)
    assert_same_model(expected, CRTClassifier(**QUICK, retraining_epochs=3, **options).fit(*long))


class Head(nn.Module):
    """Two layers, the first of which counts the batches it sees."""

    def __init__(self):
        super().__init__()
        self.norm, self.linear = nn.BatchNorm1d(6), nn.Linear(6, 4)

    def forward(self, z):
        return self.linear(self.norm(z))


def test_crt_keeps_the_body_of_the_first_stage_and_starts_the_whole_head_anew(long):
    body = nn.Sequential(nn.Linear(10, 6), nn.BatchNorm1d(6), nn.ReLU(), nn.Dropout(0.3))
    module = SplitModule(body, Head())
    erm = ERMClassifier(**QUICK, module=module).fit(*long)
    crt = CRTClassifier(**QUICK, module=module, retraining_epochs=1).fit(*long)
    for name, value in erm.module_.body.state_dict().items():
        torch.testing.assert_close(crt.module_.body.state_dict()[name], value, rtol=0, atol=0)
    batches = -(-len(long[0]) // 32)
    assert erm.module_.head.norm.num_batches_tracked == 5 * batches
    assert crt.module_.head.norm.num_batches_tracked == batches


STAGES = {
    "deferred": (LongTailClassifier(beta=0.99, deferred=0.5), [0.04, 0.04, 0.02, 0.02]),
    "retraining": (
        CRTClassifier(module="mlp", retraining_epochs=2),
        [0.04, 0.04, 0.02, 0.02, 0.04, 0.04],
    ),
}


@pytest.mark.parametrize("stage", STAGES)
def test_the_schedule_goes_on_or_restarts_and_the_last_stage_is_scored(long, stage):
    clf, lr = STAGES[stage]
    clf.set_params(
        **{
            **QUICK,
            "lr": 0.04,
            "max_epochs": 4,
            "lr_schedule": partial(StepLR, step_size=2, gamma=0.5),
        }
    )
    history = clf.set_params(validation=0.2, monitor="balanced_accuracy").fit(*long).history_
    np.testing.assert_allclose(history["lr"], lr)
    assert history["phase"].unique().tolist() == ["train", stage]
    assert (
        history["validation_balanced_accuracy"].notna().tolist()
        == (history["phase"] == stage).tolist()
    )


def test_both_stages_of_crt_augment(long):
    sizes = []

    def augment(x):
        sizes.append(len(x))
        return x

    CRTClassifier(
        **{**QUICK, "max_epochs": 1}, module="mlp", retraining_epochs=2, augment=augment
    ).fit(*long)
    assert sum(sizes) == 3 * len(long[0])


def test_crt_starts_anew_at_every_fit_and_keeps_nothing(long):
    clf = CRTClassifier(**QUICK, module="mlp", retraining_epochs=2)
    first = clf.fit(*long).predict_proba(long[0])
    np.testing.assert_array_equal(clf.fit(*long).predict_proba(long[0]), first)
    assert "_start" not in vars(clf)


def test_crt_needs_a_body_and_a_head(long):
    class Whole(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(10, 4)

        def forward(self, x):
            return self.layer(x)

    with pytest.raises(TypeError, match="`module` must have a body and a head"):
        CRTClassifier(**QUICK, module=Whole).fit(*long)
