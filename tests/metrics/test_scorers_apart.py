"""Scorers that others take apart: scikit-learn tunes thresholds by `_score_func` alone."""

import numpy as np
import pandas as pd
import pytest
from routed import RoutedClassifier, shortcut_data
from sklearn import config_context, metrics
from sklearn.cluster import KMeans
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression, Perceptron
from sklearn.model_selection import TunedThresholdClassifierCV

from sklearn_debias.metrics import (
    adjusted_accuracy_score,
    aligned_accuracy_score,
    bias_gap_score,
    conflicting_accuracy_score,
    get_scorer,
    get_scorer_names,
    group_mean_accuracy_score,
    harmonic_accuracy_score,
    make_group_scorer,
    worst_group_accuracy_score,
)
from sklearn_debias.robustness import robust_accuracy

X, LABELS, BIAS = shortcut_data()
Y = (LABELS == "cow").astype(int)
INDEX = [f"row{i}" for i in range(len(Y))]
SERIES = pd.Series(BIAS, index=INDEX)
TARGET = pd.Series(Y, index=INDEX)
MEMBERS = pd.DataFrame({"sand": BIAS == "sand", "late": np.arange(len(Y)) > 150}, index=INDEX)
# Every other combination is conflicting.
ALIGNED = {0: "grass", 1: "sand"}
SHARES = {(0, "grass"): 0.4, (0, "sand"): 0.1, (1, "grass"): 0.2, (1, "sand"): 0.3}
CASES = {
    worst_group_accuracy_score: {},
    group_mean_accuracy_score: {},
    adjusted_accuracy_score: {"group_shares": SHARES},
    aligned_accuracy_score: {"aligned": ALIGNED},
    conflicting_accuracy_score: {"aligned": ALIGNED},
    harmonic_accuracy_score: {"aligned": ALIGNED},
    bias_gap_score: {"aligned": ALIGNED},
}


@pytest.fixture(scope="module")
def fitted():
    return LogisticRegression().fit(X, Y)


def by_hand(fitted, metric, sign, **arguments):
    """Return the score of each threshold that scikit-learn tries."""
    proba = fitted.predict_proba(X)[:, 1]
    thresholds = np.linspace(proba.min(), proba.max(), 100)
    return [sign * metric(Y, (proba >= t).astype(int), **arguments) for t in thresholds]


def tuned(fitted, scorer, y=TARGET, **routed):
    tuner = TunedThresholdClassifierCV(
        fitted, scoring=scorer, cv="prefit", refit=False, store_cv_results=True
    )
    return tuner.fit(X, y, **routed).cv_results_["scores"]


@pytest.mark.parametrize("metric", CASES, ids=lambda metric: metric.__name__)
def test_thresholds_are_tuned_by_the_groups_that_were_bound(metric, fitted):
    better = metric is not bias_gap_score
    # The labels are found by the index, not by position.
    scorer = make_group_scorer(
        metric, greater_is_better=better, bias_labels=SERIES[::-1], **CASES[metric]
    )
    expected = by_hand(fitted, metric, 1 if better else -1, bias_labels=BIAS, **CASES[metric])
    np.testing.assert_array_equal(tuned(fitted, scorer), expected)


def test_thresholds_are_tuned_by_memberships_that_were_bound(fitted):
    scorer = make_group_scorer(worst_group_accuracy_score, membership=MEMBERS[::-1])
    expected = by_hand(fitted, worst_group_accuracy_score, 1, membership=MEMBERS)
    np.testing.assert_array_equal(tuned(fitted, scorer), expected)


def test_the_folds_of_a_tuner_are_scored_by_their_own_groups():
    scorer = make_group_scorer(worst_group_accuracy_score, bias_labels=SERIES)
    bound = TunedThresholdClassifierCV(LogisticRegression(), scoring=scorer, cv=3)
    bound.fit(X, TARGET)
    with config_context(enable_metadata_routing=True):
        routed = TunedThresholdClassifierCV(
            LogisticRegression(), scoring=get_scorer("worst_group_accuracy"), cv=3
        )
        routed.fit(X, Y, bias_labels=BIAS)
    assert bound.best_threshold_ == routed.best_threshold_
    assert bound.best_score_ == routed.best_score_
    # The worst class, by which thresholds were once tuned, has another best one.
    by_class = metrics.make_scorer(
        lambda y, predicted: metrics.recall_score(y, predicted, average=None).min()
    )
    tuner = TunedThresholdClassifierCV(LogisticRegression(), scoring=by_class, cv=3).fit(X, Y)
    assert tuner.best_threshold_ != bound.best_threshold_


