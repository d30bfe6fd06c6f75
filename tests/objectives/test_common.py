"""The common checks, over all objectives; and that the checks notice what they look for."""

from dataclasses import dataclass

import pytest
import torch

from sklearn_debias.core import Objective, Step
from sklearn_debias.losses import cross_entropy
from sklearn_debias.testing import (
    all_objectives,
    check_objective,
    objective_checks,
    parametrize_with_objective_checks,
    variants,
)

ALL = [objective for _, cls in all_objectives() for objective in variants(cls)]


@parametrize_with_objective_checks(ALL)
def test_objective(objective, check):
    check(objective)


class Asking(Objective):
    """A model that follows a fixed net, and asks it in a wrong way."""

    roles = ("model", "biased")

    def step(self, nets, batch, state):
        asked = self.ask(nets["biased"], batch).softmax(dim=1)
        return Step({"model": cross_entropy(nets["model"](batch.of("model")), asked).mean()}, state)


@dataclass(frozen=True)
class OfX(Asking):
    def ask(self, net, batch):
        return net.frozen()(batch.x)


@dataclass(frozen=True)
class InTraining(Asking):
    def ask(self, net, batch):
        return net.detached()(batch.of("biased"))


@pytest.mark.parametrize(
    ("objective", "check", "words"),
    [
        (OfX(), "check_objective_own_inputs", "'biased' has inputs of its own"),
        (InTraining(), "check_objective_fixed_nets_are_frozen", r"Use nets\['biased'\].frozen"),
    ],
)
def test_a_fixed_net_asked_in_a_wrong_way_is_found(objective, check, words):
    checks = {one.__name__: one for one in objective_checks()}
    with pytest.raises(AssertionError, match=words):
        checks[check](objective)


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
