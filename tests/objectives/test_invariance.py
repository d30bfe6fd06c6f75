"""IRM, IB-IRM, V-REx, CORAL and MMD as objectives: the parts of the loss, and weight 0."""

import pytest
import torch

from sklearn_debias.core import Net, SplitModule
from sklearn_debias.losses import (
    coral_distance,
    cross_entropy,
    feature_variance,
    irm_penalty,
    membership,
    mmd_distance,
    risk_variance,
)
from sklearn_debias.objectives import ERM, GroupDRO, Invariance
from sklearn_debias.testing import Problem

PENALTIES = ["irm", "ib_irm", "vrex", "coral", "mmd"]


def seen(problem):
    """Logits, features, losses, labels and membership of the first batch."""
    batch, net = problem.batch(), problem.nets["model"]
    features = net.body(batch.x)
    logits = net.head(features)
    return (
        logits,
        features,
        cross_entropy(logits, batch.y),
        batch.y,
        membership(batch.group, torch.arange(6), logits),
    )


def mean_risk(problem):
    batch = problem.batch()
    loss = seen(problem)[2]
    return torch.stack([loss[batch.group == g].mean() for g in batch.group.unique()]).mean()


@pytest.mark.parametrize("penalty", PENALTIES)
@pytest.mark.parametrize("weight", [0.0, 0.5, 40.0])
def test_the_loss_is_risk_plus_penalty_over_the_weight(penalty, weight):
    problem = Problem(Invariance(penalty, weight, bottleneck_weight=3.0))
    logits, features, loss, y, member = seen(problem)
    value = {
        "irm": irm_penalty(logits, y, member),
        "ib_irm": irm_penalty(logits, y, member),
        "vrex": risk_variance(loss, member),
        "coral": coral_distance(features, member),
        "mmd": mmd_distance(features, member),
    }[penalty]
    bottleneck = feature_variance(features, member) if penalty == "ib_irm" else 0.0
    expected = (mean_risk(problem) + weight * value + 3.0 * bottleneck) / max(weight, 1)
    out = problem.step()
    torch.testing.assert_close(out.losses["model"], expected, atol=1e-12, rtol=0)
    torch.testing.assert_close(out.log["penalty"], value, atol=1e-12, rtol=0)
    assert set(out.log) == {"risk", "penalty"} | ({"bottleneck"} if penalty == "ib_irm" else set())


@pytest.mark.parametrize("penalty", PENALTIES)
def test_without_groups_it_is_erm_to_the_last_bit(penalty):
    problem, erm = Problem(Invariance(penalty, 100.0)), Problem(ERM())
    for each in (problem, erm):
        del each.feed.columns["group"]
        each.step().losses["model"].backward()
    torch.testing.assert_close(
        problem.step().losses["model"], erm.step().losses["model"], atol=0, rtol=0
    )
    for one, other in zip(problem.modules.parameters(), erm.modules.parameters(), strict=True):
        assert torch.equal(one.grad, other.grad)


@pytest.mark.parametrize("penalty", [p for p in PENALTIES if p != "ib_irm"])
def test_at_weight_0_it_is_the_mean_risk_and_group_dro_at_step_size_0(penalty):
    problem, dro = Problem(Invariance(penalty, 0.0)), Problem(GroupDRO(step_size=0.0))
    problem.feed.batch_size = dro.feed.batch_size = 40  # so that every environment is present
    torch.testing.assert_close(
        problem.step().losses["model"], dro.step().losses["model"], atol=1e-12, rtol=0
    )


def test_at_weight_0_and_one_environment_it_is_erm():
    problem, erm = Problem(Invariance("vrex", 0.0)), Problem(ERM())
    problem.feed.columns["group"] = torch.zeros(40, dtype=torch.int64)
    erm.feed.columns.pop("weight")
    torch.testing.assert_close(
        problem.step().losses["model"], erm.step().losses["model"], atol=1e-14, rtol=0
    )


def test_balanced_rows_visit_the_environments_equally():
    problem = Problem(Invariance(balanced=True))
    rare = torch.zeros(40, dtype=torch.int64)
    rare[:2] = 1
    problem.feed.columns["group"] = rare
    draws = [
        problem.objective.rows(problem.data, {}, torch.Generator().manual_seed(i))
        for i in range(50)
    ]
    assert abs(rare[torch.cat(draws)].double().mean().item() - 0.5) < 0.05
    del problem.feed.columns["group"], problem.feed.__dict__["on_device"]
    assert problem.objective.rows(problem.data, {}, torch.Generator()) is None


@pytest.mark.parametrize("penalty", ["coral", "mmd", "ib_irm"])
def test_maps_are_averaged_over_their_pixels(penalty):
    problem = Problem(Invariance(penalty, 2.0))
    body = problem.modules["model"].body
    unflatten = torch.nn.Unflatten(1, (5, 1, 1))
    maps = SplitModule(
        torch.nn.Sequential(body, unflatten, torch.nn.Upsample(2)),
        torch.nn.Sequential(
            torch.nn.AvgPool2d(2), torch.nn.Flatten(), problem.modules["model"].head
        ),
    )
    expected = problem.step().losses["model"]
    torch.testing.assert_close(
        problem.step({"model": Net(maps)}).losses["model"], expected, atol=1e-12, rtol=0
    )
