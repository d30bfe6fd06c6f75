"""Several fits per model on the same rows: what the seeds add to the luck of the rows."""

import numpy as np
import pytest
from scipy import stats

from sklearn_debias.metrics import paired_difference, worst_group_accuracy_score
from sklearn_debias.metrics.internal import cross, find_groups

Y = np.repeat([0, 1], 100)
BIAS = np.tile([0, 1], 100)


def groups_of(y=Y, bias=BIAS, **more):
    return find_groups((y, np.unique(y)), keep=np.ones(len(y), bool), bias_labels=bias, **more)


def predictions(rng, errors, n_fits):
    """Predictions of some fits, each with its share of errors."""
    shares = rng.uniform(*errors, size=(n_fits, 1))
    return np.where(rng.random((n_fits, len(Y))) < shares, 1 - Y, Y)


def test_scores_are_means_over_the_fits():
    rng = np.random.default_rng(0)
    a, b = predictions(rng, (0.1, 0.2), 3), predictions(rng, (0.2, 0.4), 4)
    found = paired_difference(Y, a, b, bias_labels=BIAS, random_state=0)
    means = [
        np.mean([worst_group_accuracy_score(Y, fit, bias_labels=BIAS) for fit in fits])
        for fits in (a, b)
    ]
    assert [found.score_a, found.score_b] == pytest.approx(means)
    assert found.n_fits == (3, 4)
    assert "fits: a 3, b 4" in str(found)


def test_fits_that_are_alike_add_nothing_but_the_rows():
    rng = np.random.default_rng(1)
    a, b = predictions(rng, (0.1, 0.1), 1), predictions(rng, (0.3, 0.3), 1)
    one = paired_difference(Y, a[0], b[0], bias_labels=BIAS, random_state=0, n_resamples=20_000)
    same = paired_difference(
        Y,
        np.repeat(a, 4, 0),
        np.repeat(b, 4, 0),
        bias_labels=BIAS,
        random_state=1,
        n_resamples=20_000,
    )
    assert same.difference == pytest.approx(one.difference)
    assert same.interval == pytest.approx(one.interval, abs=0.011)


def test_without_luck_of_rows_the_interval_is_students():
    # Every row of a group is right, or none is: only the seeds differ.
    fits = np.array([[1.0, 1, 1, 1], [1, 1, 1, 1], [0, 0, 0, 0], [1, 1, 1, 1]])[
        :, groups_of().strata
    ]
    found = cross(
        groups_of(),
        [fits == 1],
        {"worst": None},
        n_resamples=200_000,
        rng=np.random.default_rng(0),
    )["worst"]
    scores = found.scores[0]
    expected = stats.t.interval(0.95, 3, scores.mean(), stats.sem(scores))
    np.testing.assert_allclose(np.ravel(found.intervals(0.95)), expected, atol=0.02)


def test_pairs_of_fits_share_their_luck():
    # Whole groups are right or wrong, so that only seeds differ; the second model adds one error.
    luck = np.array([[1, 1, 1, 1], [0, 0, 1, 1], [0, 1, 1, 1], [0, 0, 0, 1], [1, 1, 1, 1]])
    more = luck.copy()
    more[2] = [0, 0, 1, 1]
    strata = groups_of().strata
    right = [fits[:, strata] == 1 for fits in (luck, more)]
    mean = np.full(4, 0.25)
    settings = {"n_resamples": 50_000}
    numbers = [np.arange(5)] * 2
    one, other = (
        cross(
            groups_of(), right, {"m": mean}, rng=np.random.default_rng(0), pairs=pairs, **settings
        )
        for pairs in (numbers, None)
    )
    apart = more.mean(axis=1) - luck.mean(axis=1)
    expected = stats.t.interval(0.95, 4, apart.mean(), stats.sem(apart))
    paired = one["m"].against(0, 0.95)
    assert (paired.lower[1], paired.upper[1]) == pytest.approx(expected, abs=0.005)
    alone = other["m"].against(0, 0.95)
    assert alone.upper[1] - alone.lower[1] > 4 * (paired.upper[1] - paired.lower[1])
    assert alone.difference == pytest.approx(paired.difference)
    for found in (one, other):  # of one model, pairs tell nothing
        ends = stats.t.interval(0.95, 4, luck.mean(), stats.sem(luck.mean(axis=1)))
        np.testing.assert_allclose(found["m"].intervals(0.95)[0][0], ends[0], atol=0.02)


