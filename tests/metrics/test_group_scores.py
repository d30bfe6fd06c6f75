"""Values, identities and absent groups of the group metrics."""

import warnings

import numpy as np
import pandas as pd
import pytest
from fairlearn.metrics import MetricFrame
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score

from sklearn_debias.exceptions import DebiasWarning
from sklearn_debias.metrics import (
    adjusted_accuracy_score,
    aligned_accuracy_score,
    aligned_map,
    bias_gap_score,
    conflicting_accuracy_score,
    group_mean_accuracy_score,
    group_report,
    group_shares_map,
    harmonic_accuracy_score,
    worst_group_accuracy_score,
)

Y_TRUE = ["cow", "cow", "cow", "cow", "camel", "camel", "camel", "camel"]
BIAS = ["grass", "grass", "grass", "sand", "sand", "sand", "grass", "grass"]
Y_PRED = ["cow", "cow", "camel", "camel", "camel", "camel", "cow", "camel"]
ALIGNED = {"cow": "grass", "camel": "sand"}
SHARES = {
    ("cow", "grass"): 0.6,
    ("cow", "sand"): 0.1,
    ("camel", "grass"): 0.1,
    ("camel", "sand"): 0.2,
}


def test_values_by_hand():
    assert worst_group_accuracy_score(Y_TRUE, Y_PRED, bias_labels=BIAS) == 0
    assert group_mean_accuracy_score(Y_TRUE, Y_PRED, bias_labels=BIAS) == pytest.approx(
        (2 / 3 + 0 + 1 / 2 + 1) / 4
    )
    adjusted = adjusted_accuracy_score(Y_TRUE, Y_PRED, group_shares=SHARES, bias_labels=BIAS)
    assert adjusted == pytest.approx(0.6 * 2 / 3 + 0 + 0.1 / 2 + 0.2)
    aligned = aligned_accuracy_score(Y_TRUE, Y_PRED, aligned=ALIGNED, bias_labels=BIAS)
    conflicting = conflicting_accuracy_score(Y_TRUE, Y_PRED, aligned=ALIGNED, bias_labels=BIAS)
    assert (aligned, conflicting) == (pytest.approx(4 / 5), pytest.approx(1 / 3))
    gap = bias_gap_score(Y_TRUE, Y_PRED, aligned=ALIGNED, bias_labels=BIAS)
    assert gap == pytest.approx(aligned - conflicting)
    harmonic = harmonic_accuracy_score(Y_TRUE, Y_PRED, aligned=ALIGNED, bias_labels=BIAS)
    assert harmonic == pytest.approx(2 / (5 / 4 + 3 / 1))


def test_the_harmonic_mean_favours_neither_the_shortcut_nor_its_opposite():
    follows = ["cow" if place == "grass" else "camel" for place in BIAS]
    opposes = ["camel" if place == "grass" else "cow" for place in BIAS]
    for predicted, expected in ((follows, 0), (opposes, 0), (Y_TRUE, 1)):
        found = harmonic_accuracy_score(Y_TRUE, predicted, aligned=ALIGNED, bias_labels=BIAS)
        assert found == expected
    # 8 of 10 aligned rows and 2 of 2 conflicting ones count alike: 2 / (10 / 8 + 1).
    y = [0] * 12
    bias = ["a"] * 10 + ["b"] * 2
    predicted = [0] * 8 + [1] * 2 + [0] * 2
    found = harmonic_accuracy_score(y, predicted, aligned={0: "a"}, bias_labels=bias)
    assert found == pytest.approx(8 / 9)


def random_case(seed, n=200, n_classes=3, n_values=3):
    rng = np.random.default_rng(seed)
    y, bias, weight = rng.integers(n_classes, size=n), rng.integers(n_values, size=n), rng.random(n)
    return y, np.where(rng.random(n) < 0.6, y, rng.integers(n_classes, size=n)), bias, weight


