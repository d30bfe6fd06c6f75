"""How much of a map lies in a mask, and its mean over images."""

import numpy as np
import pytest

from sklearn_debias.attribution import MeanShare, mean_saliency_share, saliency_share

rng = np.random.default_rng(0)
MAPS = rng.random((50, 4, 6))
MASK = np.zeros((4, 6), bool)
MASK[:2, :3] = True


def test_a_share_is_what_lies_inside():
    expected = [MAPS[i][MASK].sum() / MAPS[i].sum() for i in range(50)]
    np.testing.assert_allclose(saliency_share(MAPS, MASK), expected)
    np.testing.assert_allclose(saliency_share(MAPS, MASK) + saliency_share(MAPS, ~MASK), 1)
    np.testing.assert_allclose(saliency_share(7 * MAPS, MASK), expected)


def test_a_mask_per_map_may_mark_nothing_in_some():
    rng = np.random.default_rng(0)
    masks = rng.random(MAPS.shape) > 0.5
    masks[0] = False
    shares = saliency_share(MAPS, masks)
    assert shares[0] == 0
    for i in range(50):
        np.testing.assert_allclose(shares[i], (MAPS[i] * masks[i]).sum() / MAPS[i].sum())


def test_rows_of_features_have_shares_too():
    np.testing.assert_allclose(saliency_share([[1, 3], [0, 2]], [True, False]), [0.25, 0])


def test_zero_maps_have_no_share_and_are_left_out():
    maps = MAPS.copy()
    maps[3] = 0
    assert np.isnan(saliency_share(maps, MASK)).tolist() == [i == 3 for i in range(50)]
    assert mean_saliency_share(maps, MASK) == mean_saliency_share(np.delete(maps, 3, axis=0), MASK)
    empty = mean_saliency_share(0 * maps, MASK)
    assert empty.n == 0
    assert np.isnan(empty[:4]).all()


def test_equal_maps_have_the_mask_s_area_as_share():
    found = mean_saliency_share(np.ones((5, 4, 6)), MASK)
    assert found == MeanShare(0.25, 0.25, 0.25, 0.25, 5)
    assert str(found) == "0.250 [0.250, 0.250], 0.250 of the area, 5 images"
    one = mean_saliency_share(np.ones((1, 4, 6)), MASK)
    assert one.mean == 0.25
    assert np.isnan([one.low, one.high]).all()


@pytest.mark.parametrize("n", [10, 40])
@pytest.mark.parametrize("confidence", [0.8, 0.95])
def test_the_interval_covers_the_mean(n, confidence):
    """Shares from a skewed distribution, Beta(1, 4) with mean 1/5."""
    n_trials, hits = 2000, 0
    shares = np.random.default_rng(1).beta(1, 4, size=(n_trials, n))
    for row in shares:
        found = mean_saliency_share(
            np.stack([row, 1 - row], axis=1), [True, False], confidence=confidence
        )
        hits += found.low <= 0.2 <= found.high
        assert 0 <= found.low <= found.mean <= found.high <= 1
    spread = np.sqrt(confidence * (1 - confidence) / n_trials)
    assert confidence - 0.05 < hits / n_trials < confidence + 3 * spread


REFUSED = {
    "channels": (np.ones((2, 3, 4, 6)), MASK, "Add up the channels"),
    "text": (np.full((2, 4, 6), "a"), MASK, "`maps` must be numbers"),
    "negative": (MAPS - 0.5, MASK, "np.abs"),
    "NaN": (np.where(MAPS > 0.5, np.nan, MAPS), MASK, "must be finite"),
    "whole numbers as mask": (
        MAPS,
        MASK.astype(int),
        "`mask` must be bool, got int64. Use mask > 0.5",
    ),
    "another size": (
        MAPS,
        MASK.T,
        r"`mask` must have shape \(4, 6\) or \(50, 4, 6\), like the maps, got \(6, 4\)",
    ),
    "one mask too few": (MAPS, np.stack([MASK] * 49), "like the maps"),
    "nothing": (MAPS, MASK & False, "got 0% True"),
    "everything": (MAPS, MASK | True, "got 100% True"),
}


@pytest.mark.parametrize("row", REFUSED)
def test_what_makes_no_share_is_refused(row):
    maps, mask, words = REFUSED[row]
    for function in (saliency_share, mean_saliency_share):
        with pytest.raises(ValueError, match=words):
            function(maps, mask)


@pytest.mark.parametrize("confidence", [0, 1, 95, True, "high"])
def test_the_confidence_is_checked(confidence):
    with pytest.raises(ValueError, match="`confidence` must be a number in"):
        mean_saliency_share(MAPS, MASK, confidence=confidence)
