"""Losses for long-tailed classes: naive transcriptions, and the ends of their ranges."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sklearn_debias.losses import (
    balanced_softmax_loss,
    class_balanced_weights,
    cross_entropy,
    focal_loss,
    ldam_loss,
    ldam_margins,
    logit_adjusted_loss,
)

COUNT = torch.tensor([500.0, 60.0, 7.0, 1.0], dtype=torch.float64)
counts = st.lists(st.integers(1, 10_000), min_size=2, max_size=8)


def rows(seed=0, scale=3.0):
    generator = torch.Generator().manual_seed(seed)
    logits = scale * torch.randn(9, 4, generator=generator, dtype=torch.float64)
    return logits, torch.randint(4, (9,), generator=generator)


def naive_cross_entropy(z, c):
    return math.log(sum(math.exp(v) for v in z)) - z[c]


def by_row(formula, logits, y):
    found = [formula(z, c) for z, c in zip(logits.tolist(), y.tolist(), strict=True)]
    return torch.tensor(found, dtype=torch.float64)


def assert_same(actual, expected):
    torch.testing.assert_close(actual, expected, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("gamma", [0.0, 0.5, 1.0, 2.0])
def test_focal_loss(gamma):
    logits, y = rows()

    def formula(z, c):
        p = math.exp(z[c]) / sum(math.exp(v) for v in z)
        return -((1 - p) ** gamma) * math.log(p)

    assert_same(focal_loss(logits, y, gamma), by_row(formula, logits, y))


def test_focal_loss_without_gamma_is_the_cross_entropy_to_the_last_bit():
    logits, y = rows()
    assert torch.equal(focal_loss(logits, y, 0.0), cross_entropy(logits, y))


@pytest.mark.parametrize("gamma", [0.1, 0.5, 1.0, 3.0])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_focal_loss_of_certain_predictions_is_zero_with_a_finite_slope(gamma, dtype):
    logits = torch.tensor([[900.0, 0.0], [40.0, 0.0]], dtype=dtype, requires_grad=True)
    loss = focal_loss(logits, torch.tensor([0, 0]), gamma)
    loss.sum().backward()
    assert loss.detach().abs().max() < 1e-12
    assert logits.grad.abs().max() < 1e-12


@pytest.mark.parametrize("max_margin", [0.0, 0.5])
@pytest.mark.parametrize("scale", [1.0, 30.0])
def test_ldam(max_margin, scale):
    cosines, y = rows(scale=0.3)
    margins = [n ** (-1 / 4) for n in COUNT.tolist()]
    margins = [m * max_margin / max(margins) for m in margins]

    def formula(z, c):
        shifted = [scale * (v - margins[c] * (j == c)) for j, v in enumerate(z)]
        return naive_cross_entropy(shifted, c)

    assert_same(ldam_margins(COUNT, max_margin), torch.tensor(margins, dtype=torch.float64))
    actual = ldam_loss(scale * cosines, y, ldam_margins(COUNT, max_margin), scale)
    assert_same(actual, by_row(formula, cosines, y))


def test_ldam_without_margins_is_the_cross_entropy_to_the_last_bit():
    logits, y = rows()
    assert torch.equal(
        ldam_loss(logits, y, ldam_margins(COUNT, 0.0), 30.0), cross_entropy(logits, y)
    )


@given(count=counts)
def test_the_rarest_class_has_the_largest_margin(count):
    margins = ldam_margins(torch.tensor(count, dtype=torch.float64), 0.5)
    assert margins[int(np.argmin(count))].item() == margins.max().item() == 0.5
    assert margins.min() > 0


@pytest.mark.parametrize("tau", [0.0, 0.5, 1.0, 2.0])
def test_logit_adjustment(tau):
    logits, y = rows()
    share = [n / sum(COUNT.tolist()) for n in COUNT.tolist()]

    def formula(z, c):  # the pairwise form of Menon et al.
        others = sum(
            (p / share[c]) ** tau * math.exp(v - z[c]) for p, v in zip(share, z, strict=True)
        )
        return math.log(others)

    assert_same(logit_adjusted_loss(logits, y, COUNT, tau), by_row(formula, logits, y))


def test_logit_adjustment_at_tau_zero_is_the_cross_entropy_to_the_last_bit():
    logits, y = rows()
    assert torch.equal(logit_adjusted_loss(logits, y, COUNT, 0.0), cross_entropy(logits, y))


def test_balanced_softmax():
    logits, y = rows()

    def formula(z, c):
        mass = [n * math.exp(v) for n, v in zip(COUNT.tolist(), z, strict=True)]
        return -math.log(mass[c] / sum(mass))

    assert_same(balanced_softmax_loss(logits, y, COUNT), by_row(formula, logits, y))


def test_balanced_softmax_is_logit_adjustment_at_tau_one():
    logits, y = rows()
    assert_same(balanced_softmax_loss(logits, y, COUNT), logit_adjusted_loss(logits, y, COUNT, 1.0))


def test_equal_classes_need_no_adjustment():
    logits, y = rows()
    count = torch.full((4,), 25.0, dtype=torch.float64)
    assert_same(logit_adjusted_loss(logits, y, count, 1.5), cross_entropy(logits, y))
    assert_same(balanced_softmax_loss(logits, y, count), cross_entropy(logits, y))
    assert_same(class_balanced_weights(count, 0.999), torch.ones(4, dtype=torch.float64))
    assert_same(ldam_margins(count, 0.5), torch.full((4,), 0.5, dtype=torch.float64))


@given(count=counts, beta=st.floats(0.0, 0.9999))
def test_class_balanced_weights(count, beta):
    weight = [(1 - beta) / (1 - beta**n) for n in count]
    expected = np.array(weight) / sum(weight) * len(count)
    np.testing.assert_allclose(
        class_balanced_weights(torch.tensor(count), beta), expected, rtol=1e-9
    )


@given(count=counts)
def test_without_beta_all_weights_are_one_to_the_last_bit(count):
    assert class_balanced_weights(torch.tensor(count), 0.0).tolist() == [1.0] * len(count)


@given(count=counts)
def test_towards_one_the_weights_are_inverse_frequencies(count):
    inverse = 1 / np.array(count)
    expected = inverse / inverse.sum() * len(count)
    np.testing.assert_allclose(
        class_balanced_weights(torch.tensor(count), 1.0), expected, rtol=1e-12
    )
    np.testing.assert_allclose(
        class_balanced_weights(torch.tensor(count), 1 - 1e-12), expected, rtol=1e-7
    )
