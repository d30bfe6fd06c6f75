"""Exact counts of long-tailed and of balanced draws, from any labels."""

import math
from functools import partial

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sklearn_debias.datasets import balanced_indices, long_tail_indices

labels = (
    st.lists(st.integers(0, 4), min_size=6, max_size=80)
    .filter(lambda y: len(set(y)) > 1)
    .map(np.array)
)
seeds = st.integers(0, 2**32)
no_deadline = settings(deadline=None, max_examples=60)
BAD_LABELS = [
    ([], r"must have the shape \(n,\), n >= 1, one label per row; got \(0,\)"),
    ([[0, 1], [1, 0]], r"must have the shape \(n,\).* got \(2, 2\)"),
    (3, "must have the shape"),
    ([0, 1, np.nan], r"must have no missing value \(NaN, None\), found one in row 2"),
    (["a", None], "must have no missing value.* found one in row 1"),
    (pd.Series(["a", pd.NA]), "must have no missing value.* found one in row 1"),
    ([0.5, 1.0], "must hold labels, got floats that are not whole numbers. Bin"),
    ([np.inf, 1.0], "must hold labels.* not whole numbers"),
    ([1j, 2], "must hold numbers, strings or booleans, got the dtype complex128"),
    (np.array(["a", 1], dtype=object), "must hold labels of one type that can be sorted"),
    ([[0], [1, 2]], "must be an array-like"),
    (np.ma.array([0, 1], mask=[0, 1]), "must have no missing value, got a masked array"),
]


def naive_counts(n_max, ratio, n_classes):
    """LDAM's formula, with an imbalance factor, in exact enough arithmetic."""
    factor = 1 / ratio
    return [
        max(1, math.floor(n_max * factor ** (c / (n_classes - 1)) + 1e-9)) for c in range(n_classes)
    ]


@pytest.mark.parametrize(
    ("n_classes", "size", "ratio", "total"),
    [(10, 5000, 100, 12406), (10, 5000, 10, 20431), (100, 500, 100, 10847), (100, 500, 10, 19573)],
)
def test_counts_of_the_published_long_tailed_cifar(n_classes, size, ratio, total):
    """Number of training images of CIFAR-10-LT and CIFAR-100-LT."""
    y = np.repeat(np.arange(n_classes), size)
    counts = np.bincount(y[long_tail_indices(y, ratio, random_state=0)])
    assert counts.tolist() == naive_counts(size, ratio, n_classes)
    assert counts.sum() == total
    assert counts[0] == ratio * counts[-1]


@no_deadline
@given(labels, st.floats(1, 1000), seeds)
def test_the_largest_tail_that_fits_is_drawn(y, ratio, seed):
    rows = long_tail_indices(y, ratio, random_state=seed)
    classes, sizes = np.unique(y, return_counts=True)
    fitting = [
        n
        for n in range(1, len(y) + 1)
        if (np.array(naive_counts(n, ratio, len(classes))) <= sizes).all()
    ]
    kept = [(y[rows] == label).sum() for label in classes]
    assert kept == naive_counts(max(fitting), ratio, len(classes))
    assert rows.dtype == np.int64
    assert (np.diff(rows) > 0).all()


def test_order_names_the_head_and_the_tail():
    y = np.repeat(["a", "b", "c"], 40)
    kept = y[long_tail_indices(y, 16, n_max=32, order=["c", "a", "b"], random_state=0)]
    assert [(kept == label).sum() for label in "cab"] == [32, 8, 2]


def test_a_ratio_of_one_balances_and_a_steep_one_keeps_a_row_of_each():
    y = np.repeat([0, 1, 2], [9, 5, 7])
    assert np.bincount(y[long_tail_indices(y, 1, random_state=0)]).tolist() == [5, 5, 5]
    assert np.bincount(y[long_tail_indices(y, 1e6, random_state=0)]).tolist() == [9, 1, 1]


def test_a_larger_ratio_keeps_a_subset():
    y = np.random.default_rng(0).permutation(np.repeat(np.arange(5), 100))
    many, few = (long_tail_indices(y, ratio, n_max=80, random_state=3) for ratio in (5, 50))
    assert set(few) < set(many)


def test_every_row_is_as_likely():
    y = np.repeat([0, 1], 20)
    drawn = np.zeros(40)
    for seed in range(2000):
        drawn[long_tail_indices(y, 4, n_max=16, random_state=seed)] += 1
    share = np.repeat([16 / 20, 4 / 20], 20)
    assert np.abs(drawn / 2000 - share).max() < 4.5 * np.sqrt(0.16 / 2000)


SAME = [
    lambda y: y.tolist(),
    lambda y: y.astype(float),
    lambda y: y.astype(">i2"),
    lambda y: np.array(list("abcd"))[y],
    lambda y: np.array(list("abcd"), dtype=object)[y],
    lambda y: pd.Series(np.array(list("abcd"))[y], index=y + 7),
    lambda y: pd.Categorical(np.array(list("abcd"))[y]),
    lambda y: np.array([-1, 0, 5, 9])[y],
]


@pytest.mark.parametrize("relabel", SAME)
@pytest.mark.parametrize(
    "draw",
    [
        lambda y: long_tail_indices(y, 5, random_state=0),
        lambda y: balanced_indices(y, per_cell=3, random_state=0),
        lambda y: balanced_indices(np.tile([0, 1], 40), y, per_cell=3, random_state=0),
    ],
)
def test_rows_depend_on_the_order_of_labels_only(draw, relabel):
    y = np.random.default_rng(0).permutation(np.repeat(np.arange(4), 20))
    y.flags.writeable = False
    np.testing.assert_array_equal(draw(relabel(y)), draw(y))


