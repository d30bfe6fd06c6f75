"""Full covariances as a head sees them: equal to written-out ones, in value and gradient."""

from dataclasses import replace

import pytest
import torch
from meta_problem import D, K, N, Rows, Y, learned_covariance

from sklearn_debias.losses import no_statistics, spread, update_statistics
from sklearn_debias.objectives import IADA, ISDA, LearnStrategy, MetaSAug
from sklearn_debias.objectives._seen_covariance import seen, spread_of_samples


def given(k=4, d=6):
    generator = torch.Generator().manual_seed(0)
    root = torch.randn(k, d, d, generator=generator, dtype=D)
    return torch.randn(k, d, generator=generator, dtype=D), root @ root.mT


@pytest.mark.parametrize("y", [[0, 1, 2, 3, 3, 1], [2, 2], [3]], ids=["all", "few", "one"])
def test_the_spread_and_its_gradient_are_those_of_the_covariances(y):
    weight, covariance = given()
    y = torch.tensor(y)
    weight.requires_grad_()
    found = spread_of_samples(weight, seen(covariance, weight, y), y)
    expected = spread_of_samples(weight, covariance, y)
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)
    assert torch.equal(found.gather(1, y[:, None]), torch.zeros(len(y), 1, dtype=D))
    cotangent = torch.randn(found.shape, generator=torch.Generator().manual_seed(1), dtype=D)
    gradients = [torch.autograd.grad((cotangent * z).sum(), weight) for z in (found, expected)]
    torch.testing.assert_close(*gradients, rtol=1e-12, atol=1e-12)


def test_diagonals_are_left_as_they_are():
    weight, covariance = given()
    diagonal = covariance.diagonal(dim1=1, dim2=2)
    assert seen(diagonal, weight, torch.arange(4)) is diagonal


@pytest.mark.parametrize("rows_of_the_batch", [slice(0, N), slice(6, 8)], ids=["many", "few"])
@pytest.mark.parametrize("sigma_lr", [0.1, 5.0, 100.0])
@pytest.mark.parametrize("method", ["iada", "metasaug"])
def test_the_real_step_equals_that_with_learned_covariances_written_out(
    method, sigma_lr, rows_of_the_batch
):
    rows = Rows()
    real = IADA() if method == "iada" else ISDA(1.5, epochs=2, done=1)
    ahead = (LearnStrategy if method == "iada" else MetaSAug)(real, sigma_lr=sigma_lr)
    first = ahead.step(rows.nets, rows.batch(rows_of_the_batch), rows.state(ahead))
    weight = rows.model.head.weight
    y, covariance = Y[rows_of_the_batch], first.state["covariance"]
    carry = dict(first.carry)
    if len(y) < K:
        # The carried terms are those of the samples' classes, twice where two samples share one.
        for name in ("by_spread", "by_slope"):
            carry[name] = torch.zeros(K, K, dtype=D).index_add(0, y, first.carry[name])
    written = {"covariance": learned_covariance(carry, covariance, weight)}
    written |= {n: v for n, v in carry.items() if n == "characteristics"}
    steps = []
    for carried in (first.carry, written):
        batch = rows.batch(rows_of_the_batch, carry=carried)
        out = real.step(rows.nets, batch, first.state)
        gradients = torch.autograd.grad(out.losses["model"], list(rows.model.parameters()))
        steps.append([out.losses["model"], *gradients, *out.log.values()])
    torch.testing.assert_close(*steps, rtol=1e-10, atol=1e-10)
    if sigma_lr == 100 and method == "iada" and len(y) > K:
        assert float(out.log["floored"]) > 0


def test_the_spread_is_that_of_the_covariances_of_the_batch_before_it_is_learned():
    rows, real = Rows(), IADA(epsilon=0.1)
    state = rows.state(real)
    out = real.step(rows.nets, rows.batch(), state)
    logits = rows.model(rows.x)
    covariance = out.state["covariance"]
    by_hand = real.loss(
        rows.nets["model"], logits, Y, torch.full((N,), 0.1, dtype=D), covariance, state
    )
    torch.testing.assert_close(out.losses["model"], by_hand.mean(), rtol=1e-12, atol=1e-12)


def test_statistics_class_by_class_are_those_of_all_at_once():
    generator = torch.Generator().manual_seed(0)
    one = other = no_statistics(5, 3, diagonal=False, like=torch.zeros((), dtype=D))
    for labels in ([0, 3, 3, 1, 0, 3], [4], [2, 2, 2], [0, 1, 2, 3, 4, 0]):
        x = torch.randn(len(labels), 3, generator=generator, dtype=D)
        before = [t.clone() for t in one]
        y = torch.tensor(labels)
        known, one = one, update_statistics(one, x, y, by_class=True)
        other = update_statistics(other, x, y)
        torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-12)
        # What went in is left alone.
        assert all(torch.equal(a, b) for a, b in zip(known, before, strict=True))
    weight, _ = given(5, 3)
    torch.testing.assert_close(spread(weight, one[2]), spread(weight, other[2]))


def test_carried_terms_know_their_step():
    rows, real = Rows(), IADA(starts=False)
    ahead = replace(LearnStrategy(), sigma_lr=0.0)
    first = ahead.step(rows.nets, rows.batch(), rows.state(ahead))
    with_nothing_learned = real.step(rows.nets, rows.batch(carry=first.carry), first.state)
    assert not first.carry["by_spread"].any()
    covariance = {"covariance": first.state["covariance"]}
    written = {**covariance, "characteristics": first.carry["characteristics"]}
    plain = real.step(rows.nets, rows.batch(carry=written), first.state)
    torch.testing.assert_close(
        with_nothing_learned.losses["model"], plain.losses["model"], rtol=1e-12, atol=1e-12
    )
