"""The generalised cross entropy, against autograd and by hand."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sklearn_debias.losses import (
    cross_entropy,
    gce_weight,
    generalized_cross_entropy,
    true_probability,
)


def some_logits(seed=0, scale=2.0):
    generator = torch.Generator().manual_seed(seed)
    logits = scale * torch.randn(7, 4, generator=generator, dtype=torch.float64)
    return logits.requires_grad_(), torch.randint(4, (7,), generator=generator)


def gradient(loss, logits):
    return torch.autograd.grad(loss.sum(), logits, retain_graph=True)[0]


@given(q=st.floats(0.01, 1.0), seed=st.integers(0, 99))
@settings(max_examples=30)
def test_without_the_factor_the_gradient_is_that_of_the_published_loss(q, seed):
    logits, y = some_logits(seed)
    published = (1 - true_probability(logits, y) ** q) / q
    expected = gradient(published, logits)
    torch.testing.assert_close(
        gradient(generalized_cross_entropy(logits, y, q, factor=False), logits), expected
    )


@pytest.mark.parametrize(("factor", "scale"), [(True, 0.7), (False, 1.0)])
def test_the_gradient_is_p_to_the_q_times_that_of_the_cross_entropy(factor, scale):
    logits, y = some_logits()
    p = true_probability(logits, y).detach()[:, None]
    expected = scale * p**0.7 * gradient(cross_entropy(logits, y), logits)
    torch.testing.assert_close(
        gradient(generalized_cross_entropy(logits, y, 0.7, factor=factor), logits), expected
    )


def test_the_weight_has_no_gradient():
    assert not gce_weight(*some_logits(), 0.7).requires_grad


def test_the_loss_is_the_weight_times_the_cross_entropy_by_hand():
    logits, y = torch.tensor([[math.log(3.0), 0.0]]), torch.tensor([0])
    value = generalized_cross_entropy(logits, y, 0.5)
    assert value.item() == pytest.approx(0.5 * 0.75**0.5 * -math.log(0.75))


@pytest.mark.parametrize("q", [0.01, 0.7, 1.0])
def test_a_sample_that_is_lost_has_neither_an_infinite_loss_nor_a_gradient_that_is_not_finite(q):
    logits = torch.tensor([[-500.0, 500.0]], requires_grad=True)
    loss = generalized_cross_entropy(logits, torch.tensor([0]), q)
    assert torch.isfinite(loss).all()
    assert torch.isfinite(gradient(loss, logits)).all()


def test_true_probability_is_that_of_the_label():
    logits, y = some_logits()
    expected = torch.stack([row.softmax(0)[label] for row, label in zip(logits, y, strict=True)])
    torch.testing.assert_close(true_probability(logits, y), expected)
