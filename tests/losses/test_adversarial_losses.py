"""Losses of adversarial training against naive transcriptions; properties of DHAT's residuals."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from scipy.special import log_softmax, softmax

from sklearn_debias.losses import (
    background_residual,
    batch_background_residual,
    boosted_cross_entropy,
    cross_entropy,
    kl_divergence,
)


def logits(*shape, seed=0, scale=1.0):
    return scale * torch.randn(
        *shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64
    )


def test_divergence_is_torchs():
    p, q = logits(6, 4), logits(6, 4, seed=1)
    expected = F.kl_div(q.log_softmax(1), p.softmax(1), reduction="none").sum(1)
    torch.testing.assert_close(kl_divergence(p, q), expected, rtol=1e-12, atol=1e-12)
    assert torch.equal(kl_divergence(p, p), torch.zeros(6, dtype=torch.float64))
    assert (kl_divergence(p, q) > 0).all()


def test_divergence_of_half_precision_is_taken_in_single():
    p, q = logits(6, 4, scale=5).bfloat16(), logits(6, 4, seed=1, scale=5).bfloat16()
    found = kl_divergence(p, q)
    assert found.dtype == torch.float32
    torch.testing.assert_close(
        found.double(), kl_divergence(p.double(), q.double()), rtol=1e-5, atol=1e-5
    )


def test_boosted_cross_entropy_in_numpy():
    z, y = logits(50, 4, scale=3), torch.arange(50) % 4
    p = softmax(z.numpy(), axis=1)
    expected = []
    for row, label in zip(p, y.numpy(), strict=True):
        rival = max(value for k, value in enumerate(row) if k != label)
        expected.append(-np.log(row[label]) - np.log(1.0001 - rival))
    np.testing.assert_allclose(boosted_cross_entropy(z, y).numpy(), expected, rtol=1e-10)
    assert (boosted_cross_entropy(z, y) > cross_entropy(z, y) - 1e-3).all()


def test_boosted_cross_entropy_is_finite_where_a_rival_is_certain():
    z = torch.tensor([[0.0, 1e4]], requires_grad=True)
    loss = boosted_cross_entropy(z, torch.tensor([0])).sum()
    loss.backward()
    assert torch.isfinite(loss)
    assert torch.isfinite(z.grad).all()


def test_residual_is_orthogonal_to_the_background():
    z, b = logits(7, 5), logits(7, 5, seed=1)
    residual = z - (z * b).sum(1, keepdim=True) / (b * b).sum(1, keepdim=True) * b
    torch.testing.assert_close(
        (residual * b).sum(1), torch.zeros(7, dtype=torch.float64), rtol=0, atol=1e-12
    )
    torch.testing.assert_close(background_residual(z, b), residual.norm(dim=1), rtol=1e-10, atol=0)
    for p in (1.0, 3.0):
        expected = residual.abs().pow(p).sum(1).pow(1 / p)
        torch.testing.assert_close(background_residual(z, b, p), expected, rtol=1e-10, atol=0)


@pytest.mark.parametrize("p", [1.0, 1.5, 2.0, 3.0, 30.0, 1000.0])
@pytest.mark.parametrize("scale", [1e-15, 1.0, 1e15])
def test_a_large_p_keeps_within_float32(p, scale):
    z = torch.tensor([[30.0, -40.0, 5.0]]) * scale
    b = torch.tensor([[1.0, 0.0, 0.0]])
    rest = torch.tensor([40.0, 5.0], dtype=torch.float64)
    expected = scale * 40 * float((rest / 40).pow(p).sum() ** (1 / p))
    z.requires_grad_()
    b.requires_grad_()
    found = background_residual(z, b, p)
    assert found.item() == pytest.approx(expected, rel=1e-5)
    found.backward()
    # The largest coordinate alone moves a norm of large p.
    slope = (rest / 40).pow(p - 1) / float((rest / 40).pow(p).sum()) ** (1 - 1 / p)
    assert z.grad[0].tolist() == pytest.approx([0, -float(slope[0]), float(slope[1])], abs=1e-5)
    assert torch.isfinite(b.grad).all()


@pytest.mark.parametrize("p", [1.5, 2.0, 3.0, 30.0])
def test_the_gradient_of_the_residual_is_that_of_the_norm(p):
    z, b = logits(4, 3).requires_grad_(), logits(4, 3, seed=1).requires_grad_()
    assert torch.autograd.gradcheck(lambda z, b: background_residual(z, b, p), (z, b))


@pytest.mark.parametrize("p", [1.0, 2.0, 30.0])
def test_rows_without_a_residual_have_the_norm_and_the_gradient_0(p):
    z = torch.zeros(2, 3, requires_grad=True)
    found = background_residual(z, torch.zeros(2, 3), p)
    found.sum().backward()
    assert found.tolist() == [0, 0]
    assert not z.grad.any()


def test_both_readings_agree_on_a_batch_of_one():
    z, b = logits(1, 5), logits(1, 5, seed=1)
    torch.testing.assert_close(
        batch_background_residual(z, b), background_residual(z, b)[0], rtol=1e-10, atol=0
    )


def test_batch_residual_in_numpy():
    z, b = logits(6, 3).numpy(), logits(6, 3, seed=1).numpy()
    expected = np.linalg.norm(z - (z @ b.T / np.linalg.norm(b @ b.T)) @ b) / 6
    np.testing.assert_allclose(
        batch_background_residual(torch.tensor(z), torch.tensor(b)), expected, rtol=1e-12
    )


@pytest.mark.parametrize("residual", [background_residual, batch_background_residual])
def test_nothing_is_taken_off_where_the_background_says_nothing(residual):
    z = logits(6, 3).requires_grad_()
    b = torch.zeros(6, 3, dtype=torch.float64, requires_grad=True)
    total = residual(z, b).sum()
    total.backward()
    size = z.norm(dim=1).sum() if residual is background_residual else z.norm() / 6
    torch.testing.assert_close(total, size)
    assert torch.isfinite(z.grad).all()
    assert torch.isfinite(b.grad).all()


def test_log_softmax_by_scipy():
    z = logits(3, 4)
    y = torch.tensor([0, 1, 2])
    np.testing.assert_allclose(cross_entropy(z, y), -log_softmax(z.numpy(), axis=1)[range(3), y])
