"""What scorers that need no bias labels warn of and refuse, and what they are not used for."""

import warnings

import numpy as np
import pandas as pd
import pytest
from label_free import BIAS, BIASED, INFERRER, MAKERS, X, Y, judged
from sklearn.cluster import KMeans
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, PredefinedSplit, TunedThresholdClassifierCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_debias.exceptions import DebiasWarning
from sklearn_debias.group_inference import GroupInferrer
from sklearn_debias.metrics import (
    get_scorer,
    group_mean_accuracy_score,
    make_group_scorer,
    worst_group_accuracy_score,
)
from sklearn_debias.model_selection import biased_balance_scorer, inferred_worst_group_scorer


@pytest.fixture(scope="module")
def models():
    return judged()


def test_small_groups_are_left_out_of_the_cells(models):
    labels = INFERRER.predict(X, Y)
    sizes = [((labels == b) & (c == Y)).sum() for b in (0, 1) for c in (0, 1)]
    smallest = min(sizes)
    scorer = inferred_worst_group_scorer(INFERRER, groups="cells", min_group_size=int(smallest) + 1)
    expected = worst_group_accuracy_score(
        Y, models[1].predict(X), bias_labels=labels, min_group_size=int(smallest) + 1
    )
    assert scorer(models[1], X, Y) == expected
    with pytest.raises(ValueError, match="`min_group_size`=1000 leaves no group"):
        inferred_worst_group_scorer(INFERRER, groups="cells", min_group_size=1000)(models[1], X, Y)


def test_parts_of_few_rows_are_warned_of(models):
    labels = INFERRER.predict(X, Y)
    most = np.flatnonzero(labels == 0)
    few = np.concatenate([most, np.flatnonzero(labels == 1)[:3]])
    scorer = MAKERS["parts"]()
    with pytest.warns(DebiasWarning, match="3 of .* are inferred to be of the minority: the acc"):
        scorer(models[0], X[few], Y[few])
    with pytest.warns(DebiasWarning, match="0 of .* one part is left out.*shortcut wins") as caught:
        found = scorer(models[0], X[most], Y[most])
    assert [entry.filename for entry in caught] == [__file__]
    assert found == models[0].score(X[most], Y[most])
    demanding = inferred_worst_group_scorer(INFERRER, min_group_size=int(labels.sum()) + 1)
    with pytest.warns(DebiasWarning, match="one part is left out"):
        demanding(models[0], X, Y)


def test_a_model_that_makes_no_mistake_is_warned_of(models):
    right = np.flatnonzero(BIASED.predict(X) == Y)
    with pytest.warns(DebiasWarning, match="`model` is right about all .*the shortcut wins"):
        biased_balance_scorer(BIASED)(models[0], X[right], Y[right])


def test_a_search_warns_once_of_what_every_candidate_would_repeat():
    labels = INFERRER.predict(X, Y)
    rows = np.concatenate([np.flatnonzero(labels == 0), np.flatnonzero(labels == 1)[:3]])
    split = PredefinedSplit(np.where(np.arange(len(rows)) < len(rows) // 2, -1, 0))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")
        GridSearchCV(
            LogisticRegression(), {"C": [0.1, 1.0, 10.0]}, scoring=MAKERS["parts"](), cv=split
        ).fit(X[rows], Y[rows])
    assert len(caught) == 1
    assert "minority" in str(caught[0].message)


UNFITTED = [
    lambda: inferred_worst_group_scorer(GroupInferrer()),
    lambda: biased_balance_scorer(LogisticRegression()),
    lambda: biased_balance_scorer(make_pipeline(StandardScaler(), LogisticRegression())),
]


@pytest.mark.parametrize("make", UNFITTED)
def test_what_is_not_fitted_is_refused_by_name(make):
    words = "`(inferrer|model)` must be fitted before the scorer is made, got .*Call its `fit`"
    with pytest.raises(NotFittedError, match=words):
        make()


def test_bad_arguments_are_named():
    for wrong in (None, "errors", GroupInferrer, LogisticRegression().fit(X, Y)):
        with pytest.raises(TypeError, match="`inferrer` must be a fitted GroupInferrer, got"):
            inferred_worst_group_scorer(wrong)
    for wrong in (None, "x", LogisticRegression, KMeans(2, random_state=0).fit(X), INFERRER):
        with pytest.raises(TypeError, match="`model` must be a fitted classifier, got"):
            biased_balance_scorer(wrong)
    with pytest.raises(ValueError, match="`groups` must be one of 'parts', 'cells', got 'all'"):
        inferred_worst_group_scorer(INFERRER, groups="all")
    for size in (0, 2.5, None, True):
        with pytest.raises(ValueError, match="`min_group_size` must be an int >= 1"):
            inferred_worst_group_scorer(INFERRER, min_group_size=size)
        with pytest.raises(ValueError, match="`min_group_size` must be an int >= 1"):
            biased_balance_scorer(BIASED, min_group_size=size)


@pytest.mark.parametrize("kind", MAKERS)
def test_bad_calls_are_named(kind, models):
    scorer = MAKERS[kind]()
    with pytest.raises(TypeError, match=r"takes the metadata \['sample_weight'\], got"):
        scorer(models[0], X, Y, bias_labels=BIAS)
    with pytest.raises(ValueError, match="`y_true` must be given"):
        scorer(models[0], X, None)
    with pytest.raises(ValueError, match="8"):
        scorer(models[0], X[:, :3], Y)
    with pytest.raises(TypeError, match="`estimator` must be a fitted scikit-learn classifier"):
        scorer(None, X, Y)


@pytest.mark.parametrize("kind", ["parts", "cells"])
def test_a_class_that_the_inferrer_does_not_know_is_named(kind):
    y = np.where(np.arange(len(Y)) < 30, 7, Y)
    model = LogisticRegression().fit(X, y)
    with pytest.raises(ValueError, match="7"):
        MAKERS[kind]()(model, X, y)


@pytest.mark.parametrize("kind", MAKERS)
def test_thresholds_are_not_tuned_without_rows(kind):
    tuner = TunedThresholdClassifierCV(LogisticRegression(), scoring=MAKERS[kind](), cv=3)
    with pytest.raises(ValueError, match="`X` is needed to find the groups.*make_group_scorer"):
        tuner.fit(X, Y)


def test_groups_that_were_found_before_tune_thresholds_as_the_error_says():
    y = pd.Series(Y, index=[f"row{i}" for i in range(len(Y))])
    bound = {
        worst_group_accuracy_score: INFERRER.predict(X, Y),
        group_mean_accuracy_score: BIASED.predict(X),
    }
    for (metric, labels), kind in zip(bound.items(), ("cells", "biased"), strict=True):
        scorer = make_group_scorer(metric, bias_labels=pd.Series(labels, index=y.index))
        model = LogisticRegression().fit(X, Y)
        assert scorer(model, X, y) == MAKERS[kind]()(model, X, Y)
        tuned = TunedThresholdClassifierCV(LogisticRegression(), scoring=scorer, cv=3).fit(X, y)
        assert 0 <= tuned.best_score_ <= 1


def test_the_scorers_are_no_names():
    for name in ("inferred_worst_group", "biased_balance"):
        with pytest.raises(ValueError, match="`scoring` must be one of"):
            get_scorer(name)
