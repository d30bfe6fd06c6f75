"""Coverage of the intervals by simulation, and what the report says."""

import time

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binomtest

from sklearn_debias.exceptions import DebiasWarning
from sklearn_debias.metrics import group_report, paired_difference, worst_group_accuracy_score
from sklearn_debias.metrics._intervals import binomial_bounds, binomial_share, worst_group_bounds


def test_group_intervals_are_clopper_pearson():
    for hits, n in [(0, 7), (3, 7), (7, 7), (181, 200)]:
        exact = binomtest(hits, n).proportion_ci(0.95, method="exact")
        lower, upper = binomial_bounds(hits, n, 0.025, 0.025)
        assert (lower, upper) == (pytest.approx(exact.low), pytest.approx(exact.high))


def test_a_share_has_exact_bounds_and_none_has_none():
    for hits, n in [(0, 7), (3, 7), (7, 7), (181, 200)]:
        exact = binomtest(hits, n).proportion_ci(0.9, method="exact")
        share, lower, upper = binomial_share(hits, n, 0.9)
        assert share == hits / n
        assert (lower, upper) == (pytest.approx(exact.low), pytest.approx(exact.high))
    assert np.isnan(binomial_share(0, 0, 0.9)).all()


@pytest.mark.parametrize(("n_groups", "n"), [(4, 100), (10, 50)])
@pytest.mark.parametrize("accuracy", [0.5, 0.7, 0.9, 0.97])
def test_worst_group_bounds_cover_when_all_groups_are_equal(n_groups, n, accuracy):
    hits = np.random.default_rng(0).binomial(n, accuracy, size=(5000, n_groups))
    lower, upper = worst_group_bounds(hits, np.full(n_groups, n), 0.95)
    assert np.mean((lower <= accuracy) & (accuracy <= upper)) >= 0.95
    one_group = np.subtract(*binomial_bounds(accuracy * n, n, 0.025, 0.025)[::-1])
    assert np.mean(upper - lower) < 1.6 * one_group


@pytest.mark.parametrize(
    "accuracies", [[0.6, 0.95, 0.95, 0.95], [0.85, 0.9, 0.9, 0.9], [0.8, 0.8, 0.95, 1.0]]
)
@pytest.mark.parametrize("independent", [True, False])
def test_worst_group_bounds_cover_when_groups_differ(accuracies, independent):
    n = np.array([180, 40, 500, 100])
    hits = np.random.default_rng(1).binomial(n, accuracies, size=(5000, 4))
    lower, upper = worst_group_bounds(hits, n, 0.95, independent=independent)
    worst = min(accuracies)
    assert np.mean((lower <= worst) & (worst <= upper)) >= 0.95


def test_a_percentile_bootstrap_of_the_minimum_covers_too_rarely():
    """Show why the bounds are not a bootstrap.

    With four equal groups of 100 it misses about three times in ten.
    """
    rng = np.random.default_rng(0)
    hits = rng.binomial(100, 0.9, size=(800, 4))
    replicate = rng.binomial(100, hits / 100, size=(1000, 800, 4)).min(axis=-1) / 100
    lower, upper = np.quantile(replicate, [0.025, 0.975], axis=0)
    assert np.mean((lower <= 0.9) & (upper >= 0.9)) < 0.8


Y = np.repeat([0, 0, 1], [40, 10, 50])
BIAS = np.repeat(["land", "sea", "sea"], [40, 10, 50])
PRED = np.where(np.arange(100) % 5 == 0, 1 - Y, Y)
PRED[40:44] = 1
SHARES = {(0, "land"): 0.5, (0, "sea"): 0.05, (1, "sea"): 0.45}
ALIGNED = {0: "land", 1: "sea"}


