"""Streaming covariances of the classes, and how they spread a head."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sklearn_debias.losses import no_statistics, spread, update_statistics

F64 = torch.float64


def streamed(x, y, k, batches, *, diagonal=False):
    statistics = no_statistics(k, x.shape[1], diagonal=diagonal, like=x)
    for rows in batches:
        statistics = update_statistics(statistics, x[rows], y[rows])
    return statistics


def by_numpy(x, y, k, *, diagonal=False):
    found = []
    for c in range(k):
        own = x[y == c].numpy()
        whole = (
            np.cov(own.T, ddof=0).reshape(x.shape[1], -1)
            if len(own)
            else np.zeros((x.shape[1],) * 2)
        )
        found.append(np.diag(whole) if diagonal else whole)
    return np.array(found)


@pytest.mark.parametrize("diagonal", [False, True])
@settings(max_examples=40)
@given(
    data=st.data(),
    seed=st.integers(0, 10**6),
    n=st.integers(1, 40),
    k=st.integers(1, 5),
    d=st.integers(1, 6),
)
def test_any_batches_in_any_order_give_numpys_covariance(diagonal, data, seed, n, k, d):
    generator = torch.Generator().manual_seed(seed)
    x = 3 + 5 * torch.randn(n, d, generator=generator, dtype=F64)
    y = torch.randint(k, (n,), generator=generator)  # some classes have one row, or none
    cuts = sorted(data.draw(st.sets(st.integers(1, n), max_size=6)) | {n})
    order = torch.randperm(n, generator=generator)
    batches = [order[a:b] for a, b in zip([0, *cuts[:-1]], cuts, strict=True)]
    count, mean, covariance = streamed(x, y, k, batches, diagonal=diagonal)
    assert count.tolist() == [int((y == c).sum()) for c in range(k)]
    expected = [x[y == c].mean(0) if (y == c).any() else x.new_zeros(d) for c in range(k)]
    torch.testing.assert_close(mean, torch.stack(expected), rtol=0, atol=1e-10)
    np.testing.assert_allclose(
        covariance.numpy(), by_numpy(x, y, k, diagonal=diagonal), rtol=0, atol=1e-10
    )


@pytest.mark.parametrize("diagonal", [False, True])
def test_one_sample_and_no_sample_have_no_covariance(diagonal):
    x, y = torch.tensor([[1e3, -7.0]]), torch.tensor([1])
    count, mean, covariance = streamed(x, y, 3, [[0]], diagonal=diagonal)
    assert count.tolist() == [0, 1, 0]
    assert mean.tolist() == [[0, 0], [1e3, -7], [0, 0]]
    assert covariance.tolist() == torch.zeros_like(covariance).tolist()
    again = update_statistics((count, mean, covariance), x, y)
    assert again[2].tolist() == torch.zeros_like(covariance).tolist()


def test_an_absent_class_keeps_its_statistics_to_the_last_bit():
    generator = torch.Generator().manual_seed(0)
    x, y = torch.randn(12, 3, generator=generator), torch.arange(12) % 2
    before = streamed(x, y, 2, [slice(None)])
    after = update_statistics(before, x[y == 0], y[y == 0])
    for one, other in zip(before, after, strict=True):
        assert torch.equal(one[1], other[1])


def test_what_was_given_is_left_alone():
    x, y = torch.ones(2, 3), torch.tensor([0, 1])
    before = no_statistics(2, 3, diagonal=False, like=x)
    update_statistics(before, x + torch.arange(2.0)[:, None], y)
    assert all(not part.any() for part in before)


@pytest.mark.parametrize("diagonal", [False, True])
def test_covariances_far_from_zero_stay_close_in_float32(diagonal):
    generator = torch.Generator().manual_seed(0)
    x, y = 100 + torch.randn(400, 4, generator=generator), torch.arange(400) % 3
    covariance = streamed(x, y, 3, torch.arange(400).split(16), diagonal=diagonal)[2]
    np.testing.assert_allclose(
        covariance.numpy(), by_numpy(x.double(), y, 3, diagonal=diagonal), atol=2e-3
    )


def problem(k=4, d=5, diagonal=False):
    generator = torch.Generator().manual_seed(1)
    weight = torch.randn(k, d, generator=generator, dtype=F64)
    root = torch.randn(k, d, d, generator=generator, dtype=F64)
    covariance = root @ root.mT
    return weight, covariance.diagonal(dim1=1, dim2=2).clone() if diagonal else covariance


def naive_spread(weight, covariance):
    weight, covariance = weight.detach().numpy(), covariance.detach().numpy()
    k, d = weight.shape
    out = np.zeros((k, k))
    for c in range(k):
        whole = np.diag(covariance[c]) if covariance.ndim == 2 else covariance[c]
        for j in range(k):
            for a in range(d):
                for b in range(d):
                    step = (
                        (weight[j, a] - weight[c, a]) * whole[a, b] * (weight[j, b] - weight[c, b])
                    )
                    out[c, j] += step / 2
    return out


@pytest.mark.parametrize("diagonal", [False, True])
def test_the_spread_follows_naive_loops(diagonal):
    weight, covariance = problem(diagonal=diagonal)
    found = spread(weight, covariance)
    np.testing.assert_allclose(found.numpy(), naive_spread(weight, covariance), rtol=0, atol=1e-10)
    assert (found.diagonal() == 0).all()
    assert (found + torch.eye(4) > 0).all()
    np.testing.assert_allclose(
        spread(weight, -covariance).numpy(), -found.numpy(), rtol=0, atol=1e-12
    )  # an indefinite covariance is not floored here


def test_the_two_forms_agree_and_offsets_of_the_head_do_not_matter():
    weight, covariance = problem(diagonal=True)
    whole = torch.diag_embed(covariance)
    torch.testing.assert_close(
        spread(weight, covariance), spread(weight, whole), rtol=0, atol=1e-12
    )
    torch.testing.assert_close(spread(weight + 3, whole), spread(weight, whole), rtol=0, atol=1e-10)


@pytest.mark.parametrize("diagonal", [False, True])
def test_the_gradients_of_the_spread_are_finite_and_right(diagonal):
    weight, covariance = (t.requires_grad_() for t in problem(3, 4, diagonal))
    assert torch.autograd.gradcheck(spread, (weight, covariance))
    equal = torch.ones(3, 4, dtype=F64, requires_grad=True)
    spread(equal, covariance).sum().backward()
    torch.testing.assert_close(equal.grad, torch.zeros(3, 4, dtype=F64), rtol=0, atol=1e-12)


def test_a_covariance_of_zero_has_the_gradient_of_any_other():
    from sklearn_debias.objectives._class_statistics import floored

    weight = torch.randn(3, 4, dtype=F64)
    zero = torch.zeros(3, 4, 4, dtype=F64, requires_grad=True)
    floored(spread(weight, zero)).sum().backward()
    difference = weight[:, None] - weight
    torch.testing.assert_close(
        (zero.grad + zero.grad.mT) / 2, 0.5 * torch.einsum("cji,cjk->cik", difference, difference)
    )
    assert floored(torch.tensor([-1.0, 0.0, 2.0])).tolist() == [0.0, 0.0, 2.0]
