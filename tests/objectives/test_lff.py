"""Learning from Failure: relative difficulty, moving averages, class maxima."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sklearn_debias.losses import cross_entropy
from sklearn_debias.objectives import LfF
from sklearn_debias.objectives._lff import (
    UNSEEN,
    class_maximum,
    moving_average,
    relative_difficulty,
)
from sklearn_debias.testing import Problem

positive = st.floats(1e-3, 100)


@given(loss=positive)
def test_equal_losses_have_difficulty_one_half(loss):
    loss = torch.tensor([loss], dtype=torch.float64)
    assert relative_difficulty(loss, loss).item() == pytest.approx(0.5, abs=1e-5)


@given(biased=positive, model=positive)
def test_difficulties_of_swapped_nets_add_up_to_one(biased, model):
    biased, model = torch.tensor([[biased], [model]], dtype=torch.float64)
    total = relative_difficulty(biased, model) + relative_difficulty(model, biased)
    assert total.item() == pytest.approx(1, abs=1e-4)


def test_two_losses_of_zero_have_difficulty_zero():
    assert relative_difficulty(torch.zeros(1), torch.zeros(1)).item() == 0


@given(loss=st.floats(0, 100), decay=st.floats(0, 0.99))
def test_the_first_visit_takes_the_loss_itself(loss, decay):
    loss = torch.tensor([loss], dtype=torch.float64)
    assert torch.equal(moving_average(torch.full_like(loss, UNSEEN), loss, decay), loss)


def test_later_visits_decay():
    average = moving_average(torch.tensor([2.0]), torch.tensor([1.0]), 0.7)
    assert average.item() == pytest.approx(0.7 * 2 + 0.3 * 1)


def test_a_loss_of_zero_counts_as_a_visit():
    average = moving_average(torch.full((1,), UNSEEN), torch.zeros(1), 0.7)
    assert moving_average(average, torch.ones(1), 0.7).item() == pytest.approx(0.3)


def test_the_maximum_of_a_class_is_over_all_its_rows_and_one_where_nothing_was_seen():
    average, y = torch.tensor([0.5, 3.0, UNSEEN, 0.0]), torch.tensor([0, 0, 1, 2])
    assert class_maximum(average, y, 4).tolist() == [3.0, 1.0, 1.0, 1.0]


def naive_difficulty(problem, decay, normalize, batches):
    """Difficulty of the rows of each batch, row by row; the nets never change."""
    y = problem.data.y.numpy()
    averages = {role: {} for role in ("biased", "model")}
    difficulties = []
    for batch in batches:
        for role, seen in averages.items():
            loss = cross_entropy(problem.nets[role](batch.x), batch.y).detach().numpy()
            for i, value in zip(batch.index.tolist(), loss, strict=True):
                seen[i] = value if i not in seen else decay * seen[i] + (1 - decay) * value
        for i in batch.index.tolist():
            value = {}
            for role, seen in averages.items():
                largest = max(v for j, v in seen.items() if y[j] == y[i]) if normalize else 1.0
                value[role] = seen[i] / largest
            difficulties.append(value["biased"] / (value["biased"] + value["model"] + 1e-8))
    return np.array(difficulties)


@pytest.mark.parametrize("decay", [0.0, 0.7])
@pytest.mark.parametrize("normalize", [False, True])
def test_the_state_follows_a_naive_transcription(decay, normalize):
    objective = LfF(ema=decay, class_normalize=normalize)
    problem = Problem(objective)
    state, found, batches = problem.state(), [], []
    for noise in (0.0, 0.1, -0.3):  # three epochs, as augmented inputs would make them
        for batch in problem.epochs(state):
            batch.x.add_(noise)
            batches.append(batch)
            out = objective.step(problem.nets, batch, state)
            state = out.state
            found.append(1 - out.adversary_weight)
    expected = naive_difficulty(problem, decay, normalize, batches)
    np.testing.assert_allclose(torch.cat(found).numpy(), expected, atol=1e-12)


def test_without_average_and_maximum_it_is_the_ratio_of_the_raw_losses():
    problem = Problem(LfF(ema=0.0, class_normalize=False))
    batch = problem.batch()
    losses = [
        cross_entropy(problem.nets[role](batch.x), batch.y).detach() for role in ("biased", "model")
    ]
    assert torch.equal(1 - problem.step().adversary_weight, 1 - (1 - relative_difficulty(*losses)))


def test_a_row_that_is_not_in_the_batch_keeps_its_state():
    problem = Problem(LfF())
    out, visited = problem.step(), problem.batch().index
    others = torch.ones(len(problem.data.y), dtype=bool).index_fill(0, visited, False)
    for name in ("loss_biased", "loss_model"):
        assert (out.state[name][others] == UNSEEN).all()
        assert (out.state[name][visited] >= 0).all()


def test_the_factor_q_scales_the_loss_of_the_biased_net_only():
    problem = Problem(LfF(q=0.4))
    with_factor, without = problem.step(), problem.step(gce_factor=False)
    torch.testing.assert_close(with_factor.losses["biased"], 0.4 * without.losses["biased"])
    assert torch.equal(with_factor.losses["model"], without.losses["model"])
