"""The counts that every biased set promises, for any sizes."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sklearn_debias.datasets._assignment import biased_values, even_values
from sklearn_debias.datasets._checks import streams

targets = st.lists(st.integers(0, 4), min_size=1, max_size=80).map(np.array)
sizes = st.lists(st.integers(2, 4), min_size=1, max_size=3).map(tuple)
seeds = st.integers(0, 2**32)
no_deadline = settings(deadline=None, max_examples=60)


@no_deadline
@given(targets, st.integers(2, 6), st.floats(0, 1), seeds)
def test_conflicting_samples_are_counted_exactly_and_spread_evenly(target, n_values, ratio, seed):
    values = biased_values(target, n_values, ratio, np.random.default_rng(seed))
    assert values.min() >= 0
    assert values.max() < n_values
    for label in np.unique(target):
        members = values[target == label]
        aligned = members == label % n_values
        expected = max(round(ratio * len(members)), 1 if ratio > 0 else 0)
        assert (~aligned).sum() == expected
        others = np.delete(np.bincount(members, minlength=n_values), label % n_values)
        assert np.ptp(others) <= 1


@no_deadline
@given(targets, st.floats(0, 1), st.floats(0, 1), seeds)
def test_a_larger_ratio_only_adds_conflicting_samples(target, one, other, seed):
    fewer, more = (
        biased_values(target, 5, r, np.random.default_rng(seed)) for r in sorted((one, other))
    )
    was_conflicting = fewer != target
    np.testing.assert_array_equal(more[was_conflicting], fewer[was_conflicting])


@no_deadline
@given(targets, sizes, seeds)
def test_even_values_fill_every_combination_alike(strata, sizes, seed):
    values = even_values(strata, sizes, np.random.default_rng(seed))
    assert values.shape == (len(strata), len(sizes))
    for rows in [np.full(len(strata), True), *(strata == s for s in np.unique(strata))]:
        cells = [
            (values[rows] == cell).all(axis=1).sum()
            for cell in itertools.product(*map(range, sizes))
        ]
        assert sum(cells) == rows.sum()
        assert max(cells) - min(cells) <= 1


@no_deadline
@given(st.integers(1, 26), seeds)
def test_each_attribute_stays_even_when_samples_are_fewer_than_combinations(n, seed):
    values = even_values(np.zeros(n, dtype=int), (3, 3, 3), np.random.default_rng(seed))
    for column in values.T:
        assert np.ptp(np.bincount(column, minlength=3)) <= 2


def test_streams_differ_by_name_and_are_reproducible():
    a, b = (rng.random() for rng in streams(3, "a", "b"))
    assert a != b
    assert [rng.random() for rng in streams(np.int64(3), "b", "a")] == [b, a]


@pytest.mark.parametrize("make", [np.random.RandomState, np.random.default_rng])
def test_streams_follow_a_generator_and_move_it_on(make):
    first, again = make(0), make(0)
    (one,), (two,), (same,) = streams(first, "a"), streams(first, "a"), streams(again, "a")
    drawn = one.random()
    assert drawn == same.random()
    assert drawn != two.random()


def test_streams_without_a_seed_differ():
    (one,), (two,) = streams(None, "a"), streams(None, "a")
    assert one.random() != two.random()


@pytest.mark.parametrize("bad", [-1, 0.5, True, "0", np.random])
def test_streams_reject(bad):
    with pytest.raises(ValueError, match="`random_state` must be None, an int"):
        streams(bad, "a")