def test_report_says_everything_by_name():
    report = group_report(Y, PRED, bias_labels=BIAS, aligned=ALIGNED, group_shares=SHARES)
    assert report.worst_group == (0, "sea")
    assert (
        report.worst_group_accuracy == worst_group_accuracy_score(Y, PRED, bias_labels=BIAS) == 0.5
    )
    low, high = report.worst_group_interval
    row = report.to_frame().set_index(["class", "bias"]).loc[(0, "sea")]
    assert low <= row["lower"] < 0.5 < high < 0.86
    assert report.absent == ((1, "land"),)
    assert set(report.averages) == {"raw", "group_mean", "adjusted"}
    assert set(report.alignment) == {"aligned_accuracy", "conflicting_accuracy", "bias_gap"}
    text = str(report)
    for part in (
        "100 samples in 3 groups",
        "exact 95 % interval",
        "(0, 'sea')",
        "raw, over all samples",
        "unweighted mean of the groups",
        "adjusted by the training shares",
        "absent groups   1: (1, 'land')",
        f"[{low:.3f}, {high:.3f}]",
    ):
        assert part in text
    frame = report.to_frame()
    assert list(frame.columns) == ["class", "bias", "n", "accuracy", "lower", "upper", "aligned"]
    assert frame["n"].tolist() == [40, 10, 50]
    assert frame["aligned"].tolist() == [True, False, True]
    frame["n"] = 0
    assert report.frame["n"].tolist() == [40, 10, 50]


def test_html_is_escaped():
    page = group_report(
        Y, PRED, bias_labels=np.where(BIAS == "sea", "<b>sea</b>", "land")
    )._repr_html_()
    assert "<b>sea</b>" not in page
    assert "&lt;b&gt;sea" in page


def test_report_on_classes_and_on_membership():
    with pytest.warns(DebiasWarning, match="worst CLASS"):
        by_class = group_report(Y, PRED)
    assert list(by_class.frame.columns[:2]) == ["class", "n"]
    member = pd.DataFrame({"first": Y == 0, "all": True, "none": False})
    report = group_report(Y, PRED, membership=member)
    assert report.frame["group"].tolist() == ["first", "all"]
    assert report.absent == ("none",)


def test_weighted_intervals_are_approximate_unless_weights_are_equal():
    equal = group_report(Y, PRED, bias_labels=BIAS, sample_weight=np.full(100, 3.0))
    pd.testing.assert_frame_equal(equal.frame, group_report(Y, PRED, bias_labels=BIAS).frame)
    assert equal.exact
    weight = np.random.default_rng(0).exponential(size=100)
    uneven = group_report(Y, PRED, bias_labels=BIAS, sample_weight=weight)
    assert "approximate (weighted)" in str(uneven)
    width = uneven.frame["upper"] - uneven.frame["lower"]
    assert (width > (equal.frame["upper"] - equal.frame["lower"])).all()


@pytest.mark.parametrize("confidence", [0, 1, 95, "high", True, np.nan])
def test_bad_confidence_raises(confidence):
    with pytest.raises(ValueError, match="`confidence` must be a number in"):
        group_report(Y, PRED, bias_labels=BIAS, confidence=confidence)


def simulate(rng, accuracy_a, accuracy_b, n):
    """Two correlated models: 0/1 predictions of class 0 in groups of n."""
    shared, own = rng.random((2, len(accuracy_a), n))
    mixed = np.where(rng.random(own.shape) < 0.6, shared, own)
    return (shared > np.c_[accuracy_a]).astype(int).ravel(), (mixed > np.c_[accuracy_b]).astype(
        int
    ).ravel()


@pytest.mark.parametrize(
    ("accuracy_a", "accuracy_b"),
    [([0.8] * 4, [0.8] * 4), ([0.9] * 4, [0.85] * 4), ([0.9] * 4, [0.95] * 3 + [0.7])],
)
def test_paired_interval_covers_the_difference_of_worst_groups(accuracy_a, accuracy_b):
    rng = np.random.default_rng(0)
    bias = np.repeat(np.arange(4), 100)
    true, covered = min(accuracy_a) - min(accuracy_b), 0
    for _ in range(200):
        pred_a, pred_b = simulate(rng, accuracy_a, accuracy_b, 100)
        result = paired_difference(
            np.zeros(400, int), pred_a, pred_b, bias_labels=bias, n_resamples=400, random_state=rng
        )
        covered += result.interval[0] <= true <= result.interval[1]
    assert covered / 200 >= 0.9