@pytest.mark.parametrize("seed", range(5))
def test_agrees_with_metric_frame(seed):
    y, pred, bias, weight = random_case(seed)
    frame = MetricFrame(
        metrics=accuracy_score,
        y_true=y,
        y_pred=pred,
        sensitive_features=pd.DataFrame({"y": y, "bias": bias}),
        sample_params={"sample_weight": weight},
    )
    report = group_report(y, pred, bias_labels=bias, sample_weight=weight)
    np.testing.assert_allclose(report.frame["accuracy"], frame.by_group.to_numpy(dtype=float))
    worst = worst_group_accuracy_score(y, pred, bias_labels=bias, sample_weight=weight)
    assert worst == pytest.approx(frame.group_min())
    mean = group_mean_accuracy_score(y, pred, bias_labels=bias, sample_weight=weight)
    assert mean == pytest.approx(frame.by_group.mean())
    assert report.averages["raw"] == pytest.approx(frame.overall)


ALIGNMENT = (
    aligned_accuracy_score,
    conflicting_accuracy_score,
    bias_gap_score,
    harmonic_accuracy_score,
)


def all_scores(y, pred, bias, weight=None, relabel=lambda value: value):
    aligned = {label: relabel(label % 2) for label in range(3)}
    shares = {
        (label, relabel(value)): 1 + label + 2 * value for label in range(3) for value in range(3)
    }
    kwargs = {"bias_labels": bias, "sample_weight": weight}
    scores = [
        worst_group_accuracy_score(y, pred, **kwargs),
        group_mean_accuracy_score(y, pred, **kwargs),
        adjusted_accuracy_score(y, pred, group_shares=shares, **kwargs),
    ]
    for metric in ALIGNMENT:
        try:
            scores.append(metric(y, pred, aligned=aligned, **kwargs))
        except ValueError as error:  # no aligned or no conflicting sample among a few
            scores.append(np.nan)
            assert "`bias_labels`" in str(error) or "`aligned`" in str(error)  # noqa: PT017
    return np.array(scores)


codes = st.integers(0, 2)
rows = st.lists(st.tuples(codes, codes, codes, st.integers(1, 4)), min_size=1, max_size=30)


@settings(max_examples=60)
@given(rows=rows, shuffler=st.randoms(use_true_random=False))
def test_invariances(rows, shuffler):
    y, pred, bias, weight = (np.array(column) for column in zip(*rows, strict=True))
    scores = all_scores(y, pred, bias, weight)
    assert scores[0] <= scores[1] + 1e-12
    assert scores[0] <= scores[2] + 1e-12

    names = np.array(["red", "blue", "green"])
    renamed = all_scores(y, pred, names[bias], weight, relabel=lambda value: str(names[value]))
    np.testing.assert_allclose(renamed, scores, atol=1e-12)

    shuffled = shuffler.sample(range(len(y)), len(y))
    np.testing.assert_allclose(
        all_scores(y[shuffled], pred[shuffled], bias[shuffled], weight[shuffled]),
        scores,
        atol=1e-12,
    )

    copies = np.repeat(np.arange(len(y)), weight)
    np.testing.assert_allclose(
        all_scores(y[copies], pred[copies], bias[copies]), scores, atol=1e-12
    )


def test_weight_zero_removes_a_sample_and_a_group():
    weight = np.ones(8)
    weight[3] = 0  # the only (cow, sand)
    keep = weight > 0
    report = group_report(Y_TRUE, Y_PRED, bias_labels=BIAS, sample_weight=weight)
    assert report.absent == (("cow", "sand"),)
    assert report.n_samples == 7
    expected = worst_group_accuracy_score(
        np.array(Y_TRUE)[keep], np.array(Y_PRED)[keep], bias_labels=np.array(BIAS)[keep]
    )
    assert report.worst_group_accuracy == expected == 0.5


def test_several_attributes_form_joint_cells():
    frame = pd.DataFrame({"place": BIAS, "night": [0, 1] * 4})
    report = group_report(Y_TRUE, Y_PRED, bias_labels=frame)
    assert ("cow", ("grass", 1)) in set(
        zip(report.frame["class"], report.frame["bias"], strict=True)
    )
    aligned = aligned_map(Y_TRUE[:3] + Y_TRUE[5:], frame.iloc[[0, 1, 2, 5, 6, 7]], ties="omit")
    assert aligned == {"cow": ("grass", 0)}


