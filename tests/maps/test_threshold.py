"""Where a map is cut in two, by trying all cuts."""

import numpy as np
import pytest
import torch

from sklearn_debias.maps import otsu_threshold


def by_hand(values):
    """Return the largest low value of the cut whose parts have means farthest apart."""
    distinct = np.unique(values)
    best, at = -1.0, distinct[-1]  # without a cut, all are low
    for value in distinct[:-1]:
        low, high = values[values <= value], values[values > value]
        between = len(low) * len(high) * (high.mean() - low.mean()) ** 2
        if between > best + 1e-12:
            best, at = between, value
    return at


@pytest.mark.parametrize("levels", [2, 5, 1000])
@pytest.mark.parametrize("n", [1, 2, 3, 16])
def test_the_cut_is_that_of_all_cuts(n, levels):
    rng = np.random.default_rng(levels)
    maps = rng.integers(0, levels, (20, n)) ** 2 / levels**2
    expected = [by_hand(row) for row in maps]
    np.testing.assert_allclose(otsu_threshold(torch.tensor(maps)).numpy(), expected)


@pytest.mark.parametrize("shape", [(3, 1), (3, 1, 1), (3, 2, 2)])
def test_all_of_a_constant_map_is_low(shape):
    maps = torch.full(shape, 0.1)
    assert torch.equal(otsu_threshold(maps), torch.full((3,), 0.1))