def test_paired_interval_of_the_mean_agrees_with_the_normal_one():
    rng = np.random.default_rng(0)
    pred_a, pred_b = simulate(rng, [0.9, 0.8], [0.8, 0.75], 2000)
    y, bias = np.zeros(4000, int), np.repeat([0, 1], 2000)
    result = paired_difference(
        y, pred_a, pred_b, metric="group_mean_accuracy", bias_labels=bias, random_state=0
    )
    change = (pred_b - pred_a).reshape(2, 2000)
    half = 1.96 * np.sqrt(change.var(axis=1).sum() / 2000) / 2
    assert result.difference == pytest.approx(change.mean())
    np.testing.assert_allclose(
        result.interval, [change.mean() - half, change.mean() + half], atol=0.15 * half
    )


def test_paired_difference_is_fast_reproducible_and_leaves_the_global_generator_alone():
    rng = np.random.default_rng(0)
    y, bias = rng.integers(10, size=10_000), rng.integers(10, size=10_000)
    pred_a, pred_b = (np.where(rng.random(10_000) < 0.8, y, 0) for _ in range(2))
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    start = time.process_time()  # of this process alone, however busy the machine
    first = paired_difference(y, pred_a, pred_b, bias_labels=bias, random_state=3)
    assert time.process_time() - start < 1
    assert first == paired_difference(y, pred_a, pred_b, bias_labels=bias, random_state=3)
    paired_difference(y, pred_a, pred_b, bias_labels=bias)
    np.testing.assert_array_equal(before, np.random.get_state()[1])  # noqa: NPY002
    assert "95 % interval" in str(first)


def test_paired_difference_takes_every_metric_and_membership():
    y, bias = Y, BIAS
    other = np.where(np.arange(100) % 3 == 0, 1 - y, y)
    facts = {"aligned": ALIGNED, "group_shares": SHARES}
    for metric in ("adjusted_accuracy", "conflicting_accuracy", "aligned_accuracy", "bias_gap"):
        result = paired_difference(
            y,
            PRED,
            other,
            metric=metric,
            bias_labels=bias,
            random_state=0,
            n_resamples=100,
            **facts,
        )
        assert result.interval[0] <= result.interval[1]
        assert result.difference == result.score_a - result.score_b
    cells = pd.get_dummies(pd.Series([f"{a}{b}" for a, b in zip(y, bias, strict=True)])).astype(
        bool
    )
    by_member = paired_difference(y, PRED, other, membership=cells, random_state=0)
    by_bias = paired_difference(y, PRED, other, bias_labels=bias, random_state=0)
    assert by_member.difference == pytest.approx(by_bias.difference)
    np.testing.assert_allclose(by_member.interval, by_bias.interval, atol=0.1)
    every_row_alone = np.random.default_rng(0).random((100, 12)) < 0.5
    low, high = paired_difference(
        y, PRED, other, membership=every_row_alone, random_state=0
    ).interval
    assert high - low > 0.1
    for bad, match in [
        ({"metric": "accuracy"}, "`metric` must be one of"),
        ({"n_resamples": 10}, "`n_resamples` must be an int in 100.."),
        ({"n_resamples": 200.0}, "`n_resamples`"),
        ({"random_state": "a"}, "`random_state` must be"),
        ({"random_state": -1}, "`random_state` must be"),
    ]:
        with pytest.raises(ValueError, match=match):
            paired_difference(y, PRED, other, bias_labels=bias, **bad)