def test_membership_of_cells_equals_bias_labels_and_overlap_is_allowed():
    cells = [f"{label}/{value}" for label, value in zip(Y_TRUE, BIAS, strict=True)]
    member = pd.get_dummies(pd.Series(cells)).astype(bool)
    for metric in (worst_group_accuracy_score, group_mean_accuracy_score):
        assert metric(Y_TRUE, Y_PRED, membership=member) == pytest.approx(
            metric(Y_TRUE, Y_PRED, bias_labels=BIAS)
        )
    correct = np.array(Y_TRUE) == np.array(Y_PRED)
    overlapping = np.random.default_rng(0).random((8, 5)) < 0.5
    expected = [correct[column].mean() for column in overlapping.T]
    assert worst_group_accuracy_score(Y_TRUE, Y_PRED, membership=overlapping) == pytest.approx(
        min(expected)
    )
    shares = dict(enumerate([0.2] * 5))
    adjusted = adjusted_accuracy_score(Y_TRUE, Y_PRED, membership=overlapping, group_shares=shares)
    assert adjusted == pytest.approx(np.mean(expected))


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ({"membership": np.ones((8, 2))}, "`membership` must be boolean, got dtype float64"),
        (
            {"membership": np.ones(8, dtype=bool)},
            r"`membership` must be a matrix of shape \(8, n_groups\)",
        ),
        ({"membership": np.ones((7, 2), dtype=bool)}, r"got shape \(7, 2\)"),
        ({"membership": np.zeros((8, 2), dtype=bool)}, "no True"),
        (
            {"membership": pd.DataFrame(np.ones((8, 2), dtype=bool), columns=["a", "a"])},
            "distinct column",
        ),
        (
            {"membership": np.ones((8, 2), dtype=bool), "bias_labels": BIAS},
            "must not both be given",
        ),
        (
            {"bias_labels": BIAS, "absent": "drop"},
            "`absent` must be one of 'raise', 'warn', 'ignore', got 'drop'",
        ),
        (
            {"bias_labels": BIAS, "universe": [("cow", "grass")]},
            r"`universe`.*outside.*\('cow', 'sand'\)",
        ),
        ({"bias_labels": BIAS, "universe": ["cow"]}, r"\(class, bias value\) pairs"),
        ({"bias_labels": BIAS, "universe": "cow"}, "`universe` must be a list"),
        ({"bias_labels": BIAS, "universe": []}, "non-empty"),
        ({"bias_labels": BIAS, "universe": [("cow", ["grass"])]}, "hashable"),
        ({"bias_labels": BIAS[:-1]}, "expected 8, got 7"),
    ],
)
def test_bad_group_arguments_raise(arguments, match):
    with pytest.raises(ValueError, match=match):
        worst_group_accuracy_score(Y_TRUE, Y_PRED, **arguments)


def test_an_absent_group_of_the_universe_raises_unless_ignored():
    universe = [*SHARES, ("cow", "sea")]
    with pytest.raises(
        ValueError, match=r"1 of the 5 groups in `universe`.*\('cow', 'sea'\).*absent='ignore'"
    ):
        worst_group_accuracy_score(Y_TRUE, Y_PRED, bias_labels=BIAS, universe=universe)
    ignored = worst_group_accuracy_score(
        Y_TRUE, Y_PRED, bias_labels=BIAS, universe=universe, absent="ignore"
    )
    with pytest.warns(DebiasWarning, match="sea"):
        warned = worst_group_accuracy_score(
            Y_TRUE, Y_PRED, bias_labels=BIAS, universe=universe, absent="warn"
        )
    assert ignored == warned == worst_group_accuracy_score(Y_TRUE, Y_PRED, bias_labels=BIAS)
    report = group_report(Y_TRUE, Y_PRED, bias_labels=BIAS, universe=universe)
    assert report.absent == (("cow", "sea"),)


