"""Penalties on differences of environments: naive transcriptions, autograd, absent ones."""

import itertools

import numpy as np
import pytest
import torch
from torch.func import vmap

from sklearn_debias.losses import (
    coral_distance,
    cross_entropy,
    environment_means,
    feature_variance,
    irm_penalty,
    mean_over_present,
    membership,
    mmd_distance,
    risk_variance,
)
from sklearn_debias.losses._invariance import GAMMAS

B, K, D, E = 14, 3, 5, 5
GROUP = torch.tensor([0, 0, 1, 1, 1, 4, 0, 1, 4, 0, 2, 1, 0, 4])  # 2 has one row, 3 has none
Y = torch.arange(B) % K


def draw(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def member(group=GROUP, n=E, like=None):
    return membership(group, torch.arange(n), draw(1) if like is None else like)


def parts(values, group=GROUP):
    """Rows of each environment that is present."""
    values, group = np.asarray(values), group.tolist()
    return [
        np.stack([v for v, g in zip(values, group, strict=True) if g == e])
        for e in sorted(set(group))
    ]


def naive_irm(logits, y):
    found = []
    for z, labels in zip(parts(logits), parts(y), strict=True):
        scale = torch.ones((), dtype=torch.float64, requires_grad=True)
        risk = torch.nn.functional.cross_entropy(scale * torch.tensor(z), torch.tensor(labels))
        found.append(torch.autograd.grad(risk, scale)[0].item() ** 2)
    return np.mean(found)


def naive_coral(features):
    groups = parts(features)
    means = [np.mean((a.mean(0) - b.mean(0)) ** 2) for a, b in itertools.combinations(groups, 2)]
    covariances = [np.cov(g, rowvar=False) for g in groups if len(g) > 1]
    return np.mean(means) + np.mean(
        [np.mean((a - b) ** 2) for a, b in itertools.combinations(covariances, 2)]
    )


def naive_mmd(features):
    def kernel(a, b):
        return np.mean(
            [sum(np.exp(-g * np.sum((u - v) ** 2)) for g in GAMMAS) for u in a for v in b]
        )

    pairs = itertools.combinations(parts(features), 2)
    return np.mean([kernel(a, a) + kernel(b, b) - 2 * kernel(a, b) for a, b in pairs])


def test_membership_and_means():
    m = member()
    assert m.shape == (B, E)
    assert m.dtype == torch.float64
    np.testing.assert_array_equal(m.sum(0), [5, 5, 1, 0, 3])
    values = draw(B, D)
    expected = np.insert([p.mean(0) for p in parts(values)], 3, 0, axis=0)
    np.testing.assert_allclose(environment_means(values, m), expected, atol=1e-14)
    np.testing.assert_allclose(environment_means(values[:, 0], m), expected[:, 0], atol=1e-14)
    assert mean_over_present(torch.arange(5.0).double(), m).item() == pytest.approx(
        (0 + 1 + 2 + 4) / 4
    )
    assert mean_over_present(torch.arange(5.0).double(), m, rows=2).item() == pytest.approx(
        (0 + 1 + 4) / 3
    )


def test_irm_in_closed_form_is_autograd():
    assert irm_penalty(3 * draw(B, K), Y, member()).item() == pytest.approx(
        naive_irm(3 * draw(B, K), Y), abs=1e-12
    )


def test_irm_is_zero_where_the_multiplier_is_optimal():
    logits, y = torch.tensor([[0.0, 1.0]]).double().repeat(4, 1), torch.tensor([0, 1, 1, 1])
    scale = np.log(3)  # predicts the share of each label
    assert irm_penalty(scale * logits, y, member(torch.zeros(4), 1)).item() == pytest.approx(
        0, abs=1e-15
    )
    assert irm_penalty(logits, y, member(torch.zeros(4), 1)).item() > 1e-4


def test_risk_variance():
    loss = draw(B).square()
    expected = np.var([p.mean() for p in parts(loss)])
    assert risk_variance(loss, member()).item() == pytest.approx(expected, abs=1e-12)


def test_feature_variance():
    features = draw(B, D)
    expected = np.mean([p.var(0, ddof=1).mean() for p in parts(features) if len(p) > 1])
    assert feature_variance(features, member()).item() == pytest.approx(expected, abs=1e-12)


def test_coral_distance():
    features = draw(B, D) * torch.arange(1, D + 1)
    assert coral_distance(features, member()).item() == pytest.approx(
        naive_coral(features), abs=1e-10
    )


@pytest.mark.parametrize("shift", [0.0, 100.0])
def test_mmd_distance(shift):
    features = 0.3 * draw(B, D) + shift
    assert mmd_distance(features, member()).item() == pytest.approx(naive_mmd(features), abs=1e-10)


def all_penalties(features, m):
    """Every penalty of the features, the first ones as logits."""
    logits = features[:, :K]
    return {
        "irm": irm_penalty(logits, Y[: len(features)], m),
        "vrex": risk_variance(cross_entropy(logits, Y[: len(features)]), m),
        "bottleneck": feature_variance(features, m),
        "coral": coral_distance(features, m),
        "mmd": mmd_distance(features, m),
    }


@pytest.mark.parametrize("name", all_penalties(draw(B, D), member()))
def test_absent_environments_count_for_nothing(name):
    few = torch.tensor([0, 0, 1, 1, 1, 4, 0, 1, 4, 0, 0, 1, 0, 4])
    dense = torch.unique(few, return_inverse=True)[1]
    found = []
    for m in (member(few), member(dense, 3)):
        features = draw(B, D).requires_grad_()
        value = all_penalties(features, m)[name]
        found.append((value.detach(), torch.autograd.grad(value, features)[0]))
    torch.testing.assert_close(found[0], found[1], atol=1e-14, rtol=0)


@pytest.mark.parametrize("rows", [1, 2])
@pytest.mark.parametrize("name", all_penalties(draw(B, D), member()))
def test_a_batch_of_one_environment_or_row_is_finite(name, rows):
    features = draw(rows, D).requires_grad_()
    value = all_penalties(features, member(torch.full((rows,), 2)))[name]
    (slope,) = torch.autograd.grad(value, features)
    assert torch.isfinite(value)
    assert torch.isfinite(slope).all()
    if name in ("vrex", "coral", "mmd"):  # nothing to compare
        assert value.item() == 0
        assert not slope.any()


@pytest.mark.parametrize("name", all_penalties(draw(B, D), member()))
def test_gradients_and_what_vanishes_for_equal_environments(name):
    m = member()
    assert torch.autograd.gradcheck(
        lambda f: all_penalties(f, m)[name], draw(B, D).requires_grad_()
    )
    twice = draw(4, D).repeat(2, 1)
    value = all_penalties(twice, member(torch.arange(2).repeat_interleave(4), 2))[name]
    if name in ("coral", "mmd"):
        assert value.item() == pytest.approx(0, abs=1e-14)


@pytest.mark.parametrize("name", all_penalties(draw(B, D), member()))
def test_vmapped_and_in_both_precisions(name):
    stacked, m = draw(3, B, D), member()
    together = vmap(lambda f: all_penalties(f, m)[name])(stacked)
    torch.testing.assert_close(together, torch.stack([all_penalties(f, m)[name] for f in stacked]))
    single = all_penalties(stacked[0].float(), member(like=torch.zeros(1)))[name]
    assert single.dtype == torch.float32
    assert single.item() == pytest.approx(together[0].item(), rel=1e-3)
