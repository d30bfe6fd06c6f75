"""Losses for long-tailed classes as objectives, and the head that starts anew."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from sklearn_debias.core import Batch, Data, Net, SplitModule
from sklearn_debias.losses import class_balanced_weights
from sklearn_debias.models import NormalizedLinear, with_normalized_head
from sklearn_debias.objectives import ERM, LongTail, RetrainHead
from sklearn_debias.objectives._long_tail import LONG_TAIL_LOSSES
from sklearn_debias.testing import Problem

Y = torch.tensor([0] * 20 + [1] * 6 + [2] * 2)


def state_of(objective, y=Y, n_classes=3):
    module = SplitModule(nn.Identity(), nn.Linear(4, n_classes).double())
    return objective.init({"model": Net(module)}, Data(y, n_classes, lambda role: iter(())))


def loss_of(objective, module, x, y=Y):
    nets = {"model": Net(module)}
    state = objective.init(nets, Data(y, 3, lambda role: iter(())))
    return objective.step(nets, Batch(x, y, torch.arange(len(y))), state).losses["model"]


@pytest.fixture
def problem():
    generator = torch.Generator().manual_seed(0)
    module = SplitModule(nn.Identity(), nn.Linear(4, 3).double())
    for parameter in module.parameters():
        nn.init.normal_(parameter, generator=generator)
    return module, torch.randn(len(Y), 4, generator=generator, dtype=torch.float64)


def test_the_weights_have_mean_one_over_the_rows_and_the_ratios_of_the_paper():
    state = state_of(LongTail(beta=0.9))
    weight = state["class_weight"]
    assert weight[Y].mean().item() == pytest.approx(1, abs=1e-12)
    expected = class_balanced_weights(torch.tensor([20, 6, 2]), 0.9)
    torch.testing.assert_close(weight / weight[0], expected / expected[0])
    assert state["class_count"].tolist() == [20, 6, 2]


@pytest.mark.parametrize("beta", [0.0, 0.9, 1.0])
def test_the_weighted_cross_entropy_follows_a_naive_transcription(problem, beta):
    module, x = problem
    logits = module(x).detach().numpy()
    size = np.array([20, 6, 2])
    raw = 1 / size if beta == 1 else (1 - beta) / (1 - beta**size)
    weight = raw[Y.numpy()] / raw[Y.numpy()].mean()
    terms = np.log(np.exp(logits).sum(1)) - logits[np.arange(len(Y)), Y.numpy()]
    actual = loss_of(LongTail("cross_entropy", beta=beta), module, x)
    assert actual.item() == pytest.approx((weight * terms).mean(), abs=1e-10)


def test_plain_cross_entropy_is_erm_to_the_last_bit(problem):
    module, x = problem
    expected = (
        ERM().step({"model": Net(module)}, Batch(x, Y, torch.arange(len(Y))), {}).losses["model"]
    )
    for objective in (
        LongTail("cross_entropy"),
        LongTail("focal", gamma=0.0),
        LongTail("ldam", max_margin=0.0),
        LongTail("logit_adjustment", tau=0.0),
    ):
        assert torch.equal(loss_of(objective, module, x), expected)


def test_balanced_softmax_is_logit_adjustment_at_tau_one(problem):
    one, other = (
        loss_of(LongTail(name, beta=0.9), *problem)
        for name in ("balanced_softmax", "logit_adjustment")
    )
    torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("loss", LONG_TAIL_LOSSES)
def test_losses_differ_in_their_formula_only(loss, problem):
    plain, weighted = (loss_of(LongTail(loss, beta=beta), *problem) for beta in (0.0, 0.99))
    assert plain.item() != weighted.item()


def test_a_class_that_is_absent_breaks_nothing():
    objective = LongTail(beta=0.99)
    state = state_of(objective, n_classes=5)
    assert state["class_weight"][Y].mean().item() == pytest.approx(1)
    assert all(torch.isfinite(value).all() for value in state.values())


def test_the_normalised_head_gives_scaled_cosines():
    head = NormalizedLinear(6, 3, scale=7.0).double()
    z = torch.randn(5, 6, dtype=torch.float64)
    expected = 7 * F.cosine_similarity(z[:, None], head.weight[None], dim=-1)
    torch.testing.assert_close(head(z), expected)
    torch.testing.assert_close(head(100 * z), head(z))
    torch.testing.assert_close(head.weight.norm(dim=1), torch.ones(3, dtype=torch.float64))


def test_the_normalised_head_of_zero_features_has_a_finite_gradient():
    head, z = NormalizedLinear(6, 3), torch.zeros(2, 6, requires_grad=True)
    out = head(z)
    out.sum().backward()
    assert out.abs().max() == 0
    assert torch.isfinite(z.grad).all()


def test_the_last_linear_layer_is_replaced_and_no_other_head():
    options = {"shape": (6,), "options": {}, "scale": 12.0}
    built = with_normalized_head(3, module="mlp", **options)
    assert isinstance(built.head, NormalizedLinear)
    assert (built.head.in_features, built.head.out_features, built.head.scale) == (100, 3, 12.0)
    given = SplitModule(nn.Identity(), nn.Sequential(nn.Linear(6, 4), nn.Tanh()))
    assert isinstance(with_normalized_head(4, module=given, **options).head, nn.Sequential)
    alone = nn.Bilinear(6, 6, 3)
    assert isinstance(with_normalized_head(3, module=alone, **options), nn.Bilinear)


def test_ldam_on_a_normalised_head_is_the_papers(problem):
    _, x = problem
    module = SplitModule(nn.Identity(), NormalizedLinear(4, 3, scale=30.0).double())
    margin = 0.5 * (np.array([20, 6, 2]) / 2) ** -0.25
    cosines = F.cosine_similarity(x[:, None], module.head.weight[None], dim=-1).detach().numpy()
    terms = []
    for z, c in zip(cosines, Y.tolist(), strict=True):
        shifted = 30 * (z - margin[c] * (np.arange(3) == c))
        terms.append(np.log(np.exp(shifted).sum()) - shifted[c])
    assert loss_of(LongTail("ldam"), module, x).item() == pytest.approx(np.mean(terms), abs=1e-10)


def test_retraining_reaches_the_head_only_and_sees_features_in_eval_mode():
    problem = Problem(RetrainHead())
    module = problem.modules["model"]
    expected = problem.step().losses["model"]
    module.body.append(nn.Dropout(0.9))
    module.train()
    loss = problem.objective.step({"model": Net(module)}, problem.batch(), {}).losses["model"]
    assert torch.equal(loss, expected)
    loss.backward()
    assert all(p.grad is None for p in module.body.parameters())
    assert all(p.grad is not None for p in module.head.parameters())
    assert module.training


def test_retraining_leaves_the_statistics_of_batch_norm_alone():
    problem = Problem(RetrainHead())
    module = problem.modules["model"]
    module.body.append(nn.BatchNorm1d(5).double())
    module.train()
    before = {name: value.clone() for name, value in module.named_buffers()}
    problem.objective.step({"model": Net(module)}, problem.batch(), {})
    assert all(torch.equal(value, before[name]) for name, value in module.named_buffers())


def test_retraining_draws_every_class_equally_often():
    y = torch.tensor([0] * 900 + [1] * 90 + [2] * 10)
    rows = RetrainHead().visits(
        Data(y, 3, lambda role: iter(())), {}, torch.Generator().manual_seed(0)
    )
    assert len(rows) == len(y)
    np.testing.assert_allclose(y[rows].bincount() / len(y), 1 / 3, atol=0.05)
