"""Environment inference: the row gradients, the penalty, and its maximum in closed form."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sklearn_debias.group_inference._eiil import ascend
from sklearn_debias.objectives._eiil import best_environments, penalty, row_gradient

SEEDS = st.integers(0, 2**32 - 1)


def drawn(seed, n=40, k=3):
    """Logits and labels as of a model that is right more often than not."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, k, n)
    logits = rng.normal(scale=1.5, size=(n, k)) + np.eye(k)[y]
    return logits, y


def naive_gradient(logits, y):
    """d/ds of the cross entropy of s z at s = 1, row by row."""
    found = []
    for z, c in zip(logits, y, strict=True):
        p = np.exp(z - z.max()) / np.exp(z - z.max()).sum()
        found.append(sum((p[j] - (j == c)) * z[j] for j in range(len(z))))
    return np.array(found)


def naive_penalty(q, d):
    n = len(d)
    first = sum(q[i] * d[i] for i in range(n)) / n
    second = sum((1 - q[i]) * d[i] for i in range(n)) / n
    return first**2 + second**2


def gradient_of(seed, **size):
    logits, y = drawn(seed, **size)
    return row_gradient(torch.from_numpy(logits), torch.from_numpy(y))


@given(SEEDS, st.integers(2, 6))
def test_row_gradients_follow_a_naive_transcription(seed, k):
    logits, y = drawn(seed, k=k)
    found = row_gradient(torch.from_numpy(logits), torch.from_numpy(y)).numpy()
    np.testing.assert_allclose(found, naive_gradient(logits, y), rtol=0, atol=1e-10)


@given(SEEDS)
def test_row_gradients_are_derivatives_by_a_factor_on_the_logits(seed):
    logits, y = map(torch.from_numpy, drawn(seed))
    factor = torch.ones(len(y), 1, dtype=torch.float64, requires_grad=True)
    loss = torch.nn.functional.cross_entropy(factor * logits, y, reduction="sum")
    (expected,) = torch.autograd.grad(loss, factor)
    torch.testing.assert_close(row_gradient(logits, y), expected[:, 0], rtol=0, atol=1e-10)


@given(SEEDS)
def test_a_constant_added_to_a_row_changes_nothing(seed):
    logits, y = map(torch.from_numpy, drawn(seed))
    constant = torch.from_numpy(np.random.default_rng(seed).normal(scale=100, size=(len(y), 1)))
    torch.testing.assert_close(
        row_gradient(logits + constant, y), row_gradient(logits, y), rtol=0, atol=1e-10
    )


@given(SEEDS)
def test_the_penalty_is_that_of_the_paper_and_of_the_environments_losses(seed):
    logits, y = map(torch.from_numpy, drawn(seed))
    q = torch.from_numpy(np.random.default_rng(seed + 1).uniform(size=len(y)))
    d = row_gradient(logits, y)
    found = penalty(q, d).item()
    assert found == pytest.approx(naive_penalty(q.numpy(), d.numpy()), abs=1e-10)
    total = 0.0  # IRM's: the squared derivative of each environment's loss by the scale
    for share in (q, 1 - q):
        scale = torch.ones((), dtype=torch.float64, requires_grad=True)
        loss = torch.nn.functional.cross_entropy(scale * logits, y, reduction="none")
        (slope,) = torch.autograd.grad((share * loss).mean(), scale)
        total += slope.item() ** 2
    assert found == pytest.approx(total, abs=1e-10)


@given(SEEDS)
def test_the_closed_form_beats_random_environments(seed):
    d = gradient_of(seed)
    best = penalty(best_environments(d).double(), d).item()
    rng = np.random.default_rng(seed)
    for _ in range(20):
        for q in (rng.uniform(size=len(d)), rng.integers(0, 2, len(d))):
            assert penalty(torch.from_numpy(q).double(), d).item() <= best + 1e-12


@pytest.mark.parametrize("seed", range(5))
def test_the_closed_form_is_the_best_of_all_hard_environments(seed):
    d = gradient_of(seed, n=10)
    every = (np.arange(2**10)[:, None] >> np.arange(10)) & 1
    values = [penalty(torch.from_numpy(q).double(), d).item() for q in every]
    assert penalty(best_environments(d).double(), d).item() == pytest.approx(max(values), abs=1e-15)


@given(SEEDS)
def test_the_penalty_of_the_closed_form_is_the_value_of_the_formula(seed):
    d = gradient_of(seed)
    n = len(d)
    up, down = d[d > 0].sum().item() / n, d[d < 0].sum().item() / n
    best = best_environments(d).double()
    assert penalty(best, d).item() == pytest.approx(up**2 + down**2, abs=1e-12)
    assert penalty(1 - best, d).item() == pytest.approx(up**2 + down**2, abs=1e-12)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_adam_climbs_towards_the_closed_form(seed):
    d = gradient_of(seed, n=200)
    best = best_environments(d)
    q = ascend(d, 4_000, seed)
    assert 0 <= q.min() <= q.max() <= 1
    assert penalty(q, d).item() <= penalty(best.double(), d).item()
    assert penalty(q, d) > penalty(ascend(d, 1, seed), d)
    chosen = q > 0.5
    if d[chosen].sum() < d[~chosen].sum():  # either end of s is a maximum
        chosen = ~chosen
    clear = d.abs() > 0.1
    assert clear.sum() > 100
    assert torch.equal(chosen[clear], best[clear])


def test_ascent_is_of_the_seed_and_leaves_the_global_generator_alone():
    d = gradient_of(0)
    before = torch.get_rng_state()
    one, same, other = ascend(d, 3, 1), ascend(d, 3, 1), ascend(d, 3, 2)
    assert torch.equal(one, same)
    assert not torch.equal(one, other)
    assert torch.equal(torch.get_rng_state(), before)


def test_values_are_as_before():
    d = gradient_of(0, n=5)
    np.testing.assert_allclose(d.numpy(), FROZEN[:5], rtol=0, atol=1e-10)
    assert penalty(best_environments(d).double(), d).item() == pytest.approx(FROZEN[5], abs=1e-10)


FROZEN = (
    -0.4244493854593994,
    -0.2407369647042857,
    -0.13041468233433454,
    1.7237079310043604,
    -0.2798000412492616,
    0.16510626003296552,
)
