"""How good an inference is, in numbers that can be checked by hand."""

import numpy as np
import pytest
from scipy.stats import binomtest, norm
from sklearn.metrics import roc_auc_score

from sklearn_debias.datasets import make_spurious_embeddings
from sklearn_debias.group_inference import GroupInferrer, inferred_groups_report
from sklearn_debias.group_inference._report import roc_area

TRAIN = make_spurious_embeddings(random_state=0).train
Y = np.array([0] * 10 + [1] * 10)
BIAS = np.array(list("aaaaaaaabbbbbbbbbaaa"))
FOUND = np.array([0] * 7 + [1] + [1, 0] + [0] * 7 + [1, 1, 0])


def test_counts_by_hand():
    frame = inferred_groups_report(Y, FOUND, BIAS).to_frame()
    expected = [[0, 10, 2, 2, 1], [1, 10, 3, 2, 2], ["all", 20, 5, 4, 3]]
    assert frame[["class", "n", "conflicting", "inferred", "both"]].to_numpy().tolist() == expected
    np.testing.assert_allclose(frame["precision"], [1 / 2, 2 / 2, 3 / 4])
    np.testing.assert_allclose(frame["recall"], [1 / 2, 2 / 3, 3 / 5])
    assert "auc" not in frame


def test_the_intervals_are_exact():
    row = inferred_groups_report(Y, FOUND, BIAS, confidence=0.9).to_frame().iloc[-1]
    interval = binomtest(3, 5).proportion_ci(0.9, method="exact")
    np.testing.assert_allclose([row.recall_lower, row.recall_upper], interval)


def test_names_of_inferred_values_do_not_matter():
    frame = inferred_groups_report(Y, FOUND, BIAS).to_frame()
    flipped = np.where(Y == 0, 1 - FOUND, FOUND)  # in one class the majority is 1
    other = inferred_groups_report(Y, flipped.astype(str), BIAS).to_frame()
    assert frame.equals(other)


def test_aligned_values_can_be_given():
    row = inferred_groups_report(Y, FOUND, BIAS, aligned={0: "b", 1: "b"}).to_frame().iloc[0]
    assert row.conflicting == 8


def test_an_inferrer_brings_its_suspicion():
    groups = GroupInferrer("errors", random_state=0).fit(TRAIN.data, TRAIN.target)
    report = inferred_groups_report(TRAIN.target, groups, TRAIN.bias_labels)
    conflicting = TRAIN.bias_labels != TRAIN.target
    for c, auc in zip((0, 1), report.frame.auc, strict=False):
        rows = TRAIN.target == c
        assert auc == pytest.approx(roc_auc_score(conflicting[rows], groups.suspicion_[rows]))
    assert "auc" in report.to_text()
    page = report._repr_html_()
    assert "<table" in page
    assert "intervals: " in page


def test_the_area_is_that_of_the_roc_curve_and_its_bounds_solve_the_equation():
    rng = np.random.default_rng(0)
    positive = rng.random(60) < 0.3
    score = rng.normal(size=60).round(1) + positive
    area, lower, upper = roc_area(positive, score, 0.95)
    assert area == pytest.approx(roc_auc_score(positive, score))
    m, n = positive.sum(), (~positive).sum()
    for bound in (lower, upper):
        spread = 1 + (n - 1) * (1 - bound) / (2 - bound) + (m - 1) * bound / (1 + bound)
        half = norm.ppf(0.975) * np.sqrt(bound * (1 - bound) * spread / (m * n))
        assert abs(area - bound) == pytest.approx(half)


@pytest.mark.parametrize("m", [1, 2, 5])
def test_the_interval_of_the_area_holds_for_a_few_rows(m):
    true = norm.cdf(1.5 / np.sqrt(2))
    positive = np.arange(m + 100) < m
    hits = 0
    for seed in range(300):
        score = np.random.default_rng(seed).normal(size=m + 100) + 1.5 * positive
        _, lower, upper = roc_area(positive, score, 0.95)
        hits += lower <= true <= upper
    assert hits / 300 > 0.85


def test_all_in_order_has_a_lower_bound_below_1():
    area, lower, upper = roc_area(np.arange(10) < 3, -np.arange(10.0), 0.95)
    assert (area, upper) == (1.0, 1.0)
    assert 0.4 < lower < 0.9


def test_nothing_to_divide_by_is_nan():
    found = np.where(Y == 0, 0, FOUND)
    frame = inferred_groups_report(Y, found, BIAS).to_frame()
    assert np.isnan(frame.precision[0])
    assert frame.recall[0] == 0
    assert "-" in str(inferred_groups_report(Y, found, BIAS))
    assert np.isnan(roc_area(np.zeros(4, dtype=bool), np.arange(4.0), 0.95)[0])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"inferred": FOUND[:5]}, "`inferred` must have one label per row of y, 20"),
        ({"bias_labels": BIAS[:5]}, "`bias_labels` must have one value per sample"),
        ({"confidence": 95}, "`confidence`"),
        ({"aligned": {0: "a"}}, "`aligned` must have an entry for every class"),
        ({"bias_labels": np.array(list("ab" * 10))}, "equally frequent"),
    ],
)
def test_bad_input(change, words):
    given = {"y": Y, "inferred": FOUND, "bias_labels": BIAS, **change}
    with pytest.raises(ValueError, match=words):
        inferred_groups_report(**given)


def test_a_class_that_is_called_all_keeps_its_name():
    y = np.where(Y == 0, "all", "some")
    frame = inferred_groups_report(y, FOUND, BIAS).to_frame()
    assert frame["class"].tolist() == ["all", "some", "(all)"]
