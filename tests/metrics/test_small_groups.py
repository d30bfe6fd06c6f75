"""Groups of a few samples: many of them are warned of, and can be left out."""

import warnings

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression

from sklearn_debias import DFRClassifier, ERMClassifier, GroupDROClassifier, LfFClassifier
from sklearn_debias.exceptions import DebiasWarning
from sklearn_debias.metrics import (
    adjusted_accuracy_score,
    aligned_map,
    conflicting_accuracy_score,
    group_cells,
    group_mean_accuracy_score,
    group_report,
    group_shares_map,
    make_group_scorer,
    paired_difference,
    worst_group_accuracy_score,
)
from sklearn_debias.robustness import robust_accuracy, robust_report

# Six yes-or-no attributes, as a table of comments about identities has them.
RNG = np.random.default_rng(0)
N = 600
ATTRIBUTES = pd.DataFrame(
    RNG.random((N, 6)) < [0.5, 0.3, 0.2, 0.15, 0.1, 0.1], columns=list("abcdef")
)
Y = RNG.integers(0, 2, N)
PRED = np.where(RNG.random(N) < 0.2, 1 - Y, Y)
OTHER = np.where(RNG.random(N) < 0.3, 1 - Y, Y)
X = np.column_stack([Y + RNG.normal(size=N), RNG.normal(size=N)]).astype(np.float32)


def by_hand():
    """Every crossed group: its size and its accuracy, without this package."""
    frame = ATTRIBUTES.assign(y=Y, right=PRED == Y)
    return frame.groupby(["y", *ATTRIBUTES]).right.agg(["size", "mean"])


GROUPS = by_hand()
SMALL = int((GROUPS["size"] < 5).sum())
WORDS = (
    rf"`bias_labels` cross 6 attributes to {len(GROUPS)} \(class, bias value\) groups, of which "
    rf"{SMALL} have fewer than 5 samples\..*`membership`.*min_group_size=5"
)


def test_many_small_groups_are_warned_of_once_with_their_number():
    assert SMALL > 20
    for score in (worst_group_accuracy_score, group_mean_accuracy_score):
        with pytest.warns(DebiasWarning, match=WORDS) as caught:
            score(Y, PRED, bias_labels=ATTRIBUTES)
        assert len(caught) == 1
        assert caught[0].filename == __file__
    with pytest.warns(DebiasWarning, match=WORDS):
        worst = worst_group_accuracy_score(Y, PRED, bias_labels=ATTRIBUTES)
    assert worst == 0.0  # a single row decides
    with pytest.warns(DebiasWarning, match=WORDS):
        group_report(Y, PRED, bias_labels=ATTRIBUTES)
    with pytest.warns(DebiasWarning, match=WORDS):
        paired_difference(Y, PRED, OTHER, bias_labels=ATTRIBUTES, random_state=0)