def test_pairs_are_those_of_the_same_number():
    # The second model lacks the first fit, and is better by .25 in each of the others.
    luck = np.array([[1, 1, 1, 1], [0, 0, 1, 1], [0, 1, 1, 0], [0, 0, 0, 1], [0, 0, 0, 0]])
    more = np.array([[1, 0, 1, 1], [1, 1, 1, 0], [0, 1, 0, 1], [1, 0, 0, 0]])
    strata = groups_of().strata
    right = [fits[:, strata] == 1 for fits in (luck, more)]
    rng = np.random.default_rng(0)
    mean = {"m": np.full(4, 0.25)}
    numbers = [np.arange(5), np.arange(1, 5)]
    pairs = cross(groups_of(), right, mean, n_resamples=20_000, rng=rng, pairs=numbers)["m"]
    turned = [np.arange(5), np.arange(4, 0, -1)]
    wrong = cross(groups_of(), right, mean, n_resamples=20_000, rng=rng, pairs=turned)["m"]
    of_difference = [f.shared.trace() - 2 * f.shared[0, 1] for f in (pairs, wrong)]
    assert of_difference[0] < 0.4 * of_difference[1]
    ends = [f.against(0, 0.95) for f in (pairs, wrong)]
    assert np.ptp([ends[0].lower[1], ends[0].upper[1]]) < np.ptp(
        [ends[1].lower[1], ends[1].upper[1]]
    )


def test_the_better_of_each_pair_is_the_best():
    rng = np.random.default_rng(0)
    luck = rng.uniform(0.3, 0.7, size=(5, 1))
    base = np.arange(len(Y)) % 50 < 50 * luck
    better = np.arange(len(Y)) % 50 < 50 * luck + 8
    settings = {"n_resamples": 4000, "rng": rng}
    numbers = [np.arange(5)] * 2
    paired = cross(groups_of(), [base, better], {"m": None}, pairs=numbers, **settings)["m"]
    apart = cross(groups_of(), [base, better], {"m": None}, **settings)["m"]
    assert paired.best()[1] > 0.95 > apart.best()[1]


@pytest.mark.slow
def test_paired_intervals_hold_where_all_models_are_equal():
    rng = np.random.default_rng(4)
    n_times, held = 300, 0
    for _ in range(n_times):
        shares = rng.uniform(0.1, 0.4, size=(5, 1))  # luck that all models share
        right = [rng.random((5, len(Y))) > shares for _ in range(4)]
        settings = {"n_resamples": 400, "rng": rng, "pairs": [np.arange(5)] * 4}
        joint = cross(groups_of(), right, {"m": None}, **settings)["m"].against(0, 0.95)
        held += ((joint.lower <= 0) & (joint.upper >= 0)).all()
    # At a true coverage of .93 fewer than 267 are seen once in a hundred times.
    assert held >= stats.binom.ppf(0.01, n_times, 0.93)


def test_joint_intervals_are_wider_and_the_reference_is_sure():
    rng = np.random.default_rng(2)
    right = [predictions(rng, (0.1, 0.3), 5) == Y for _ in range(6)]
    found = cross(groups_of(), right, {"m": None}, n_resamples=4000, rng=rng)["m"]
    joint = found.against(2, 0.95)
    assert (joint.lower[2], joint.difference[2], joint.upper[2]) == (0, 0, 0)
    for i in (0, 1, 3, 4, 5):
        assert joint.difference[i] == pytest.approx(found.means[i] - found.means[2])
        low, high = np.quantile(found.mirrored[:, i] - found.mirrored[:, 2], [0.025, 0.975])
        assert joint.upper[i] - joint.lower[i] > high - low
    assert found.best().sum() == pytest.approx(1)
    assert found.best().argmax() == found.means.argmax()


def test_overlapping_groups_and_weighted_sums():
    rng = np.random.default_rng(3)
    member = np.stack([BIAS == 0, Y == 1, np.ones(len(Y), bool)], axis=1)
    groups = find_groups((Y, np.unique(Y)), keep=np.ones(len(Y), bool), membership=member)
    right = predictions(rng, (0.2, 0.2), 6) == Y
    weights = {"all": np.array([0.0, 0.0, 1.0]), "worst": None}
    found = cross(groups, [right], weights, n_resamples=20_000, rng=rng)
    assert found["all"].scores[0] == pytest.approx(right.mean(axis=1))
    accuracies = [right[:, member[:, k]].mean(axis=1) for k in range(3)]
    assert found["worst"].scores[0] == pytest.approx(np.min(accuracies, axis=0))
    of_rows = right.mean(axis=0).var() / len(Y)
    of_seeds = stats.sem(right.mean(axis=1)) ** 2 * 5 / 3  # the variance of Student's t with 5
    assert found["all"].replicates.var() == pytest.approx(of_rows + of_seeds, rel=0.1)


@pytest.mark.parametrize("shape", [(0, 200), (2, 199)])
def test_fits_of_other_shapes_are_named(shape):
    with pytest.raises(ValueError, match="`y_pred_b` must"):
        paired_difference(Y, Y, np.zeros(shape, int), bias_labels=BIAS)
