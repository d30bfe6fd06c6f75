"""The statistics of a bias report, against loops that read like their definitions."""

import numpy as np
import pytest
from scipy.stats import beta

from sklearn_debias.inspection._dependence import (
    Columns,
    Folds,
    balanced_accuracies,
    balanced_bounds,
    count,
    mutual_information,
    p_values,
    permuted,
    right_by_class,
)


def drawn(n=60, n_classes=3, sizes=(2, 5, 1), seed=0):
    rng = np.random.default_rng(seed)
    y = rng.integers(0, n_classes, n)
    columns = [rng.integers(0, size, n) for size in sizes]
    folds = Folds.stratified(y, n_classes, 4, rng)
    return y, columns, folds, Columns.beside(columns, list(sizes)), rng


def accuracy_by_hand(y, fold, x):
    """Predict each row by the class with the greatest lift, among the rows of other folds."""
    right = {int(c): [] for c in np.unique(y)}
    for i in range(len(y)):
        others = fold != fold[i]
        lifts = {}
        for c in right:
            of_class = others & (y == c)
            lifts[c] = np.mean(x[of_class] == x[i]) if of_class.any() else 0
        best = [c for c in right if np.isclose(lifts[c], max(lifts.values()), atol=1e-12)]
        right[int(y[i])].append((y[i] in best) / len(best))
    return np.mean([np.mean(r) for r in right.values()])


@pytest.mark.parametrize("seed", range(5))
def test_the_balanced_accuracy_is_that_of_a_loop(seed):
    y, raw, folds, columns, _ = drawn(seed=seed)
    found = balanced_accuracies(count(folds, columns), folds, columns)
    fold = folds.codes // 3
    np.testing.assert_allclose(found, [accuracy_by_hand(y, fold, x) for x in raw])
    assert found[2] == pytest.approx(1 / 3)  # one value for all rows tells nothing


def test_folds_are_of_equal_size_and_stratified():
    y = np.r_[np.zeros(41, int), np.ones(13, int), 2]
    folds = Folds.stratified(y, 3, 5, np.random.default_rng(0))
    assert folds.class_sizes.tolist() == [41, 13, 1]
    assert np.ptp(folds.sizes, axis=0).max() <= 1
    assert folds.sizes.sum(axis=1).tolist() == [11] * 5


def test_permutations_keep_the_counts_of_classes_and_values():
    _, _, folds, columns, rng = drawn()
    as_is = count(folds, columns)
    other = count(folds, columns, rng.permutation(60))
    assert not np.array_equal(as_is, other)
    np.testing.assert_array_equal(as_is.sum(axis=(0, 1)), other.sum(axis=(0, 1)))
    np.testing.assert_array_equal(as_is.sum(axis=2), other.sum(axis=2))


def test_scores_are_the_same_in_batches_of_any_size(monkeypatch):
    _, _, folds, columns, _ = drawn()
    found = permuted(folds, columns, 20, np.random.default_rng(1), list)
    monkeypatch.setattr("sklearn_debias.inspection._dependence.BATCH", 1)
    one_by_one = permuted(folds, columns, 20, np.random.default_rng(1), list)
    assert found.shape == (21, 2, 3)
    np.testing.assert_array_equal(found, one_by_one)


def test_p_values_step_down():
    """Each column is compared with the greatest of those that have no more evidence."""
    rng = np.random.default_rng(0)
    scores = rng.normal(size=(200, 2, 6))
    scores[0] += np.array([5, 0, 3, 0, 1, 2])
    alone, corrected, evidence = p_values(scores)
    z = ((scores - scores.mean(axis=0)) / scores.std(axis=0)).max(axis=1)
    np.testing.assert_allclose(evidence, z[0])
    left = list(range(6))
    last = 0.0
    for j in sorted(left, key=lambda j: -z[0, j]):
        last = max(last, np.mean(z[:, left].max(axis=1) >= z[0, j] - 1e-9))
        left.remove(j)
        assert corrected[j] == pytest.approx(last)
        assert alone[j] == pytest.approx(np.mean(z[:, j] >= z[0, j] - 1e-9))
    assert (corrected >= alone).all()
    assert alone[0] == corrected[0] == 1 / 200


def test_columns_that_are_copies_need_no_correction():
    _, _, folds, _, rng = drawn(n_classes=2)
    x = rng.integers(0, 2, 60)
    copies = Columns.beside([x] * 30, [2] * 30)
    alone, corrected, _ = p_values(permuted(folds, copies, 99, rng, list))
    np.testing.assert_allclose(corrected, alone)


def test_a_score_that_never_varies_is_no_evidence():
    alone, corrected, evidence = p_values(np.full((20, 2, 3), 0.3))
    assert (alone == 1).all()
    assert (corrected == 1).all()
    assert (evidence == 0).all()


def test_bounds_of_one_class_are_exact():
    right = np.array([[7.0], [10.0]])
    sizes = np.array([10, 10])
    lower, upper = balanced_bounds(right, sizes, 0.9)
    below = [0.7 - beta.ppf(0.05, 7, 4), 1 - beta.ppf(0.05, 10, 1)]
    above = [beta.ppf(0.95, 8, 3) - 0.7, 0]
    np.testing.assert_allclose(lower, 0.85 - np.hypot(*below) / 2)
    np.testing.assert_allclose(upper, 0.85 + np.hypot(*above) / 2)


def test_rows_right_are_shared_where_classes_tie():
    """One row of each class and value in each of two folds: every lift is equal."""
    y = np.repeat([0, 1], 4)
    x = np.tile([0, 0, 1, 1], 2)
    codes = np.tile([0, 1], 4) * 2 + y
    folds = Folds(codes, np.full((2, 2), 2))
    columns = Columns.beside([x], [2])
    right = right_by_class(count(folds, columns), folds, columns)
    np.testing.assert_array_equal(right, [[2], [2]])


def test_information_of_a_perfect_table_and_of_none():
    middle, low, high = mutual_information(np.diag([50, 50]), 0.95)
    assert middle == high == pytest.approx(np.log(2))
    assert low < middle
    assert mutual_information(np.full((2, 2), 25), 0.95)[:2] == (0, 0)


def test_intervals_of_the_information_cover():
    """A column that is right in 3 of 4 rows: the true information is known."""
    rng = np.random.default_rng(0)
    truth = np.log(2) + 0.75 * np.log(0.75) + 0.25 * np.log(0.25)
    covered = 0
    for _ in range(300):
        table = rng.multinomial(200, [0.375, 0.125, 0.125, 0.375]).reshape(2, 2)
        _, low, high = mutual_information(table, 0.95)
        covered += low <= truth <= high
    assert 0.92 <= covered / 300 <= 0.98
