"""Fish: a naive Reptile step, its order, absent environments, BatchNorm, one environment."""

import copy

import pytest
import torch
from torch import nn

from sklearn_debias.core import Net, SplitModule
from sklearn_debias.losses import cross_entropy
from sklearn_debias.objectives import ERM, Fish, Invariance
from sklearn_debias.testing import Problem


def order_of(problem, n_environments=6):
    """The order of the environments in the first step: by a uniform number each, of the batch."""
    return torch.rand(n_environments, generator=problem.batch().generator).argsort().tolist()


def naive_copy(problem, inner_lr):
    """theta~, and how many environments there were: each steps on its own rows alone."""
    batch, inner = problem.batch(), copy.deepcopy(problem.modules["model"])
    optimizer, n_present = torch.optim.SGD(inner.parameters(), inner_lr), 0
    for e in order_of(problem):
        own = batch.group == e
        if own.any():
            n_present += 1
            optimizer.zero_grad()
            cross_entropy(inner(batch.x[own]), batch.y[own]).mean().backward()
            optimizer.step()
    return dict(inner.named_parameters()), n_present


def gradient(problem):
    parameters = dict(problem.modules["model"].named_parameters())
    found = torch.autograd.grad(problem.step().losses["model"], list(parameters.values()))
    return dict(zip(parameters, found, strict=True))


@pytest.mark.parametrize("batch_size", [3, 8, 40])
@pytest.mark.parametrize("inner_lr", [0.05, 2.0])
def test_sgd_makes_the_step_of_the_paper(inner_lr, batch_size):
    problem, epsilon = Problem(Fish(inner_lr)), 0.5
    problem.feed.batch_size = batch_size
    moved, n_present = naive_copy(problem, inner_lr)
    assert n_present == len(problem.batch().group.unique())
    slope = gradient(problem)
    for name, theta in problem.parameters()["model"].items():
        expected = theta + epsilon / n_present * (moved[name].detach() - theta)
        torch.testing.assert_close(
            theta - epsilon * inner_lr * slope[name], expected, atol=1e-10, rtol=0
        )


def slopes_by_order(problem):
    """Gradients where environment 0 comes before 1, and where it comes after."""
    found = {}
    for seed in range(20):
        batch = problem.batch()
        order = torch.rand(6, generator=batch.generator.manual_seed(seed)).argsort().tolist()
        batch.generator.manual_seed(seed)
        loss = problem.objective.step(problem.nets, batch, problem.state()).losses["model"]
        slopes = torch.autograd.grad(loss, list(problem.modules["model"].parameters()))
        found.setdefault(order.index(0) < order.index(1), []).append(slopes)
    return found[True], found[False]


def two_environments(inner_lr):
    problem = Problem(Fish(inner_lr))
    problem.feed.columns["group"] = torch.arange(40) % 2
    problem.feed.batch_size = 40
    return problem


def test_the_order_of_the_environments_is_drawn_and_matters():
    first, second = slopes_by_order(two_environments(1.0))
    assert len(first) >= 4
    assert len(second) >= 4
    for same in (first, second):
        for slopes in same:
            torch.testing.assert_close(slopes, same[0], atol=1e-14, rtol=0)
    assert not torch.allclose(first[0][0], second[0][0], atol=1e-3)


def test_one_environment_is_a_step_of_erm():
    fish, erm = Problem(Fish(3.0)), Problem(ERM())
    erm.feed.columns.pop("weight")
    fish.feed.columns["group"] = torch.full((40,), 4)
    for one, other in zip(gradient(fish).values(), gradient(erm).values(), strict=True):
        torch.testing.assert_close(one, other, atol=1e-14, rtol=0)
    torch.testing.assert_close(
        fish.step().losses["model"], erm.step().losses["model"], atol=1e-14, rtol=0
    )


def test_without_groups_it_is_erm_to_the_last_bit():
    fish, erm = Problem(Fish()), Problem(ERM())
    for problem in (fish, erm):
        del problem.feed.columns["group"]
    for one, other in zip(gradient(fish).values(), gradient(erm).values(), strict=True):
        assert torch.equal(one, other)


def test_at_inner_lr_0_it_is_the_mean_of_the_risks():
    fish, risks = Problem(Fish(0.0)), Problem(Invariance("vrex", 0.0))
    for one, other in zip(gradient(fish).values(), gradient(risks).values(), strict=True):
        torch.testing.assert_close(one, other, atol=1e-14, rtol=0)
    torch.testing.assert_close(
        fish.step().losses["model"], risks.step().losses["model"], atol=1e-14, rtol=0
    )


def test_it_raises_the_inner_product_of_the_gradients():
    """Over both orders: the mean gradient minus alpha / 4 times the inner product's."""
    alpha = 1e-4
    problem = two_environments(alpha)
    first, second = slopes_by_order(problem)
    batch, parameters = problem.batch(), list(problem.modules["model"].parameters())
    loss = cross_entropy(problem.nets["model"](batch.x), batch.y)
    g = [
        torch.autograd.grad(loss[batch.group == e].mean(), parameters, create_graph=True)
        for e in range(2)
    ]
    inner = sum((a * b).sum() for a, b in zip(*g, strict=True))
    for i, h in enumerate(torch.autograd.grad(inner, parameters)):
        expected = (g[0][i] + g[1][i]).detach() / 2 - alpha / 4 * h
        torch.testing.assert_close(
            (first[0][i] + second[0][i]) / 2, expected, atol=alpha**2, rtol=0
        )
        assert (h.abs() * alpha / 4).max() > 10 * alpha**2


def test_batch_norm_and_frozen_parameters():
    problem = Problem(Fish())
    body = nn.Sequential(nn.Linear(6, 5), nn.BatchNorm1d(5)).double()
    module = SplitModule(body, nn.Linear(5, 3).double()).train()
    body[0].requires_grad_(False)
    twin = copy.deepcopy(module)
    out = problem.step({"model": Net(module)})
    twin(problem.batch().x)
    for one, other in zip(module.buffers(), twin.buffers(), strict=True):
        torch.testing.assert_close(
            one, other, atol=0, rtol=0
        )  # one forward pass moved the statistics
    out.losses["model"].backward()
    assert body[0].weight.grad is None
    assert module.head.weight.grad.any()
