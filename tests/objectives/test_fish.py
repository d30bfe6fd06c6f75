"""Fish: a naive Reptile step, its order, absent environments, BatchNorm, and what it is with one environment."""

import copy

import pytest
import torch
from torch import nn

from sklearn_debias.core import Net, SplitModule
from sklearn_debias.losses import cross_entropy
from sklearn_debias.objectives import ERM, Fish, Invariance
from sklearn_debias.testing import Problem


def order_of(problem, n_environments=6):
    """The order of the environments in the first step: a uniform number each, drawn from the batch's generator."""
    return torch.rand(n_environments, generator=problem.batch().generator).argsort().tolist()


def naive_copy(problem, inner_lr):
    """theta~, and how many environments there were: environment by environment, on its own rows alone."""
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
        torch.testing.assert_close(theta - epsilon * inner_lr * slope[name], expected, atol=1e-10, rtol=0)


def test_the_order_matters_and_is_drawn_from_the_batch():
    seen = []
    for epoch in range(2):
        problem = Problem(Fish(2.0))
        batches = list(problem.epochs(problem.state()))
        seen.append([problem.objective.step(problem.nets, b, problem.state()).losses["model"] for b in batches[:1]])
        start = problem.batch().generator.get_state()
        batch = problem.batch()
        problem.objective.step(problem.nets, batch, problem.state())
        assert not torch.equal(batch.generator.get_state(), start)
    torch.testing.assert_close(seen[0], seen[1], atol=0, rtol=0)
    slopes = []
    for seed in range(4):
        problem = Problem(Fish(2.0))
        batch = problem.batch()
        batch.generator.manual_seed(seed)
        loss = problem.objective.step(problem.nets, batch, problem.state()).losses["model"]
        slopes.append(torch.autograd.grad(loss, problem.modules["model"].head.weight)[0])
    assert any(not torch.allclose(slope, slopes[0]) for slope in slopes[1:])


def test_one_environment_is_a_step_of_erm():
    fish, erm = Problem(Fish(3.0)), Problem(ERM())
    erm.feed.columns.pop("weight")
    fish.feed.columns["group"] = torch.full((40,), 4)
    for one, other in zip(gradient(fish).values(), gradient(erm).values(), strict=True):
        torch.testing.assert_close(one, other, atol=1e-14, rtol=0)
    torch.testing.assert_close(fish.step().losses["model"], erm.step().losses["model"], atol=1e-14, rtol=0)


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
    torch.testing.assert_close(fish.step().losses["model"], risks.step().losses["model"], atol=1e-14, rtol=0)


def test_it_raises_the_inner_product_of_the_gradients():
    """Over the orders, two environments: mean gradient minus alpha / 4 times that of their inner product."""
    alpha, slopes = 1e-4, []
    for seed in range(2):
        problem = Problem(Fish(alpha))
        problem.feed.columns["group"] = torch.arange(40) % 2
        problem.feed.batch_size = 40
        batch = problem.batch()
        while torch.rand(6, generator=batch.generator.manual_seed(seed)).argsort().argsort()[:2].diff().sign() != (
            1 if len(slopes) else -1
        ):
            seed += 2
        batch.generator.manual_seed(seed)
        loss = problem.objective.step(problem.nets, batch, problem.state()).losses["model"]
        slopes.append(torch.autograd.grad(loss, list(problem.modules["model"].parameters())))
    parameters = list(problem.modules["model"].parameters())
    loss = cross_entropy(problem.nets["model"](batch.x), batch.y)
    g = [torch.autograd.grad(loss[batch.group == e].mean(), parameters, create_graph=True) for e in range(2)]
    inner = sum((a * b).sum() for a, b in zip(*g, strict=True))
    for i, h in enumerate(torch.autograd.grad(inner, parameters)):
        expected = (g[0][i] + g[1][i]).detach() / 2 - alpha / 4 * h
        torch.testing.assert_close((slopes[0][i] + slopes[1][i]) / 2, expected, atol=alpha**2, rtol=0)
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
        torch.testing.assert_close(one, other, atol=0, rtol=0)  # one forward pass moved the statistics
    out.losses["model"].backward()
    assert body[0].weight.grad is None
    assert module.head.weight.grad.any()
