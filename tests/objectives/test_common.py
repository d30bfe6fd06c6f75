"""The common checks, over all objectives; and that the checks notice what they look for."""

import inspect
from dataclasses import dataclass

import pytest
import torch

from sklearn_debias import objectives
from sklearn_debias.core import Objective, Step
from sklearn_debias.losses import cross_entropy
from sklearn_debias.objectives import (
    DHAT,
    ERM,
    IADA,
    ISDA,
    UIAT,
    ULE,
    AdversarialTraining,
    BiasAdv,
    ERMOnPart,
    Fish,
    GroupDRO,
    Invariance,
    LearnStrategy,
    LearnWeights,
    LfF,
    LongTail,
    MetaSAug,
    MixUp,
    RetrainHead,
    ReweightHead,
    UpweightErrors,
    WeightedByNet,
)
from sklearn_debias.testing import (
    check_objective,
    objective_checks,
    parametrize_with_objective_checks,
)

ATTACK = {"epsilon": 0.2, "step_size": 0.05, "n_steps": 3, "clip": (-3.0, 3.0)}

ALL = [
    ERM(),
    ERM(balanced=True),
    LfF(),
    LfF(ema=0.0, class_normalize=False, gce_factor=False),
    UpweightErrors(),
    UpweightErrors(upweight=2.5, duplicate=False),
    BiasAdv(),
    BiasAdv(beta=0.0),
    BiasAdv(base=LfF()),
    BiasAdv(base=UpweightErrors()),
    BiasAdv(base=UpweightErrors(duplicate=False), norm="linf", epsilon=0.05, step_size=0.02),
    BiasAdv(random_start=True, clip=(-2.0, 2.0)),
    ERM(balanced=True, replace=False),
    GroupDRO(),
    GroupDRO(step_size=1.0, adjustment=2.0, balanced=True),
    BiasAdv(base=GroupDRO()),
    ERMOnPart(share=0.3, seed=1),
    ReweightHead(),
    ReweightHead(gamma=20.0, lam=1.0, share=0.5),
    LongTail(),
    LongTail("cross_entropy", beta=0.9),
    LongTail("focal", gamma=0.5),
    LongTail("ldam", beta=0.999, scale=5.0),
    LongTail("logit_adjustment", tau=0.5),
    BiasAdv(base=LongTail("ldam", beta=0.9)),
    RetrainHead(),
    ULE(),
    ULE(lam=1.0),
    ULE(where="input", saliency="label_log_prob", magnitude=True, scale=100.0),
    ULE(where="body.0", saliency="prob", scaling="first", norm="l2", distance="l1"),
    ULE(saliency="sum_log_softmax", normalize_by="batch", scaling="ratio"),
    ULE(similarity="gram", where="output"),
    ULE(similarity="gram", where="features", scaling="first"),
    Invariance(),
    Invariance("ib_irm", penalty_weight=10.0, bottleneck_weight=3.0),
    Invariance("vrex", penalty_weight=100.0, balanced=True),
    Invariance("coral"),
    Invariance("mmd", penalty_weight=0.5),
    Fish(),
    Fish(inner_lr=0.0),
    MixUp(),
    MixUp("label", alpha=0.0),
    MixUp("domain", alpha=1.0),
    MixUp("lisa", alpha=2.0, balanced=True),
    ISDA(),
    ISDA(strength=2.0, balance=0.9, epochs=4, done=2, diagonal=True),
    MetaSAug(ISDA(done=1, epochs=2)),
    MetaSAug(ISDA(done=1, epochs=2, diagonal=True), virtual="all"),
    LearnWeights(),
    LearnWeights(virtual="head"),
    WeightedByNet(),
    IADA(),
    IADA(epsilon=0.3, diagonal=True, ramp=True, done=1, epochs=2),
    IADA(copies=3),
    LearnStrategy(),
    LearnStrategy(IADA(alpha=2.0, diagonal=True), virtual="all"),
    LearnStrategy(IADA(epsilon=0.3)),
    LearnStrategy(IADA(copies=2, diagonal=True)),
    AdversarialTraining(**ATTACK),
    AdversarialTraining(**ATTACK, kind="trades"),
    AdversarialTraining(**ATTACK, kind="mart", attack_mode="eval", norm="l2"),
    AdversarialTraining(**ATTACK, awp=0.1),
    UIAT(**ATTACK, inverse_epsilon=0.1),
    UIAT(**ATTACK, lam=0.0),
    DHAT(**ATTACK, attention="gradient_x_input"),
    DHAT(**ATTACK, attention="integrated_gradients", dhlr="paper", floe="paper", awp=0.05),
    DHAT(**ATTACK, attention="given"),
]


def test_every_objective_is_checked():
    classes = {
        v for v in vars(objectives).values() if inspect.isclass(v) and issubclass(v, Objective)
    }
    assert {type(objective) for objective in ALL} == classes
    assert len(ALL) * len(list(objective_checks())) == 67 * 11


@parametrize_with_objective_checks(ALL)
def test_objective(objective, check):
    check(objective)


def writes_in_place(nets, batch, state, loss):
    batch.x.mul_(2)
    return Step({"model": loss})


def draws_global_numbers(nets, batch, state, loss):
    return Step({"model": loss + 0 * torch.rand((), dtype=loss.dtype)})


def switches_to_eval(nets, batch, state, loss):
    nets["biased"].module.eval()
    return Step({"model": loss, "biased": cross_entropy(nets["biased"](batch.x), batch.y).mean()})


def leaks(nets, batch, state, loss):
    return Step({"model": loss * cross_entropy(nets["biased"](batch.x), batch.y).mean()})


def reads_on_the_host(nets, batch, state, loss):
    return Step({"model": loss * max(1.0, loss.item())})


def depends_on_order(nets, batch, state, loss):
    return Step({"model": loss + cross_entropy(nets["model"](batch.x[:2]), batch.y[:2]).mean()})


def drops_precision(nets, batch, state, loss):
    return Step({"model": loss.float()})


def overflows(nets, batch, state, loss):
    return Step({"model": nets["model"](batch.x).exp().sum()})


def names_a_stranger(nets, batch, state, loss):
    return Step({"model": loss, "student": loss})


@pytest.mark.parametrize(
    "fault",
    [
        writes_in_place,
        draws_global_numbers,
        switches_to_eval,
        leaks,
        reads_on_the_host,
        depends_on_order,
        drops_precision,
        overflows,
        names_a_stranger,
    ],
)
def test_the_checks_notice(fault):
    @dataclass(frozen=True)
    class Faulty(Objective):
        roles = ("model", "biased")

        def step(self, nets, batch, state):
            loss = cross_entropy(nets["model"](batch.x), batch.y).mean()
            return fault(nets, batch, state, loss)

    Faulty.__qualname__, Faulty.__module__ = "Faulty", __name__
    globals()["Faulty"] = Faulty
    with pytest.raises((AssertionError, RuntimeError)):
        check_objective(Faulty())
