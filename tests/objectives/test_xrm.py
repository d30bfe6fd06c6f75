"""Cross-risk minimisation: flips, halves, and a whole short training, transcribed in NumPy."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from sklearn_debias.objectives import XRM
from sklearn_debias.objectives._xrm import (
    cross_mistakes,
    flip_probability,
    held_in_and_out,
)
from sklearn_debias.testing import Problem
from sklearn_debias.testing._problem import N_CLASSES, N_FEATURES
from sklearn_debias.training import Streams

LR = 0.3


def softmax(z):
    e = np.exp(z - z.max(1, keepdims=True))
    return e / e.sum(1, keepdims=True)


@pytest.mark.parametrize("k", [2, 3, 10])
def test_a_net_that_knows_nothing_flips_nothing_and_a_sure_one_flips_all(k):
    nothing = torch.full((1, k), 1.7, dtype=torch.float64)
    sure = torch.eye(k, dtype=torch.float64)[:1] * 1e3
    assert flip_probability(nothing).item() == pytest.approx(0, abs=1e-12)
    assert flip_probability(sure).item() == 1


@given(st.lists(st.floats(-30, 30), min_size=2, max_size=6))
def test_flips_are_as_probable_as_the_paper_has_it(values):
    z = np.array([values])
    k = z.shape[1]
    expected = max(0.0, (softmax(z).max() - 1 / k) * k / (k - 1))
    found = flip_probability(torch.from_numpy(z)).item()
    assert found == pytest.approx(expected, abs=1e-12)
    assert 0 <= found <= 1


def test_rows_go_to_the_net_that_is_fitted_to_them():
    first, second = torch.tensor([[1.0], [2.0]]), torch.tensor([[3.0], [4.0]])
    held_in, held_out = held_in_and_out(torch.tensor([True, False]), first, second)
    assert held_in.tolist() == [[1], [4]]
    assert held_out.tolist() == [[3], [2]]


def test_one_mistake_of_the_two_is_enough():
    right, wrong = [2.0, 1.0], [1.0, 2.0]
    first = torch.tensor([right, right, wrong, wrong])
    second = torch.tensor([right, wrong, right, wrong])
    found = cross_mistakes(first, second, torch.zeros(4, dtype=torch.long))
    assert found.tolist() == [False, True, True, True]


def test_each_row_is_in_the_first_half_with_probability_one_half():
    problem = Problem(XRM())
    halves = np.stack([Problem(XRM(seed)).state()["mine"].numpy() for seed in range(400)])
    assert halves.shape == (400, len(problem.data.y))
    assert np.abs(halves.mean(0) - 0.5).max() < 0.125  # five standard deviations
    assert np.abs(halves.mean() - 0.5) < 0.02


def test_the_halves_are_of_the_seed():
    one, same, other = (Problem(XRM(seed)).state()["mine"] for seed in (3, 3, 4))
    assert torch.equal(one, same)
    assert not torch.equal(one, other)


def linear(role):
    module = nn.Linear(N_FEATURES, N_CLASSES).double()
    generator = Streams(0).generator("linear", role)
    with torch.no_grad():
        module.weight.normal_(generator=generator)
        module.bias.normal_(generator=generator)
    return module


def weights(problem):
    return {
        role: (module.weight.detach().numpy().copy(), module.bias.detach().numpy().copy())
        for role, module in problem.modules.items()
    }


def naive_training(start, mine, batches):
    """Train two linear nets row by row; return losses, labels and weights after every step."""
    nets = {role: [w.copy(), b.copy()] for role, (w, b) in start.items()}
    label = {}
    history = []
    for x, y, index, drawn in batches:
        labels = np.array([label.get(i, c) for i, c in zip(index, y, strict=True)])
        logits = {role: x @ w.T + b for role, (w, b) in nets.items()}
        losses = dict.fromkeys(nets, 0.0)
        for role, (w, b) in nets.items():
            p = softmax(logits[role])
            dw, db = np.zeros_like(w), np.zeros_like(b)
            for row, i in enumerate(index):
                if mine[i] != (role == "model"):
                    continue
                weight = 1 / (labels == labels[row]).sum()
                losses[role] -= weight * np.log(p[row, labels[row]])
                residual = weight * (p[row] - np.eye(len(b))[labels[row]])
                dw += np.outer(residual, x[row])
                db += residual
            nets[role] = [w - LR * dw, b - LR * db]
        for row, i in enumerate(index):
            out = softmax(logits["twin" if mine[i] else "model"][row : row + 1])[0]
            k = len(out)
            flips = drawn[row] < max(0.0, (out.max() - 1 / k) * k / (k - 1))
            label[i] = out.argmax() if flips else labels[row]
        history.append((losses, dict(label), {role: (w, b) for role, (w, b) in nets.items()}))
    return history


def test_a_whole_training_follows_a_naive_transcription():
    objective = XRM(seed=5)
    problem = Problem(objective, module=linear)
    start, state = weights(problem), problem.state()
    sgd = torch.optim.SGD(problem.modules.parameters(), lr=LR)
    found, rows = [], []
    for _ in range(4):
        draws = Streams(0).generator("attack")  # as `Problem.epochs` gives it to the batches
        for batch in problem.epochs(state):
            drawn = torch.rand(len(batch.y), generator=draws, dtype=torch.float64)
            rows.append([t.numpy().copy() for t in (batch.x, batch.y, batch.index, drawn)])
            out = objective.step(problem.nets, batch, state)
            state = out.state
            sgd.zero_grad()
            sum(out.losses.values()).backward()
            sgd.step()
            losses = {role: loss.item() for role, loss in out.losses.items()}
            found.append((losses, state["label"].numpy().copy(), weights(problem)))
    expected = naive_training(start, state["mine"].numpy(), rows)
    assert len(expected) == len(found) == 20
    y = problem.data.y.numpy()
    for (losses, label, nets), (e_losses, e_label, e_nets) in zip(found, expected, strict=True):
        assert losses == pytest.approx(e_losses, abs=1e-10)
        assert label.tolist() == [e_label.get(i, c) for i, c in enumerate(y)]
        for role, parts in nets.items():
            for part, e_part in zip(parts, e_nets[role], strict=True):
                np.testing.assert_allclose(part, e_part, rtol=0, atol=1e-10)
    assert 0 < (label != y).mean() < 1  # flips took place


def test_a_net_has_no_loss_of_the_other_half():
    problem = Problem(XRM())
    out = problem.step()
    state = {**problem.state(), "mine": torch.ones(len(problem.data.y), dtype=torch.bool)}
    assert problem.step(state=state).losses["twin"].item() == 0
    assert out.losses["twin"].item() > 0


def test_a_row_that_is_not_in_the_batch_keeps_its_label():
    problem = Problem(XRM())
    out = problem.step()
    index = problem.batch().index
    others = torch.ones(len(problem.data.y), dtype=torch.bool).index_fill(0, index, False)
    assert torch.equal(out.state["label"][others], problem.data.y[others])


def test_the_log_counts_rows_whose_label_is_not_their_own():
    problem = Problem(XRM(), module=linear)
    out = problem.step()
    index = problem.batch().index
    changed = out.state["label"][index] != problem.batch().y
    assert out.log["flipped"].item() == pytest.approx(changed.double().mean().item())
    assert changed.any()


def test_a_step_is_as_before():
    out = Problem(XRM(), module=linear).step()
    assert out.losses["model"].item() == pytest.approx(FROZEN[0], abs=1e-10)
    assert out.losses["twin"].item() == pytest.approx(FROZEN[1], abs=1e-10)
    assert out.log["flipped"].item() == FROZEN[2]


FROZEN = (1.1641274637585344, 3.259819206645467, 0.5)
