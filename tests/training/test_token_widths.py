"""For prediction, rows of tokens are padded to a width that depends on nothing but the row."""

import numpy as np
import pytest
import torch

from sklearn_debias.core.internal import PADDING, TokenLimits
from sklearn_debias.training import TokenSource


def widths(lengths, limit=None):
    """Return the width that each row is padded to, and look at what is in it."""
    rows = [{"input_ids": np.arange(1, n + 1)} for n in lengths]
    source = TokenSource(rows, 2).limited(TokenLimits(limit))
    found = np.zeros(len(rows), dtype=int)
    for places, group in source.groups(source.take(np.arange(len(rows)))):
        found[places] = group.shape[2]
        for i, row in zip(places, group, strict=True):
            n = lengths[i]
            np.testing.assert_array_equal(row[0, :n], np.arange(1, n + 1))
            assert (row[0, n:] == PADDING).all()
            assert row[1].tolist() == [1] * n + [0] * (row.shape[1] - n)
    return found.tolist()


def test_a_width_is_the_next_multiple_of_32():
    assert widths([1, 31, 32, 33, 64, 65]) == [32, 32, 32, 64, 64, 96]


def test_a_width_does_not_depend_on_other_rows():
    lengths = [3, 40, 90]
    assert widths(lengths) == [width for n in lengths for width in widths([n])]


@pytest.mark.parametrize(("limit", "expected"), [(50, [32, 50, 50]), (32, [32]), (20, [20, 20])])
def test_no_row_is_padded_beyond_what_the_network_takes(limit, expected):
    lengths = {50: [10, 33, 50], 32: [32], 20: [1, 20]}[limit]
    assert widths(lengths, limit) == expected


def test_the_order_of_rows_is_told():
    source = TokenSource([{"input_ids": [7] * n} for n in (40, 5, 33, 6)], 2)
    groups = source.groups(source.take(np.arange(4)))
    assert [places.tolist() for places, _ in groups] == [[1, 3], [0, 2]]
    assert all(torch.is_tensor(rows) for _, rows in groups)