@pytest.mark.parametrize("metric", [worst_group_accuracy_score, group_report])
def test_a_warning_of_absent_groups_points_at_the_caller(metric):
    universe = [*SHARES, ("cow", "sea")]
    with pytest.warns(DebiasWarning, match="sea") as caught:
        metric(Y_TRUE, Y_PRED, bias_labels=BIAS, universe=universe, absent="warn")
    assert [entry.filename for entry in caught] == [__file__]


@pytest.mark.parametrize("metric", [worst_group_accuracy_score, group_mean_accuracy_score])
def test_without_bias_labels_the_classes_stand_in_with_one_warning(metric):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        score = metric(Y_TRUE, Y_PRED)
    assert [entry.category for entry in caught] == [DebiasWarning]
    assert "worst CLASS" in str(caught[0].message)
    assert caught[0].filename == __file__
    assert score == {"worst": 0.5, "group": 0.625}[metric.__name__.split("_")[0]]


def test_adjusted_needs_shares_that_fit():
    def adjusted(shares):
        return adjusted_accuracy_score(Y_TRUE, Y_PRED, group_shares=shares, bias_labels=BIAS)

    assert adjusted({cell: 10 * share for cell, share in SHARES.items()}) == pytest.approx(
        adjusted(SHARES)
    )
    assert adjusted(pd.Series(SHARES)) == pytest.approx(adjusted(SHARES))
    never_together = {cell: share for cell, share in SHARES.items() if cell != ("cow", "sand")}
    assert adjusted(never_together) == pytest.approx((0.6 * 2 / 3 + 0.1 / 2 + 0.2) / 0.9)
    for shares, match in [
        (None, "non-empty dict"),
        ({("cow", "grass"): 1.0}, "no class or bias value for"),
        (dict.fromkeys(SHARES, -1.0), ">= 0"),
        (dict.fromkeys(SHARES, 0.0), "positive"),
        (dict.fromkeys(SHARES, "many"), "numbers"),
    ]:
        with pytest.raises(ValueError, match=f"`group_shares`.*{match}"):
            adjusted(shares)


def test_aligned_must_fit():
    def conflicting(aligned, bias=BIAS):
        return conflicting_accuracy_score(Y_TRUE, Y_PRED, aligned=aligned, bias_labels=bias)

    for aligned, match in [
        (None, "`aligned` must be a non-empty dict"),
        ({}, "non-empty dict"),
        ({"cow": "grass"}, "`aligned` must have an entry.*'camel'"),
        ({"cow": "Grass", "camel": "Sand"}, "`aligned` must map to values of `bias_labels`"),
    ]:
        with pytest.raises(ValueError, match=match):
            conflicting(aligned)
    with pytest.raises(ValueError, match="bias-conflicting sample, got none"):
        conflicting(ALIGNED, bias=["grass"] * 4 + ["sand"] * 4)
    with pytest.raises(ValueError, match="`bias_labels` must be given"):
        conflicting(ALIGNED, bias=None)
    member = np.ones((8, 2), dtype=bool)
    with pytest.raises(ValueError, match="`membership`"):
        aligned_accuracy_score(Y_TRUE, Y_PRED, aligned=ALIGNED, membership=member)


def test_aligned_map_counts_within_the_class_and_refuses_ties():
    y, bias = [0] * 5 + [1] * 4, ["a", "b", "b", "c", "b", "a", "a", "b", "b"]
    with pytest.raises(ValueError, match=r"class 1.*'a', 'b' are equally frequent.*`aligned`"):
        aligned_map(y, bias)
    assert aligned_map(y, bias, ties="omit") == {0: "b"}
    assert aligned_map([*y, 1], [*bias, "b"]) == {0: "b", 1: "b"}
    assert aligned_map(np.array([True, False]), np.array([3, 4])) == {False: 4, True: 3}
    with pytest.raises(ValueError, match="`ties` must be"):
        aligned_map(y, bias, ties="first")


def test_group_shares_map_sums_to_one_and_drops_weightless_groups():
    shares = group_shares_map(Y_TRUE, BIAS, sample_weight=[1, 1, 1, 0, 1, 1, 1, 1])
    assert sum(shares.values()) == pytest.approx(1)
    assert ("cow", "sand") not in shares
    assert shares["cow", "grass"] == pytest.approx(3 / 7)
