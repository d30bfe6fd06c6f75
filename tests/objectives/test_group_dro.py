"""Group DRO: a naive transcription, absent groups, and what it is at step size 0."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sklearn_debias.losses import cross_entropy
from sklearn_debias.objectives import ERM, GroupDRO
from sklearn_debias.objectives._group_dro import group_losses, reweighted
from sklearn_debias.testing import Problem


def naive_epochs(problem, step_size, adjustment, batches):
    """Loss and weights after each batch, group by group; the nets never change."""
    group = problem.data.group.tolist()
    n_groups = max(group) + 1
    size = [group.count(g) for g in range(n_groups)]
    q = [1 / n_groups] * n_groups
    for batch in batches:
        losses = cross_entropy(problem.nets["model"](batch.x), batch.y).tolist()
        mean = [0.0] * n_groups
        for g in range(n_groups):
            own = [value for value, of in zip(losses, batch.group.tolist(), strict=True) if of == g]
            if own:
                mean[g] = sum(own) / len(own)
                q[g] *= np.exp(step_size * (mean[g] + adjustment / np.sqrt(size[g])))
        total = sum(q)
        q = [value / total for value in q]
        yield sum(w * m for w, m in zip(q, mean, strict=True)), q


@pytest.mark.parametrize("step_size", [0.0, 0.01, 3.0])
@pytest.mark.parametrize("adjustment", [0.0, 2.0])
def test_it_follows_a_naive_transcription(step_size, adjustment):
    problem = Problem(GroupDRO(step_size, adjustment))
    state = problem.state()
    batches = [batch for _ in range(2) for batch in problem.epochs(state)]
    assert any(
        len(batch.group.unique()) < len(state["q"]) for batch in batches
    )  # groups are absent at times
    for batch, (loss, q) in zip(
        batches, naive_epochs(problem, step_size, adjustment, batches), strict=True
    ):
        out = problem.objective.step(problem.nets, batch, state)
        state = out.state
        assert out.losses["model"].item() == pytest.approx(loss, abs=1e-10)
        np.testing.assert_allclose(state["q"].numpy(), q, atol=1e-10, rtol=0)


def test_an_absent_group_keeps_its_weight_up_to_the_normalisation():
    problem = Problem(GroupDRO(step_size=1.0, adjustment=5.0))
    problem.feed.batch_size = 3
    absent = sorted(set(range(6)) - set(problem.batch().group.tolist()))
    q = problem.step().state["q"]
    assert len(absent) >= 3
    assert (q[absent] < 1 / 6).all()
    torch.testing.assert_close(q[absent], q[absent[:1]].expand(len(absent)))


def test_step_size_zero_is_the_mean_of_the_group_means():
    problem = Problem(GroupDRO(step_size=0.0))
    problem.feed.batch_size = 40
    losses = cross_entropy(problem.nets["model"](problem.batch().x), problem.batch().y)
    means = [losses[problem.batch().group == g].mean() for g in range(6)]
    torch.testing.assert_close(
        problem.step().losses["model"], torch.stack(means).mean(), atol=1e-12, rtol=0
    )


def test_step_size_zero_is_erm_weighted_by_group():
    problem, erm = Problem(GroupDRO(step_size=0.0)), Problem(ERM())
    group = problem.data.group
    size = group.bincount()
    erm.feed.columns["weight"] = len(group) / (len(size) * size[group].double())
    problem.feed.batch_size = erm.feed.batch_size = 40
    torch.testing.assert_close(
        problem.step().losses["model"], erm.step().losses["model"], atol=1e-12, rtol=0
    )


@given(losses=st.lists(st.floats(0, 1e5), min_size=2, max_size=5), step=st.floats(0, 10))
def test_weights_stay_a_distribution_and_follow_the_losses(losses, step):
    loss = torch.tensor(losses, dtype=torch.float64)
    q = reweighted(torch.full_like(loss, 1 / len(loss)), loss, step)
    assert q.sum().item() == pytest.approx(1)
    assert q[loss.argmax()] >= q.max() - 1e-12


def test_group_losses_of_an_empty_group_are_zero():
    mean, count = group_losses(torch.tensor([1.0, 3.0, 5.0]), torch.tensor([2, 0, 2]), 4)
    assert mean.tolist() == [3.0, 0.0, 3.0, 0.0]
    assert count.tolist() == [1, 0, 2, 0]


def test_without_groups_the_classes_are_the_groups():
    problem = Problem(GroupDRO())
    by_class = Problem(GroupDRO())
    problem.feed.columns.pop("group")
    by_class.feed.columns["group"] = by_class.feed.columns["y"]
    assert torch.equal(problem.step().losses["model"], by_class.step().losses["model"])
    assert len(problem.state()["q"]) == 3


def test_balanced_epochs_draw_every_group_alike():
    problem = Problem(GroupDRO(balanced=True))
    group = problem.data.group
    rows = torch.cat([b.index for _ in range(100) for b in problem.epochs(problem.state())])
    single = torch.cat([b.index for b in problem.epochs(problem.state())])
    assert len(single) == len(group)
    share = group[rows].bincount() / len(rows)
    np.testing.assert_allclose(share, 1 / 6, atol=0.15)