# Half of a class, since a single row is drawn again by chance once in fifty times.
@pytest.mark.parametrize("draw", [partial(long_tail_indices, imbalance_ratio=2), balanced_indices])
def test_a_seed_determines_the_rows(draw):
    y = np.arange(100) % 2
    one, again, other, fresh, fresher = (
        draw(y, random_state=seed) for seed in (1, 1, 2, None, None)
    )
    np.testing.assert_array_equal(one, again)
    assert one.tolist() != other.tolist()
    assert fresh.tolist() != fresher.tolist()


@no_deadline
@given(labels, st.integers(1, 3), seeds)
def test_balanced_rows_fill_each_class_alike(y, per_cell, seed):
    classes, sizes = np.unique(y, return_counts=True)
    if sizes.min() < per_cell:
        with pytest.raises(ValueError, match="`per_cell` must leave every cell enough rows"):
            balanced_indices(y, per_cell=per_cell, random_state=seed)
        return
    rows = balanced_indices(y, per_cell=per_cell, random_state=seed)
    assert [(y[rows] == label).sum() for label in classes] == [per_cell] * len(classes)
    assert (np.diff(rows) > 0).all()
    if per_cell > 1:
        assert set(balanced_indices(y, per_cell=1, random_state=seed)) < set(rows)


def test_balanced_rows_fill_each_class_and_combination_alike():
    rng = np.random.default_rng(0)
    y, bias = (
        rng.integers(3, size=600),
        np.stack([rng.integers(2, size=600), rng.integers(5, 8, size=600)], axis=1),
    )
    rows = balanced_indices(
        y, pd.DataFrame(bias, columns=["hair", "age"]), per_cell=4, random_state=0
    )
    table = np.zeros((3, 2, 3), dtype=int)
    np.add.at(table, (y[rows], bias[rows, 0], bias[rows, 1] - 5), 1)
    assert (table == 4).all()
    assert len(set(rows)) == len(rows) == 72


def test_combinations_that_no_class_has_are_no_cells():
    bias = np.array([[0, "x"], [1, "y"]], dtype=object)[np.arange(40) // 2 % 2]
    assert len(balanced_indices(np.arange(40) % 2, bias, per_cell=5, random_state=0)) == 20


@pytest.mark.parametrize(("bad", "message"), BAD_LABELS)
def test_bad_labels(bad, message):
    with pytest.raises(ValueError, match="`y` " + message):
        long_tail_indices(bad)
    with pytest.raises(ValueError, match="`y` " + message):
        balanced_indices(bad)
    with pytest.raises(ValueError, match="`bias_labels`"):
        balanced_indices([0, 0, 0, 1, 1, 1], bad)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"y": [1, 1]}, r"`y` must hold 2 or more different labels, got \[1\]"),
        (
            {"imbalance_ratio": 0.01},
            "`imbalance_ratio` must be a finite number in .*got 0.01. 100 means 100:1",
        ),
        ({"imbalance_ratio": "100"}, "`imbalance_ratio`"),
        ({"imbalance_ratio": np.nan}, "`imbalance_ratio`"),
        ({"imbalance_ratio": 10**400}, "`imbalance_ratio`"),
        ({"n_max": 0}, r"`n_max` must be an int in 1\.\.10, got 0"),
        ({"n_max": 4.0}, "`n_max`"),
        ({"n_max": 9}, "with 9, class 'a' needs 9 of its 6. Take 6 or less"),
        ({"order": ["b", "a"], "n_max": 6}, "with 6, class 'b' needs 6 of its 4. Take 4 or less"),
        ({"order": ["a"]}, "`order` must be a sequence with every class once"),
        ({"order": ["a", "b", "b"]}, "`order`"),
        ({"order": ["a", "c"]}, "`order`"),
        ({"order": [0, 1]}, "`order`"),
        ({"order": "ab"}, "`order`"),
        ({"order": {"a", "b"}}, "`order`"),
        ({"order": [["a"], ["b", "c"]]}, "`order`"),
        ({"order": 3}, "`order`"),
        ({"random_state": -1}, "`random_state`"),
    ],
)
def test_bad_long_tail(change, message):
    settings = {"y": ["a"] * 6 + ["b"] * 4, "imbalance_ratio": 2}
    with pytest.raises(ValueError, match=message):
        long_tail_indices(**(settings | change))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"per_cell": 0}, r"`per_cell` must be an int in 1\.\.6, got 0"),
        ({"per_cell": 3}, "got 3: class 'a' with bias label 0 has 2. The smallest cell allows 1"),
        (
            {"bias_labels": [0, 0, 0, 0, 1, 1]},
            "class 'a' with bias label 1 has 0. .*cells without rows",
        ),
        ({"bias_labels": [0, 1]}, "`bias_labels` must have 6 entries, one per row; got 2"),
        ({"bias_labels": np.zeros((2, 2))}, "`bias_labels` must have 6 entries"),
        (
            {"bias_labels": np.zeros((6, 0))},
            r"`bias_labels` must have one or more rows and columns.*\(6, 0\)",
        ),
        ({"bias_labels": np.zeros((6, 1, 1))}, "`bias_labels` must have the shape"),
        ({"random_state": "x"}, "`random_state`"),
    ],
)
def test_bad_balance(change, message):
    settings = {"y": ["a"] * 4 + ["b"] * 2, "bias_labels": [0, 0, 1, 1, 0, 1], "per_cell": 1}
    with pytest.raises(ValueError, match=message):
        balanced_indices(**(settings | change))