def test_what_is_not_crossed_or_is_pooled_is_not_warned_of():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        worst_group_accuracy_score(Y, PRED, membership=ATTRIBUTES)
        worst_group_accuracy_score(Y, PRED, bias_labels=np.arange(N) // 8)
        aligned = aligned_map(Y, ATTRIBUTES, ties="omit")
        if len(aligned) == 2:
            conflicting_accuracy_score(Y, PRED, aligned=aligned, bias_labels=ATTRIBUTES)
        worst_group_accuracy_score(Y, PRED, bias_labels=ATTRIBUTES, min_group_size=2)


@pytest.mark.parametrize("size", [2, 5, 20])
def test_small_groups_are_left_out_of_scores(size):
    large = GROUPS[GROUPS["size"] >= size]
    how = {"bias_labels": ATTRIBUTES, "min_group_size": size}
    assert worst_group_accuracy_score(Y, PRED, **how) == large["mean"].min()
    assert group_mean_accuracy_score(Y, PRED, **how) == pytest.approx(large["mean"].mean())
    shares = group_shares_map(Y, ATTRIBUTES)
    adjusted = np.average(large["mean"], weights=large["size"])
    assert adjusted_accuracy_score(Y, PRED, group_shares=shares, **how) == pytest.approx(adjusted)


def test_a_monitor_warns_once_a_fit():
    clf = ERMClassifier("linear", max_epochs=4, random_state=0, monitor="worst_group_accuracy")
    given = {"bias_labels": ATTRIBUTES, "validation_data": (X, Y, ATTRIBUTES)}
    for _ in range(2):
        with pytest.warns(DebiasWarning) as found:
            clf.fit(X, Y, **given)
        assert sum("cross 6 attributes" in str(w.message) for w in found) == 1


def test_weights_of_zero_make_a_group_smaller():
    y, bias = [0] * 6 + [1] * 6, ["a"] * 6 + ["b"] * 6
    predicted = [1] * 3 + [0] * 3 + [1] * 6
    weight = [0, 0, 1, 1, 1, 1] + [1] * 6
    how = {"bias_labels": bias, "sample_weight": weight}
    assert worst_group_accuracy_score(y, predicted, min_group_size=4, **how) == 0.75
    assert worst_group_accuracy_score(y, predicted, min_group_size=5, **how) == 1.0


def test_small_columns_of_a_membership_are_left_out():
    members = pd.DataFrame({"few": np.arange(N) < 3, "many": np.arange(N) >= 3})
    wrong = np.where(np.arange(N) < 3, 1 - Y, PRED)
    assert worst_group_accuracy_score(Y, wrong, membership=members) == 0.0
    kept = worst_group_accuracy_score(Y, wrong, membership=members, min_group_size=4)
    assert kept == (PRED == Y)[3:].mean()


def test_a_report_names_what_it_leaves_out_and_pools_all_samples():
    aligned = {0: (True, False, False, False, False, False), 1: (False,) * 6}
    how = {"bias_labels": ATTRIBUTES, "aligned": aligned}
    report = group_report(Y, PRED, min_group_size=5, **how)
    large = GROUPS[GROUPS["size"] >= 5]
    assert report.to_frame().n.tolist() == large["size"].tolist()
    assert report.worst_group_accuracy == large["mean"].min()
    assert report.averages["group_mean"] == pytest.approx(large["mean"].mean())
    assert report.averages["raw"] == (PRED == Y).mean()
    assert len(report.left_out) == SMALL
    assert report.alignment["conflicting_accuracy"] == conflicting_accuracy_score(Y, PRED, **how)
    assert f"left out        {SMALL} small: " in report.to_text()
    assert "left out" not in group_report(Y, PRED, bias_labels=Y).to_text()


def test_a_paired_difference_without_small_groups_is_that_of_the_scores():
    how = {"bias_labels": ATTRIBUTES, "min_group_size": 5}
    found = paired_difference(Y, PRED, OTHER, random_state=0, **how)
    assert found.score_a == worst_group_accuracy_score(Y, PRED, **how)
    assert found.score_b == worst_group_accuracy_score(Y, OTHER, **how)
    # As if the rows of small groups were not there.
    codes, _ = group_cells(Y, ATTRIBUTES)
    kept = np.bincount(codes)[codes] >= 5
    assert kept.sum() < N
    only = paired_difference(
        Y[kept],
        PRED[kept],
        OTHER[kept],
        bias_labels=ATTRIBUTES[kept],
        min_group_size=2,
        random_state=0,
    )
    assert (only.score_a, only.score_b) == (found.score_a, found.score_b)
    np.testing.assert_allclose(only.interval, found.interval, atol=0.03)


@pytest.mark.parametrize("size", [0, -1, 2.5, "5", None, True, N + 1])
def test_sizes_that_leave_no_group(size):
    for call in (
        lambda **how: worst_group_accuracy_score(Y, PRED, **how),
        lambda **how: group_report(Y, PRED, **how),
        lambda **how: paired_difference(Y, PRED, OTHER, **how),
    ):
        with pytest.raises(ValueError, match="`min_group_size`"):
            call(bias_labels=Y, min_group_size=size)


def test_scorers_and_robust_scores_leave_small_groups_out():
    model = LogisticRegression().fit(X, Y)
    how = {"bias_labels": ATTRIBUTES, "min_group_size": 20}
    expected = worst_group_accuracy_score(Y, model.predict(X), **how)
    bound = make_group_scorer(worst_group_accuracy_score, **how)
    assert bound(model, X, pd.Series(Y)) == expected
    clf = ERMClassifier(max_epochs=2, random_state=0).fit(X, Y)
    expected = worst_group_accuracy_score(Y, clf.predict(X), **how)
    still = {"epsilon": 0.0, "min_group_size": 20}
    scorer = robust_accuracy("fgsm", worst_group=True, **still)
    assert scorer(clf, X, Y, ATTRIBUTES) == expected
    report = robust_report(
        clf, X, Y, attacks=["fgsm"], bias_labels=ATTRIBUTES, check_masking=False, **still
    )
    assert report.worst_group_accuracy == expected


@pytest.mark.parametrize(
    "clf",
    [
        GroupDROClassifier(max_epochs=1, random_state=0),
        ERMClassifier(max_epochs=1, balance="group", random_state=0),
        DFRClassifier(C=1.0, n_resamples=1),
    ],
    ids=lambda clf: type(clf).__name__,
)
def test_methods_that_use_groups_warn_of_crossed_ones(clf):
    with pytest.warns(DebiasWarning) as caught:
        clf.fit(X, Y, bias_labels=ATTRIBUTES)
    found = [str(entry.message) for entry in caught if "cross 6 attributes" in str(entry.message)]
    assert len(found) == 1
    assert f"to {len(GROUPS)} (class, bias value) groups, of which {SMALL} have" in found[0]


def test_methods_that_use_no_groups_do_not():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        # One epoch on noise, which is no matter of groups.
        warnings.filterwarnings("ignore", "The fitted model predicts")
        LfFClassifier(max_epochs=1, random_state=0).fit(X, Y, bias_labels=ATTRIBUTES)
