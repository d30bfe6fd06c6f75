"""Slices of errors: how many clusters, whatever their sizes, and what they cost."""

import numpy as np
import pytest

from sklearn_debias.inspection._slices import FEWEST, SILHOUETTE_ROWS, Judged, _centres, slices_of


@pytest.mark.parametrize("seed", range(3))
def test_one_outlier_among_many_rows_is_no_error(seed):
    """The sample of the silhouette may miss the outlier, and then holds a single cluster."""
    rng = np.random.default_rng(seed)
    points = rng.normal(scale=1e-3, size=(SILHOUETTE_ROWS + 4000, 3))
    points[0] = 1e3
    # Two clusters are skipped, and more of one bump are none.
    np.testing.assert_array_equal(_centres(points, seed), points.mean(axis=0, keepdims=True))


def test_clusters_of_many_rows_are_still_told_apart():
    rng = np.random.default_rng(0)
    places = np.array([[0.0, 0.0], [9.0, 0.0], [0.0, 9.0]])
    points = np.repeat(places, 1000, axis=0) + rng.normal(scale=0.3, size=(3000, 2))
    centres = _centres(points, 0)
    assert len(centres) == 3
    nearest = np.linalg.norm(centres[:, None] - places, axis=2).min(axis=1)
    assert nearest.max() < 0.1


def test_the_errors_of_a_slice_are_nearest_to_its_centre():
    """Of two bumps of one class the model is wrong in one: that bump is the slice."""
    rng = np.random.default_rng(1)
    codes = np.repeat([0, 1], 400)
    wrong = np.arange(800) < 100
    probabilities = np.eye(2)[codes ^ wrong]
    coordinates = rng.normal(size=(800, 2))
    coordinates[wrong] += 20
    slices, unseen = slices_of(Judged(codes, probabilities, coordinates), seed=0)
    np.testing.assert_array_equal(slices >= 0, wrong)
    assert wrong.sum() > FEWEST
    assert unseen.sum() == 400