@pytest.mark.parametrize("metric", CASES, ids=lambda metric: metric.__name__)
def test_routed_groups_need_the_facts_that_no_estimator_can_tell(metric, fitted):
    facts = CASES[metric]
    with config_context(enable_metadata_routing=True):
        complete = make_group_scorer(metric, **facts)
        expected = by_hand(fitted, metric, 1, bias_labels=BIAS, **facts)
        np.testing.assert_array_equal(tuned(fitted, complete, bias_labels=BIAS), expected)
        for name in facts:
            message = rf"`{name}` comes from the training data.*scorer\({metric.__name__}"
            with pytest.raises(ValueError, match=message):
                tuned(fitted, make_group_scorer(metric), bias_labels=BIAS)


@pytest.mark.parametrize("name", get_scorer_names())
def test_thresholds_are_never_tuned_by_classes_instead(name, fitted):
    with pytest.raises(ValueError, match=r"`bias_labels` did not reach.*enable_metadata_routing"):
        tuned(fitted, get_scorer(name))


def test_labels_without_an_index_are_refused(fitted):
    scorer = make_group_scorer(worst_group_accuracy_score, bias_labels=SERIES)
    with pytest.raises(ValueError, match=r"need a pandas y or X.*got ndarray\."):
        tuned(fitted, scorer, y=Y)


def test_robust_accuracy_does_not_tune_thresholds(fitted):
    with pytest.raises(TypeError, match="cannot score labels alone"):
        tuned(fitted, robust_accuracy("fgsm", epsilon=0.1))


def test_what_is_not_an_estimator_is_named(fitted):
    scorer = get_scorer("worst_group_accuracy")
    for wrong in (None, 3, "model", LogisticRegression, X, len):
        with pytest.raises(TypeError, match="`estimator` must be a fitted scikit-learn"):
            scorer(wrong, X, LABELS, bias_labels=BIAS)
    by_score = make_group_scorer(
        worst_group_accuracy_score, response_method=["decision_function", "predict_proba"]
    )
    with pytest.raises(TypeError, match="decision_function or predict_proba"):
        by_score(KMeans(), X, LABELS, bias_labels=BIAS)
    with pytest.raises(NotFittedError, match="TunedThresholdClassifierCV instance is not fitted"):
        scorer(TunedThresholdClassifierCV(Perceptron()), X, LABELS, bias_labels=BIAS)
    for method in ("transform", "", None, 3, [], ["predict", "no"], [["predict"]]):
        with pytest.raises(ValueError, match="`response_method` must be one of"):
            make_group_scorer(worst_group_accuracy_score, response_method=method)


def test_memberships_are_bound_by_index_or_routed():
    model = RoutedClassifier().fit(X, Y)
    expected = worst_group_accuracy_score(Y, model.predict(X), membership=MEMBERS)
    bound = make_group_scorer(worst_group_accuracy_score, membership=MEMBERS[::-1])
    assert bound(model, X, TARGET) == expected
    assert repr(bound) == (
        "make_group_scorer(worst_group_accuracy_score, membership=<DataFrame of 240>)"
    )
    with config_context(enable_metadata_routing=True):
        routed = get_scorer("worst_group_accuracy").set_score_request(membership=True)
        assert routed(model, X, Y, membership=MEMBERS) == expected
    for wrong in (MEMBERS.to_numpy(), MEMBERS["sand"]):
        with pytest.raises(TypeError, match="`membership` must be a pandas DataFrame"):
            make_group_scorer(worst_group_accuracy_score, membership=wrong)
    with pytest.raises(ValueError, match="must not both be given"):
        make_group_scorer(worst_group_accuracy_score, membership=MEMBERS, bias_labels=SERIES)
    with pytest.raises(TypeError, match="must take `membership`"):
        make_group_scorer(lambda y, p, bias_labels: 0.0, membership=MEMBERS)


def test_skore_reports_the_groups_that_were_bound():
    skore = pytest.importorskip("skore")
    frame = pd.DataFrame(X, index=INDEX, columns=["animal", "place"])
    fitted = LogisticRegression().fit(frame[:120], Y[:120])
    report = skore.EstimatorReport(fitted, X_test=frame[120:], y_test=TARGET[120:])
    report.metrics.add(make_group_scorer(worst_group_accuracy_score, bias_labels=SERIES[::-1]))
    found = report.metrics.get("worst_group_accuracy_score")
    expected = worst_group_accuracy_score(
        Y[120:], fitted.predict(frame[120:]), bias_labels=BIAS[120:]
    )
    assert found == expected
