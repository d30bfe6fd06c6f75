"""Automatic feature reweighting: the split, the weights, and a head that is trained alone."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sklearn_debias.core import Net
from sklearn_debias.losses import true_probability
from sklearn_debias.objectives import ERMOnPart, ReweightHead
from sklearn_debias.objectives._afr import example_weights
from sklearn_debias.objectives._two_stages import two_parts
from sklearn_debias.testing import Problem


@given(
    y=st.lists(st.integers(0, 3), min_size=2, max_size=60).map(torch.tensor),
    share=st.floats(0.01, 0.99),
    seed=st.integers(0, 9),
)
def test_the_parts_hold_every_class_and_share_only_single_rows(y, share, seed):
    first, second = two_parts(y, share, seed)
    size = y.bincount()
    for c in y.unique():
        held = int(second[y == c].sum())
        assert 1 <= held <= max(size[c] - 1, 1)
        assert abs(held - share * size[c]) <= 1 or held in (1, size[c] - 1)
        assert int(first[y == c].sum()) == (1 if size[c] == 1 else size[c] - held)
    assert not (first & second & (size[y] > 1)).any()
    assert (first | second).all()


def test_both_stages_agree_on_the_split_and_another_seed_splits_otherwise():
    first, second = Problem(ERMOnPart(seed=3)), Problem(ReweightHead(seed=3))
    trained = torch.cat([batch.index for batch in first.epochs(first.state())])
    features = second.modules["model"].body(torch.as_tensor(second.feed.source.take(np.arange(40))))
    left = torch.ones(40, dtype=bool).index_fill(0, trained, False)
    torch.testing.assert_close(second.state()["features"], features[left])
    assert torch.equal(second.state()["y"], second.data.y[left])
    other = Problem(ERMOnPart(seed=4))
    assert set(torch.cat([b.index for b in other.epochs(other.state())]).tolist()) != set(
        trained.tolist()
    )


@pytest.mark.parametrize("gamma", [0.0, 4.0, 40.0])
@pytest.mark.parametrize("lam", [0.0, 0.3])
def test_it_follows_a_naive_transcription(gamma, lam):
    problem = Problem(ReweightHead(gamma, lam))
    state = problem.state()
    anchor = {
        n: p.detach().numpy().copy() for n, p in problem.modules["model"].head.named_parameters()
    }
    with torch.no_grad():
        for parameter in problem.modules["model"].head.parameters():
            parameter.add_(0.1)
    z, y = state["features"].numpy(), state["y"].tolist()
    mu, loss = [], []
    for i in range(len(y)):
        logits = z[i] @ anchor["weight"].T + anchor["bias"]
        p = np.exp(logits[y[i]]) / np.exp(logits).sum()
        mu.append(np.exp(-gamma * p) / y.count(y[i]))
        moved = z[i] @ (anchor["weight"] + 0.1).T + anchor["bias"] + 0.1
        loss.append(np.log(np.exp(moved).sum()) - moved[y[i]])
    distance = 0.1**2 * sum(w.size for w in anchor.values())
    expected = np.dot(mu, loss) / sum(mu) + lam * distance
    out = problem.objective.step(problem.nets, problem.batch(), state)
    assert out.losses["model"].item() == pytest.approx(expected, abs=1e-10)


def test_gamma_zero_weighs_the_classes_alike():
    state = Problem(ReweightHead()).state()
    weight = example_weights(state["p"], state["beta"], 0.0)
    for c in range(3):
        assert weight[state["y"] == c].sum().item() == pytest.approx(1 / 3)


@given(p=st.lists(st.floats(0, 1), min_size=1, max_size=9), gamma=st.floats(0, 1e6))
def test_weights_are_finite_sum_to_one_and_fall_with_the_probability(p, gamma):
    p = torch.tensor(p, dtype=torch.float64)
    weight = example_weights(p, torch.ones_like(p), gamma)
    assert weight.sum().item() == pytest.approx(1)
    assert (weight[p.argsort()].diff() <= 0).all()


def test_only_the_head_has_a_gradient():
    problem = Problem(ReweightHead())
    problem.step().losses["model"].backward()
    assert all(p.grad is None for p in problem.modules["model"].body.parameters())
    assert all(p.grad is not None for p in problem.modules["model"].head.parameters())


def test_the_distance_starts_at_zero_and_is_measured_from_the_first_stage():
    problem = Problem(ReweightHead())
    state = problem.state()
    out = problem.objective.step(problem.nets, problem.batch(), state)
    assert out.log["distance"].item() == 0
    with torch.no_grad():
        problem.modules["model"].head.bias.add_(1.0)
    assert problem.objective.step(problem.nets, problem.batch(), state).log[
        "distance"
    ].item() == pytest.approx(3.0)


def test_features_and_probabilities_are_taken_in_eval_mode():
    problem = Problem(ReweightHead())
    body = torch.nn.Sequential(problem.modules["model"].body, torch.nn.Dropout(0.9))
    module = type(problem.modules["model"])(body, problem.modules["model"].head).train()
    state = problem.objective.init({"model": Net(module)}, problem.data)
    expected = problem.state()
    assert torch.equal(state["p"], expected["p"])
    assert module.training
    logits = problem.modules["model"].head(expected["features"])
    torch.testing.assert_close(expected["p"], true_probability(logits, expected["y"]).detach())


def test_an_epoch_is_one_step_on_all_rows_of_the_second_part():
    problem = Problem(ReweightHead())
    assert len(list(problem.epochs(problem.state()))) == 1
