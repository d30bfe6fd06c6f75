"""Saliency maps: what is explained, how it is scaled, how far two maps are from opposite."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sklearn_debias.losses import (
    SALIENCIES,
    class_opposition,
    opposition,
    saliency_cotangent,
    scale_free,
    similarity_matrix,
)


def draw(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def explained(z, y, kind):
    """The scalar of one sample, as the options' names say."""
    k = y if kind.startswith("label") else int(z.argmax())
    if kind.endswith("log_prob"):
        return z.log_softmax(0)[k]
    return {"prob": z.softmax(0)[k], "sum_log_softmax": z.log_softmax(0).sum()}.get(kind, z[k])


@pytest.mark.parametrize("kind", SALIENCIES)
def test_the_cotangent_is_the_gradient_of_the_explained_scalar(kind):
    logits, y = draw(7, 4).requires_grad_(True), torch.arange(7) % 4
    total = sum(explained(z, int(label), kind) for z, label in zip(logits, y, strict=True))
    expected = torch.autograd.grad(total, logits)[0]
    torch.testing.assert_close(saliency_cotangent(logits, y, kind), expected)


@pytest.mark.parametrize("kind", SALIENCIES)
def test_the_cotangent_is_differentiable_as_the_gradient_is(kind):
    logits, y, direction = draw(5, 3).requires_grad_(True), torch.arange(5) % 3, draw(5, 3, seed=1)
    total = sum(explained(z, int(label), kind) for z, label in zip(logits, y, strict=True))
    first = torch.autograd.grad(total, logits, create_graph=True)[0]
    second = (
        torch.autograd.grad(first, logits, direction, allow_unused=True)[0]
        if first.requires_grad
        else None
    )
    ours = saliency_cotangent(logits, y, kind)
    if second is None:
        assert not ours.requires_grad
    else:
        torch.testing.assert_close(torch.autograd.grad(ours, logits, direction)[0], second)


@pytest.mark.parametrize("norm", ["max", "l2"])
@pytest.mark.parametrize("by", ["sample", "batch"])
@given(factor=st.floats(1e-3, 1e3))
def test_n_does_not_see_the_scale_of_a_map(by, norm, factor):
    z = draw(4, 2, 3)
    torch.testing.assert_close(
        scale_free(factor * z, by=by, norm=norm), scale_free(z, by=by, norm=norm)
    )


def test_n_in_numpy():
    z = draw(4, 2, 3)
    rows = z.numpy().reshape(4, -1)
    by_sample = rows / np.abs(rows).max(1, keepdims=True)
    np.testing.assert_allclose(scale_free(z).numpy().reshape(4, -1), by_sample)
    np.testing.assert_allclose(scale_free(z, by="batch").numpy(), z.numpy() / np.abs(rows).max())
    by_length = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    np.testing.assert_allclose(scale_free(z, norm="l2").numpy().reshape(4, -1), by_length)
    np.testing.assert_allclose(scale_free(z, by="batch", norm="l2").norm(), 1)


@pytest.mark.parametrize("norm", ["max", "l2"])
@pytest.mark.parametrize("by", ["sample", "batch"])
@pytest.mark.parametrize("size", [0.0, 1e-30])
def test_a_flat_map_stays_as_it_is_with_a_finite_gradient(by, norm, size):
    z = torch.full((3, 5), size, dtype=torch.float64, requires_grad=True)
    out = scale_free(z, by=by, norm=norm)
    assert torch.equal(out, z)
    gradient = torch.autograd.grad((out + 1).square().sum(), z)[0]
    assert torch.isfinite(gradient).all()
    assert gradient.abs().max() <= 1e3


def test_opposite_maps_have_no_distance():
    maps = scale_free(draw(6, 5))
    assert opposition(maps, -maps) == 0
    assert opposition(maps, -maps, "l1") == 0
    assert opposition(maps, maps) == pytest.approx(float((2 * maps).square().mean()))


@pytest.mark.parametrize("distance", ["mse", "l1"])
def test_the_opposition_of_class_pairs_is_that_of_the_samples(distance):
    student, teacher = draw(3, 6), draw(3, 6, seed=1)
    i, j = torch.tensor([0, 0, 2, 1, 2]), torch.tensor([1, 1, 0, 2, 2])
    share = torch.zeros(3, 3, dtype=torch.float64).index_put(
        (i, j), torch.tensor(0.2, dtype=torch.float64), True
    )
    expected = opposition(student[i], teacher[j], distance)
    torch.testing.assert_close(class_opposition(student, teacher, share, distance), expected)


def test_similarities_are_inner_products_of_flattened_activations():
    a = draw(4, 2, 3)
    np.testing.assert_allclose(
        similarity_matrix(a).numpy(), a.numpy().reshape(4, 6) @ a.numpy().reshape(4, 6).T
    )
