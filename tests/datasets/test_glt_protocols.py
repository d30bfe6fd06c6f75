"""Clusters as attributes, and the counts of the three protocols."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_array

from sklearn_debias.datasets import (
    attribute_long_tail,
    balanced_indices,
    glt_split,
    long_tail_indices,
)
from sklearn_debias.datasets._glt import apportion

PROTOCOLS = ["clt", "alt", "glt"]


@pytest.fixture
def blobs():
    """Make six far blobs per class, shuffled.

    Their sizes are 60, 50, ... 10 in class 0, and 30 each but one in class 1.
    """
    sizes = [[60, 50, 40, 30, 20, 10], [30, 30, 30, 30, 30, 60]]
    rng = np.random.default_rng(0)
    y = np.repeat([0, 1], [210, 210])
    blob = np.concatenate([np.repeat(np.arange(6), s) for s in sizes])
    features = 100 * blob[:, None] * [1.0, -1.0, 0.5] + rng.standard_normal((420, 3))
    order = rng.permutation(420)
    return features[order], y[order], blob[order]


def table(y, attributes, rows, shape):
    counts = np.zeros(shape, dtype=int)
    np.add.at(counts, (np.asarray(y)[rows], attributes[rows]), 1)
    return counts


def test_clusters_are_ranked_by_size_and_joined_in_order(blobs):
    features, y, blob = blobs
    clusters = attribute_long_tail(features, y, n_attributes=6, random_state=0)
    # The blobs of class 0 are in this order.
    np.testing.assert_array_equal(clusters[y == 0], blob[y == 0])
    assert (clusters[y == 1] == 0).tolist() == (blob[y == 1] == 5).tolist()
    for members in (y == 0, y == 1):
        assert len(set(zip(clusters[members], blob[members], strict=True))) == 6
    joined = attribute_long_tail(features, y, random_state=0)
    np.testing.assert_array_equal(joined, clusters // 2)
    assert joined.dtype == np.int64
    counts = table(y, joined, slice(None), (2, 3))
    assert counts.tolist() == [[110, 70, 30], [90, 60, 60]]


def test_attributes_depend_on_the_seed_and_the_order_of_labels_only():
    rng = np.random.default_rng(0)
    features, y = rng.standard_normal((120, 4)), np.arange(120) % 2
    before = features.copy()
    one, again = (attribute_long_tail(features, y, random_state=1) for _ in range(2))
    np.testing.assert_array_equal(one, again)
    np.testing.assert_array_equal(features, before)
    features.flags.writeable = False
    named = attribute_long_tail(pd.DataFrame(features), np.array(["a", "b"])[y], random_state=1)
    np.testing.assert_array_equal(named, one)
    for label in (0, 1):
        assert (np.diff(np.bincount(one[y == label])) <= 0).all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"features": np.full((20, 2), np.nan)},
            "`features` must be dense numbers of shape .*contains NaN",
        ),
        ({"features": np.zeros(20)}, "Expected 2D array, got 1D array"),
        (
            {"features": np.zeros((20, 2))},
            r"`n_clusters` \(4\) needs as many different rows .*; class 0 has 1",
        ),
        ({"y": [0, 1]}, "`y` must have 20 entries, one per row; got 2"),
        ({"y": [0] * 17 + [1] * 3}, "class 1 has 3"),
        ({"n_clusters": 0}, "`n_clusters` must be an int >= 1"),
        ({"n_attributes": 0}, r"`n_attributes` must be an int in 1\.\.4"),
        ({"n_attributes": 5}, r"`n_attributes` must be an int in 1\.\.4"),
        ({"n_attributes": 3}, r"`n_attributes` must divide `n_clusters` \(4\), got 3"),
        ({"random_state": "x"}, "`random_state`"),
    ],
)
def test_bad_attributes(change, message):
    features = np.arange(40.0).reshape(20, 2)
    settings = {"features": features, "y": np.arange(20) % 2, "n_clusters": 4, "n_attributes": 2}
    with pytest.raises(ValueError, match=message):
        attribute_long_tail(**(settings | change))


def test_sparse_features_are_a_type_error():
    with pytest.raises(TypeError, match="`features` must be dense"):
        attribute_long_tail(csr_array(np.eye(20)), np.arange(20) % 2)


@given(
    st.lists(st.integers(0, 500), min_size=1, max_size=5),
    st.lists(st.integers(1, 50), min_size=1, max_size=5),
)
def test_apportioned_counts_add_up_and_stay_within_one_of_the_quota(totals, weights):
    shares = np.array(weights) / sum(weights)
    counts = apportion(np.array(totals), shares)
    np.testing.assert_array_equal(counts.sum(axis=1), totals)
    assert np.abs(counts - np.outer(totals, shares)).max() < 1


@pytest.mark.parametrize(
    ("total", "expected"),
    [(60, [42, 12, 6]), (1, [1, 0, 0]), (3, [2, 1, 0]), (5, [4, 1, 0]), (145, [102, 29, 14])],
)
def test_apportion_by_hand(total, expected):
    """Deal 60 rows as 42, 12 and 6, the Test-CBL of ImageNet-GLT.

    Of 145 rows the shares are 101.5, 29 and 14.5: the tie goes to the head.
    """
    assert apportion(np.array([total]), np.array([0.7, 0.2, 0.1])).tolist() == [expected]


@pytest.fixture
def cells():
    """Four classes with three attributes, 400, 200 and 80 rows each, in random order."""
    y, attributes = np.repeat(np.arange(4), 680), np.tile(np.repeat([0, 1, 2], [400, 200, 80]), 4)
    order = np.random.default_rng(0).permutation(len(y))
    return y[order], attributes[order]


def test_counts_of_the_three_protocols(cells):
    y, attributes = cells
    clt, alt, glt = (
        glt_split(y, attributes, name, imbalance_ratio=8, n_max=400, random_state=0)
        for name in PROTOCOLS
    )
    tail = apportion(np.array([400, 200, 100, 50]), np.array([0.7, 0.2, 0.1]))
    assert table(y, attributes, glt.train, (4, 3)).tolist() == tail.tolist()
    assert table(y, attributes, alt.train, (4, 3)).tolist() == [[280, 80, 40]] * 4
    assert table(y, attributes, clt.test, (4, 3)).tolist() == [[42, 12, 6]] * 4
    assert table(y, attributes, glt.test, (4, 3)).tolist() == [[20, 20, 20]] * 4
    np.testing.assert_array_equal(clt.train, glt.train)
    np.testing.assert_array_equal(alt.test, glt.test)
    np.testing.assert_array_equal(glt.attributes, attributes)
    assert (
        np.bincount(y[glt.train]).tolist()
        == np.bincount(y[long_tail_indices(y, 8, n_max=400, random_state=0)]).tolist()
    )


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_no_row_is_in_two_sets_and_the_rest_is_left_for_a_meta_set(cells, protocol):
    y, attributes = cells
    split = glt_split(y, attributes, protocol, imbalance_ratio=8, n_max=300, random_state=0)
    other = glt_split(
        y, attributes, "alt" if protocol == "clt" else "clt", n_max=300, random_state=0
    ).test
    parts = [split.train, split.test, split.rest]
    np.testing.assert_array_equal(np.sort(np.concatenate([*parts, other])), np.arange(len(y)))
    for rows in parts:
        assert (np.diff(rows) > 0).all()
    meta = balanced_indices(y[split.rest], attributes[split.rest], per_cell=2, random_state=0)
    assert (table(y, attributes, split.rest[meta], (4, 3)) == 2).all()


@settings(deadline=None, max_examples=25)
@given(
    st.lists(st.integers(0, 5), min_size=60, max_size=200),
    st.floats(1, 50),
    st.sampled_from(PROTOCOLS),
    st.integers(0, 2**32),
)
def test_the_largest_training_set_that_fits_is_drawn(cell, ratio, protocol, seed):
    y, attributes = np.divmod(np.concatenate([cell, np.repeat(np.arange(6), 12)]), 3)
    settings = {"imbalance_ratio": ratio, "per_cell": 2, "random_state": seed}
    split = glt_split(y, attributes, protocol, **settings)
    head = np.bincount(y[split.train])[0]
    same = glt_split(y, attributes, protocol, n_max=int(head), **settings)
    np.testing.assert_array_equal(split.train, same.train)
    for n_max in range(head + 1, head + 12):
        with pytest.raises(ValueError, match=f"`n_max` .*At most {head} fit"):
            glt_split(y, attributes, protocol, n_max=n_max, **settings)


def test_attributes_are_ranked_within_each_class():
    y = np.repeat(["a", "b"], 60)
    colour = np.concatenate(
        [np.repeat(["red", "blue"], [40, 20]), np.repeat(["red", "blue"], [10, 50])]
    )
    split = glt_split(y, colour, proportions=(3, 1), imbalance_ratio=2, random_state=0)
    assert (split.attributes == (colour == "blue")).tolist() == (y == "a").tolist()
    both = glt_split(
        y, np.stack([colour, colour], axis=1), proportions=[3, 1], imbalance_ratio=2, random_state=0
    )
    np.testing.assert_array_equal(both.train, split.train)


def test_default_test_size_is_a_quarter_of_the_smallest_cell():
    for smallest, expected in ((12, 3), (4, 1), (3, 1), (100, 20)):
        y = np.repeat([0, 1], 2 * 200 + smallest)
        attributes = np.tile(np.repeat([0, 1, 2], [200, 200, smallest]), 2)
        split = glt_split(y, attributes, imbalance_ratio=2, random_state=0)
        assert (table(y, attributes, split.test, (2, 3)) == expected).all()


def test_order_and_labels_of_any_type(cells):
    y, attributes = cells
    names = np.array(list("abcd"))
    numbers = glt_split(y, attributes, order=[3, 2, 1, 0], random_state=0)
    letters = glt_split(names[y].tolist(), names[attributes], order=list("dcba"), random_state=0)
    np.testing.assert_array_equal(numbers.train, letters.train)
    np.testing.assert_array_equal(numbers.test, letters.test)
    assert np.bincount(y[numbers.train]).argmax() == 3
    other = glt_split(y, attributes, order=[3, 2, 1, 0], random_state=1)
    assert set(other.train) != set(numbers.train)


def test_clusters_to_protocol(blobs):
    features, y, _ = blobs
    attributes = attribute_long_tail(features, y, random_state=0)
    split = glt_split(y, attributes, imbalance_ratio=4, random_state=0)
    counts = table(y, split.attributes, split.train, (2, 3))
    assert counts[0].sum() // 4 == counts[1].sum()
    assert (np.diff(counts, axis=1) < 0).all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"protocol": "lt"}, "`protocol` must be one of 'clt', 'alt', 'glt', got 'lt'"),
        ({"attributes": [0, 1]}, "`attributes` must have 120 entries"),
        (
            {"attributes": np.zeros(120)},
            "`proportions` must have one entry per attribute .* 3, and class 0 has 1",
        ),
        ({"proportions": (1, 1)}, "`proportions` .* it has 2, and class 0 has 3"),
        ({"proportions": (2, 1, 0)}, "`proportions` must be > 0, and a millionth"),
        ({"proportions": (1e308, 1e308, 1)}, "`proportions` must be > 0, and a millionth"),
        ({"proportions": (2j, 1, 1)}, "`proportions` must be a sequence of finite numbers, got"),
        ({"proportions": (2, 1, np.nan)}, "`proportions`"),
        ({"proportions": ()}, "`proportions`"),
        ({"proportions": "721"}, "`proportions`"),
        ({"proportions": None}, "`proportions`"),
        ({"per_cell": 0}, r"`per_cell` must be an int in 1\.\.20, got 0"),
        (
            {"per_cell": 15},
            r"`per_cell` \(15\) asks for 47 rows of class 0 with its attribute of rank 0, which "
            r"has 20",
        ),
        ({"n_max": 0}, r"`n_max` must be an int in 1\.\.120, got 0"),
        ({"n_max": 10**400}, "`n_max` must be an int in"),
        (
            {"n_max": 50, "per_cell": 1},
            r"`n_max` \(50\) asks for 35 rows of class 0 .* has 17 to give. At most 24 fit",
        ),
        ({"imbalance_ratio": 0.5}, "`imbalance_ratio`"),
        ({"order": [0]}, "`order`"),
        ({"y": np.zeros(120)}, "`y` must hold 2 or more"),
        ({"random_state": -1}, "`random_state`"),
    ],
)
def test_bad_split(change, message):
    settings = {"y": np.repeat([0, 1], 60), "attributes": np.tile([0, 1, 2], 40)}
    with pytest.raises(ValueError, match=message):
        glt_split(**(settings | change))
