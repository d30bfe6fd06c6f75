"""The sweep over scales against brute force, and how rows are set aside."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sklearn_debias.fitting._halves import split_by
from sklearn_debias.fitting._scales import Sweep

# Some are equal, and others far enough apart for the logarithms to be.
probabilities = st.lists(st.integers(100, 9900).map(lambda n: n / 10_000), min_size=4, max_size=12)


@given(p=probabilities, seed=st.integers(0, 9))
def test_two_classes_reach_the_best_of_all_thresholds(p, seed):
    rng = np.random.default_rng(seed)
    p = np.array(p)
    y, group = rng.integers(2, size=len(p)), rng.integers(3, size=len(p))
    group = np.unique(group, return_inverse=True)[1]
    sweep = Sweep(np.log(np.column_stack([1 - p, p])), y, group, np.array([0, 1]), None)
    scale, curve = sweep.run(200, 1)
    best = max(min(np.mean((y == (p > t))[group == g]) for g in set(group)) for t in [0, *p])
    assert curve.score.max() == pytest.approx(best)
    assert np.prod(scale) == pytest.approx(1)
    predicted = scale[1] * p > scale[0] * (1 - p)
    assert min(np.mean((predicted == y)[group == g]) for g in set(group)) == pytest.approx(best)


@given(seed=st.integers(0, 50), k=st.integers(3, 5))
def test_more_classes_end_where_no_single_scale_helps(seed, k):
    rng = np.random.default_rng(seed)
    log_proba = np.log(rng.dirichlet(np.ones(k), 30))
    y, group = np.arange(30) % k, np.arange(30) % 4
    sweep = Sweep(log_proba, y, group, np.arange(k), None)
    scale, curve = sweep.run(200, 50)
    best = curve[["score", "average_accuracy"]].apply(tuple, axis=1).max()
    assert best >= tuple(curve.loc[0, ["score", "average_accuracy"]])
    for c in range(k):
        _, result = sweep._ascend(np.log(scale), sweep._try(np.log(scale)), c, 200)
        assert result == sweep._try(np.log(scale)) == best


def test_nothing_moves_where_nothing_is_gained():
    p = np.array([0.1, 0.2, 0.8, 0.9])
    sweep = Sweep(
        np.log(np.column_stack([1 - p, p])), p > 0.5, np.arange(4) % 2, np.array([0, 1]), None
    )
    scale, curve = sweep.run(200, 10)
    assert scale.tolist() == [1, 1]
    assert curve.loc[0].tolist() == [1, 1, 1, 1, 1]


@pytest.mark.parametrize("share", [0.01, 0.5, 0.99])
def test_both_parts_hold_every_stratum(share):
    stratum = np.repeat([0, 1, 2, 5], [1, 2, 30, 7])
    first, second = split_by(stratum, share, np.random.default_rng(0))
    assert set(stratum[first]) == set(stratum[second]) == {0, 1, 2, 5}
    assert set(first) & set(second) == {0}
    assert set(first) | set(second) == set(range(40))
    assert abs((stratum[second] == 2).sum() - 30 * share) <= 1


@given(seed=st.integers(0, 200))
def test_among_equally_good_scales_the_one_closest_to_one_is_taken(seed):
    rng = np.random.default_rng(seed)
    p = rng.uniform(0.05, 0.6, 12)  # few rows: many thresholds are equally good
    y = (rng.random(12) < 0.5).astype(int)
    y[:2] = 0, 1
    sweep = Sweep(np.log(np.column_stack([1 - p, p])), y, y, np.array([0, 1]), None)
    scale, curve = sweep.run(200, 1)
    ratio = np.abs(np.log(curve["scale_1"] / curve["scale_0"]))
    results = list(zip(curve["score"], curve["average_accuracy"], strict=True))
    best = [i for i, result in enumerate(results) if result == max(results)]
    assert abs(np.log(scale[1] / scale[0])) == pytest.approx(min(ratio[best]))
