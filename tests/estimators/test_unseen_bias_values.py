"""Leaving a hospital out: a bias value that training never saw is scored like any other."""

import numpy as np
import pytest
from sklearn.metrics import accuracy_score

from sklearn_debias import (
    BiasAdvClassifier,
    ERMClassifier,
    FishClassifier,
    GroupDROClassifier,
    InvarianceClassifier,
)
from sklearn_debias.metrics import (
    adjusted_accuracy_score,
    aligned_map,
    get_scorer,
    group_mean_accuracy_score,
    group_shares_map,
    worst_group_accuracy_score,
)
from sklearn_debias.robustness import corruption_report

RNG = np.random.default_rng(0)
N = 400
Y = np.array(["ill", "well"])[RNG.integers(0, 2, N)]
HOSPITAL = np.array(["Athens", "Berlin", "Cairo"])[RNG.integers(0, 3, N)]
X = RNG.normal(size=(N, 5)) + (Y == "well")[:, None] * 0.8
SEEN = HOSPITAL != "Cairo"
LEFT_OUT = (X[~SEEN], Y[~SEEN], HOSPITAL[~SEEN])
QUICK = {"max_epochs": 3, "lr": 0.05, "random_state": 0}
METHODS = (
    ERMClassifier,
    InvarianceClassifier,
    FishClassifier,
    GroupDROClassifier,
    BiasAdvClassifier,
)


def fit(cls, **params):
    clf = cls(**QUICK, **params)
    return clf.fit(X[SEEN], Y[SEEN], bias_labels=HOSPITAL[SEEN], validation_data=LEFT_OUT)


@pytest.mark.parametrize("cls", METHODS)
@pytest.mark.parametrize(
    ("monitor", "score"),
    [
        (None, lambda y, predicted, bias: accuracy_score(y, predicted)),
        ("accuracy", lambda y, predicted, bias: accuracy_score(y, predicted)),
        (
            "worst_group_accuracy",
            lambda y, p, bias: worst_group_accuracy_score(y, p, bias_labels=bias),
        ),
        (
            "group_mean_accuracy",
            lambda y, p, bias: group_mean_accuracy_score(y, p, bias_labels=bias),
        ),
    ],
)
def test_the_hospital_that_was_left_out_validates_and_selects_epochs(cls, monitor, score):
    clf = fit(cls, monitor=monitor)
    column = clf.history_[f"validation_{monitor or 'accuracy'}"]
    expected = score(LEFT_OUT[1], clf.predict(LEFT_OUT[0]), LEFT_OUT[2])
    kept = column.max() if monitor else column.iloc[-1]
    assert kept == pytest.approx(expected, abs=1e-12)
    assert clf.bias_classes_ == ["Athens", "Berlin"]


@pytest.mark.parametrize("name", ["worst_group_accuracy", "group_mean_accuracy"])
def test_accuracies_by_group_take_any_value(name):
    clf = fit(InvarianceClassifier)
    metric = {
        "worst_group_accuracy": worst_group_accuracy_score,
        "group_mean_accuracy": group_mean_accuracy_score,
    }[name]
    expected = metric(Y, clf.predict(X), bias_labels=HOSPITAL)
    assert get_scorer(name)(clf, X, Y, bias_labels=HOSPITAL) == expected


GROUPS = r"\(class, bias value\) groups \('ill', 'Cairo'\), \('well', 'Cairo'\)"
FACTS = ["adjusted_accuracy", "aligned_accuracy", "conflicting_accuracy", "bias_gap"]


@pytest.mark.parametrize("name", FACTS)
def test_what_needs_facts_of_training_refuses_the_groups_it_knows_nothing_of(name):
    with pytest.raises(ValueError, match=f"values seen in training.*{GROUPS}"):
        fit(ERMClassifier, monitor=name)
    clf = fit(ERMClassifier)
    with pytest.raises(ValueError, match=f"values seen in training.*{GROUPS}"):
        get_scorer(name)(clf, X, Y, bias_labels=HOSPITAL)
    # The groups that it knows are scored as ever.
    score = get_scorer(name)(clf, X[SEEN], Y[SEEN], bias_labels=HOSPITAL[SEEN])
    if name == "adjusted_accuracy":
        shares = group_shares_map(Y[SEEN], HOSPITAL[SEEN])
        assert score == adjusted_accuracy_score(
            Y[SEEN], clf.predict(X[SEEN]), group_shares=shares, bias_labels=HOSPITAL[SEEN]
        )
    else:
        assert clf.aligned_bias_ == aligned_map(Y[SEEN], HOSPITAL[SEEN])


@pytest.mark.filterwarnings("ignore:The fitted model predicts")
def test_a_corruption_report_refuses_them_too():
    rng = np.random.default_rng(0)
    images = rng.random((N, 1, 8, 8)).astype(np.float32)
    clf = ERMClassifier("linear", max_epochs=1, random_state=0)
    clf.fit(images[SEEN], Y[SEEN], bias_labels=HOSPITAL[SEEN])
    with pytest.raises(ValueError, match=f"values seen in training.*{GROUPS}"):
        corruption_report(clf, images, Y, bias_labels=HOSPITAL, corruptions=["rotation"])
