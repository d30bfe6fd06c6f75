"""Transition counts of label noise, exactly."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sklearn_debias.datasets import flip_labels

KINDS = ["uniform", "pair", "flip2"]
labels = (
    st.lists(st.integers(0, 4), min_size=6, max_size=80)
    .filter(lambda y: len(set(y)) > 2)
    .map(np.array)
)
seeds = st.integers(0, 2**32)
no_deadline = settings(deadline=None, max_examples=60)


def transitions(y, noisy):
    """Rows of class i with the label j, over the classes of y."""
    classes = np.unique(y)
    return np.array([[((y == i) & (noisy == j)).sum() for j in classes] for i in classes])


@pytest.mark.parametrize("rate", [0, 0.2, 0.4, 1])
def test_flip_matrices_on_round_numbers(rate):
    """Compare with the papers' matrices: 180 rows in ten classes make every share whole."""
    y = np.random.default_rng(0).permutation(np.repeat(np.arange(10), 180))
    eye = np.eye(10)
    uniform = (1 - rate) * eye + rate * (1 - eye) / 9
    np.testing.assert_allclose(
        transitions(y, flip_labels(y, rate, random_state=0)), 180 * uniform, atol=1e-9
    )
    pair = (1 - rate) * eye + rate * np.roll(eye, 1, axis=1)
    np.testing.assert_allclose(
        transitions(y, flip_labels(y, rate, "pair", random_state=0)), 180 * pair, atol=1e-9
    )
    matrix = transitions(y, flip_labels(y, rate, "flip2", random_state=0))
    np.testing.assert_allclose(np.diag(matrix), 180 * (1 - rate), atol=1e-9)
    others = np.sort(matrix[~eye.astype(bool)].reshape(10, 9), axis=1)
    np.testing.assert_allclose(others, [[0] * 7 + [90 * rate] * 2] * 10, atol=1e-9)


def test_uniform_noise_that_may_deal_the_true_class():
    """(1 - r) I + r / C, the matrix of Meta-Weight-Net: 36 % wrong at a rate of 40 %."""
    y = np.repeat(np.arange(10), 100)
    noisy = flip_labels(y, 0.4, include_true=True, random_state=0)
    np.testing.assert_allclose(transitions(y, noisy), 100 * (0.6 * np.eye(10) + 0.04), atol=1e-9)
    assert (noisy != y).mean() == 0.36


@no_deadline
@given(labels, st.floats(0, 1), st.sampled_from(KINDS), seeds)
def test_counts_are_exact_and_targets_even(y, rate, kind, seed):
    noisy = flip_labels(y, rate, kind, random_state=seed)
    matrix = transitions(y, noisy)
    sizes = matrix.sum(axis=1)
    np.testing.assert_array_equal(sizes, np.unique(y, return_counts=True)[1])
    for code, (row, size) in enumerate(zip(matrix, sizes, strict=True)):
        moved = round(rate * size)
        assert size - row[code] == moved
        others = np.sort(np.delete(row, code))
        if kind == "uniform":
            assert np.ptp(others) <= 1
        elif kind == "pair":
            assert row[(code + 1) % len(row)] == moved
        else:
            assert others[:-2].sum() == 0
            assert others[-1] - others[-2] <= 1


@no_deadline
@given(labels, st.floats(0, 1), st.floats(0, 1), st.sampled_from(KINDS), seeds)
def test_a_larger_rate_only_adds_wrong_labels(y, one, other, kind, seed):
    fewer, more = (flip_labels(y, rate, kind, random_state=seed) for rate in sorted((one, other)))
    np.testing.assert_array_equal(more[fewer != y], fewer[fewer != y])


def test_every_row_is_as_likely_and_so_is_every_target():
    y = np.repeat([0, 1, 2, 3], 10)
    wrong, pairs = np.zeros(40), np.zeros((4, 4))
    for seed in range(2000):
        noisy = flip_labels(y, 0.3, "flip2", random_state=seed)
        wrong += noisy != y
        pairs += transitions(y, noisy) > 0
    assert np.abs(wrong / 2000 - 0.3).max() < 4.5 * np.sqrt(0.21 / 2000)
    off = pairs[~np.eye(4, dtype=bool)] / 2000
    assert np.abs(off - 2 / 3).max() < 4.5 * np.sqrt(2 / 9 / 2000)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "names",
    [
        np.array(["cat", "dog", "owl"]),
        np.array(["cat", "dog", "owl"], dtype=object),
        np.array([-1.0, 0.0, 7.0]),
        np.array([0, 1, 2], dtype=np.uint8),
        np.array([-100, 3, 4], dtype=">i4"),
    ],
)
def test_labels_keep_their_type_and_relabelling_changes_nothing(kind, names):
    codes = np.random.default_rng(0).permutation(np.repeat(np.arange(3), 20))
    y = names[codes]
    y.flags.writeable = False
    noisy = flip_labels(y, 0.4, kind, random_state=0)
    assert noisy.dtype == y.dtype
    np.testing.assert_array_equal(noisy, names[flip_labels(codes, 0.4, kind, random_state=0)])
    np.testing.assert_array_equal(
        noisy, flip_labels(pd.Series(y, index=codes), 0.4, kind, random_state=0)
    )
    np.testing.assert_array_equal(
        noisy, flip_labels(pd.Categorical(y.tolist()), 0.4, kind, random_state=0)
    )


def test_two_classes_of_booleans():
    y = np.arange(20) % 2 == 0
    noisy = flip_labels(y, 0.25, random_state=0)
    assert noisy.dtype == bool
    assert transitions(y, noisy).tolist() == [[8, 2], [2, 8]]


def test_a_seed_determines_the_labels():
    y = np.arange(100) % 4
    one, again, other = (flip_labels(y, 0.5, random_state=seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, again)
    assert (one != other).any()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"noise_rate": 1.1}, r"`noise_rate` must be a finite number in \[0, 1\], got 1.1"),
        ({"noise_rate": 40}, "`noise_rate`"),
        ({"noise_rate": "0.4"}, "`noise_rate`"),
        (
            {"kind": "symmetric"},
            "`kind` must be one of 'uniform', 'pair', 'flip2', got 'symmetric'",
        ),
        ({"kind": None}, "`kind`"),
        ({"kind": "flip2", "y": [0, 1]}, r"`y` must hold 3 or more different labels, got \[0, 1\]"),
        ({"y": [0, 0]}, "`y` must hold 2 or more"),
        ({"y": [0, 1, None]}, "`y` must have no missing value"),
        ({"include_true": 1}, "`include_true` must be a bool"),
        (
            {"include_true": True, "kind": "pair"},
            "`include_true` must be .* False unless `kind` is",
        ),
        ({"random_state": 0.5}, "`random_state`"),
    ],
)
def test_bad_input(change, message):
    with pytest.raises(ValueError, match=message):
        flip_labels(**({"y": [0, 1, 2], "noise_rate": 0.4} | change))
