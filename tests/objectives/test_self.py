"""SELF and class-balanced retraining: the scores, the choice, and heads that are trained alone."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sklearn_debias.core import Net, SplitModule
from sklearn_debias.objectives import ERMOnPart, FinetuneHead, RetrainHeadOnPart
from sklearn_debias.objectives._self import (
    DISAGREEMENTS,
    disagreement_scores,
    highest,
)
from sklearn_debias.objectives._two_stages import two_parts
from sklearn_debias.testing import Problem


def softmax(logits):
    return np.exp(logits) / np.exp(logits).sum(1, keepdims=True)


def logits_of(module, x):
    with torch.no_grad():
        return module(torch.as_tensor(x)).numpy()


@pytest.mark.parametrize("kind", DISAGREEMENTS)
def test_the_scores_follow_a_naive_transcription(kind):
    problem = Problem(FinetuneHead(5, kind, dropout=0.3, share=0.4, seed=2, dropout_seed=7))
    x = problem.feed.source.take(np.arange(40))
    rows = two_parts(problem.data.y, 0.4, 2)[1].numpy()
    y = problem.data.y.numpy()[rows]
    model = problem.modules["model"]
    final = softmax(logits_of(model, x[rows]))
    other = final
    if kind.startswith("early"):
        other = softmax(logits_of(problem.modules["early"], x[rows]))
    if kind == "dropout":
        features = logits_of(model.body, x[rows])
        drawn = torch.rand(
            features.shape, generator=torch.Generator().manual_seed(7), dtype=torch.float64
        ).numpy()
        other = softmax(logits_of(model.head, np.where(drawn < 0.3, 0, features) / 0.7))
    expected = []
    for i in range(len(y)):
        if "misclassification" in kind:
            expected.append(-np.log(other[i][y[i]]))
        else:
            expected.append(sum(g * np.log(g / f) for g, f in zip(other[i], final[i], strict=True)))
    state = problem.state()
    np.testing.assert_allclose(state["score"].numpy(), expected, atol=1e-10, rtol=0)
    best = np.sort(np.argsort(expected)[-5:])
    assert state["chosen"].tolist() == best.tolist()
    assert state["held_out"].tolist() == np.flatnonzero(rows).tolist()
    np.testing.assert_array_equal(state["y"].numpy(), y[best])


def test_the_step_follows_a_naive_transcription():
    problem = Problem(FinetuneHead(7, share=0.5))
    state = problem.state()
    head = problem.modules["model"].head
    p = softmax(logits_of(head, state["features"]))
    y = state["y"].tolist()
    by_class = [
        np.mean([-np.log(p[i][c]) for i in range(len(y)) if y[i] == c]) for c in sorted(set(y))
    ]
    loss = problem.objective.step(problem.nets, problem.batch(), state).losses["model"]
    assert loss.item() == pytest.approx(np.mean(by_class), abs=1e-10)


def test_a_network_agrees_with_itself_and_disagreement_needs_no_labels():
    generator = torch.Generator().manual_seed(0)
    final = torch.randn(9, 3, generator=generator, dtype=torch.float64)
    other = torch.randn(9, 3, generator=generator, dtype=torch.float64)
    y = torch.arange(9) % 3
    for kind in ("early_stop", "dropout"):
        assert disagreement_scores(kind, final, final, y).abs().max() < 1e-15
        scores = disagreement_scores(kind, final, other, y)
        assert torch.equal(scores, disagreement_scores(kind, final, other, (y + 1) % 3))
        assert (scores > 0).all()


@given(
    score=st.lists(st.integers(0, 3), min_size=1, max_size=20).map(
        lambda values: torch.tensor(values, dtype=torch.float64)
    ),
    k=st.integers(1, 25),
)
def test_the_highest_are_chosen_and_the_first_among_equals(score, k):
    chosen = highest(score, k).tolist()
    expected = sorted(range(len(score)), key=lambda i: (-score[i], i))[:k]
    assert chosen == sorted(expected)


@pytest.mark.parametrize("kind", DISAGREEMENTS)
def test_the_networks_are_asked_in_eval_mode(kind):
    problem = Problem(FinetuneHead(5, kind, share=0.5))
    expected = problem.state()
    nets = {}
    for role, module in problem.modules.items():
        body = torch.nn.Sequential(module.body, torch.nn.Dropout(0.9))
        nets[role] = Net(SplitModule(body, module.head).train())
    state = problem.objective.init(nets, problem.data)
    assert torch.equal(state["score"], expected["score"])
    assert torch.equal(state["features"], expected["features"])
    assert all(net.module.training for net in nets.values())


def test_other_dropped_features_make_other_scores_and_the_same_seed_the_same():
    first, again, other = (
        Problem(FinetuneHead(5, "dropout", dropout_seed=seed)).state()["score"]
        for seed in (1, 1, 2)
    )
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_fewer_rows_than_asked_for_are_all_taken():
    state = Problem(FinetuneHead(1000, share=0.5)).state()
    assert len(state["chosen"]) == len(state["score"]) == int(two_parts_size(0.5))


def two_parts_size(share):
    return two_parts(Problem(ERMOnPart()).data.y, share, 0)[1].sum()


def test_only_the_head_has_a_gradient():
    problem = Problem(FinetuneHead(5))
    problem.step().losses["model"].backward()
    assert all(p.grad is None for p in problem.modules["model"].body.parameters())
    assert all(p.grad is None for p in problem.modules["early"].parameters())
    assert all(p.grad is not None for p in problem.modules["model"].head.parameters())


def test_an_epoch_is_one_step():
    problem = Problem(FinetuneHead(5))
    assert len(list(problem.epochs(problem.state()))) == 1


def test_retraining_draws_every_class_alike_from_the_rows_that_the_first_stage_left():
    first = Problem(ERMOnPart(share=0.5, seed=3))
    second = Problem(RetrainHeadOnPart(share=0.5, seed=3))
    trained = torch.cat([batch.index for batch in first.epochs(first.state())])
    state = second.state()
    generator = torch.Generator().manual_seed(0)
    drawn = torch.cat([second.objective.visits(second.data, state, generator) for _ in range(200)])
    assert len(drawn) == 200 * (40 - len(trained))
    assert not set(drawn.tolist()) & set(trained.tolist())
    assert set(drawn.tolist()) | set(trained.tolist()) == set(range(40))
    share = second.data.y[drawn].bincount() / len(drawn)
    # Of 4,000 draws, four standard errors are .03.
    assert (share - 1 / 3).abs().max() < 0.03


FROZEN = {
    "early_stop": 1.334723070953,
    "dropout": 1.378597527021,
    "misclassification": 2.396078117393,
    "early_stop_misclassification": 1.460713305605,
    "retraining": 1.572753973295,
}


def test_frozen_values():
    def step(objective):
        return Problem(objective).step().losses["model"].item()

    found = {kind: step(FinetuneHead(5, kind, share=0.5)) for kind in DISAGREEMENTS}
    found["retraining"] = step(RetrainHeadOnPart(share=0.5))
    assert found == pytest.approx(FROZEN, abs=1e-10)
