"""Whole numbers that lie close together are counted, with the same result as if sorted."""

import numpy as np
import pandas as pd
import pytest

from sklearn_debias.metrics import encode_bias, group_cells, worst_group_accuracy_score
from sklearn_debias.metrics._codes import observed

FAR = 2**62  # no table is so long
COLUMNS = {
    "from_0": np.array([2, 0, 1, 1, 2], dtype=np.int64),
    "with_gaps": np.array([7, -3, 7, 40, 0], dtype=np.int16),
    "far_apart": np.array([FAR, -FAR, 0, FAR, 0]),
    "the_largest_range": np.array([-(2**63), 2**63 - 1, 0]),
    "int8_at_its_ends": np.array([-128, 127, -128, 0], dtype=np.int8),
    "unsigned_beyond_int64": np.array([2**64 - 1, 2**64 - 2, 2**64 - 1], dtype=np.uint64),
    "unsigned_around_2_63": np.array([2**63, 2**63 - 1, 2**63 + 1], dtype=np.uint64),
    "booleans": np.array([True, False, True]),
    "one_boolean": np.array([True, True]),
    "foreign_byte_order": np.array([3, 1, 3], dtype=">i4"),
    "strided": np.arange(12, dtype=np.int32)[::-3],
}


@pytest.mark.parametrize("as_series", [False, True], ids=["array", "series"])
@pytest.mark.parametrize("name", COLUMNS)
def test_whole_numbers_are_encoded_as_if_sorted(name, as_series):
    column = COLUMNS[name]
    before = column.copy()
    given = pd.Series(column.astype(column.dtype.newbyteorder("="))) if as_series else column
    codes, values = encode_bias(given, len(column))
    unique, inverse = np.unique(before, return_inverse=True)
    assert values == unique.tolist()
    assert [type(value) for value in values] == [type(value) for value in unique.tolist()]
    np.testing.assert_array_equal(codes, inverse)
    assert codes.dtype == np.intp
    assert not np.shares_memory(codes, column)
    np.testing.assert_array_equal(column, before)


@pytest.mark.parametrize("far", [False, True], ids=["counted", "hashed"])
def test_crossed_attributes_are_the_distinct_rows(far):
    rng = np.random.default_rng(0)
    table = rng.integers(0, 3, (200, 4)) * (FAR // 4 if far else 1)
    codes, values = encode_bias(table, len(table))
    rows, inverse = np.unique(table, axis=0, return_inverse=True)
    assert values == [tuple(row) for row in rows.tolist()]
    np.testing.assert_array_equal(codes, inverse.ravel())


def test_many_crossed_attributes_do_not_overflow():
    table = np.eye(70, dtype=int).repeat(2, axis=0)  # 2 ** 70 joint values, 70 of which occur
    codes, values = encode_bias(table, len(table))
    assert len(values) == 70
    np.testing.assert_array_equal(codes, np.arange(70).repeat(2)[::-1])


@pytest.mark.parametrize("bound", [50, 10**9], ids=["counted", "hashed"])
def test_observed_codes(bound):
    codes = np.random.default_rng(0).choice([3, 7, 11, 49], 100)
    seen, positions = observed(codes, bound)
    expected = np.unique(codes, return_inverse=True)
    np.testing.assert_array_equal(seen, expected[0])
    np.testing.assert_array_equal(positions, expected[1])


@pytest.mark.parametrize("overlap", [False, True], ids=["cells", "membership"])
def test_no_weights_are_weights_of_1(overlap):
    rng = np.random.default_rng(0)
    y, predicted, bias = rng.integers(0, 4, (3, 500))
    member = rng.random((500, 3)) < 0.4
    groups = {"membership": member} if overlap else {"bias_labels": bias}
    plain = worst_group_accuracy_score(y, predicted, **groups)
    assert plain == worst_group_accuracy_score(y, predicted, sample_weight=np.ones(500), **groups)
    by_hand = member.T if overlap else [(y == c) & (bias == b) for c in range(4) for b in range(4)]
    assert plain == min(np.mean(y[rows] == predicted[rows]) for rows in by_hand)


def test_codes_of_cells_are_not_the_callers_labels():
    y = np.array([0, 1, 2])
    codes, _ = group_cells(y, np.zeros(3, dtype=int))
    codes[:] = 9
    assert y.tolist() == [0, 1, 2]
