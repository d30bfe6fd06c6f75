"""Scorers that need no bias labels: their values, in searches and as monitors."""

import pickle

import numpy as np
import pandas as pd
import pytest
from label_free import BIAS, BIASED, HELD_OUT, INFERRER, MAKERS, X, Y, by_hand, judged
from sklearn import config_context
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import (
    GridSearchCV,
    cross_val_score,
    cross_validate,
    train_test_split,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_debias import ERMClassifier
from sklearn_debias.datasets import load_biased_digits
from sklearn_debias.group_inference import GroupInferrer
from sklearn_debias.metrics import worst_group_accuracy_score
from sklearn_debias.model_selection import (
    BatchedGridSearchCV,
    biased_balance_scorer,
    inferred_worst_group_scorer,
)


@pytest.fixture(scope="module")
def models():
    return judged()


@pytest.mark.parametrize("kind", MAKERS)
def test_values_by_hand(kind, models):
    scores = [MAKERS[kind]()(model, HELD_OUT.data, HELD_OUT.target) for model in models]
    expected = [by_hand(kind, model, HELD_OUT.data, HELD_OUT.target) for model in models]
    np.testing.assert_allclose(scores, expected, rtol=1e-12)
    assert len(set(scores)) > 2


class Answers(LogisticRegression):
    """Gives the answers that it was told."""

    def predict(self, X):
        return self.answers[: len(X)]


def told(model, answers):
    model = clone(model).fit(X, Y)
    model.answers = np.asarray(answers)
    return model


def test_a_tiny_case_of_the_biased_balance():
    y = np.array([0, 0, 0, 0, 1, 1])
    biased = told(Answers(), [0, 0, 0, 1, 1, 0])
    judged = told(Answers(), [0, 0, 1, 0, 1, 0])
    # (0, 0): 2 of 3; (1, 0), (1, 1): right; (0, 1): wrong.
    expected = (2 / 3 + 1 + 1 + 0) / 4
    assert biased_balance_scorer(biased)(judged, X[:6], y) == pytest.approx(expected)
    # Two rows at least leave one cell.
    found = biased_balance_scorer(biased, min_group_size=2)(judged, X[:6], y)
    assert found == pytest.approx(2 / 3)


def test_on_clear_data_the_parts_are_the_aligned_and_the_conflicting_rows():
    rng = np.random.default_rng(0)
    y = np.arange(300) % 3
    bias = np.where(np.arange(300) % 10 == 9, (y + 1) % 3, y)
    rows = 3.0 * np.eye(3)[bias] + rng.normal(scale=0.1, size=(300, 3))
    scorer = inferred_worst_group_scorer(GroupInferrer(random_state=0).fit(rows, y))
    judged = Answers().fit(rows, y)
    judged.answers = np.where(rng.random(300) < 0.4, y, bias)
    expected = worst_group_accuracy_score(
        y, judged.answers, membership=np.column_stack([bias == y, bias != y])
    )
    assert scorer(judged, rows, y) == expected < 0.6


@pytest.mark.parametrize("kind", MAKERS)
def test_a_search_gives_what_a_loop_gives(kind):
    search = GridSearchCV(
        LogisticRegression(), {"C": [1e-4, 1.0]}, scoring=MAKERS[kind](), cv=3, error_score="raise"
    ).fit(X, Y)
    for i, C in enumerate((1e-4, 1.0)):
        expected = cross_val_score(
            LogisticRegression(C=C), X, Y, cv=3, scoring=lambda m, X, y: by_hand(kind, m, X, y)
        )
        found = [search.cv_results_[f"split{fold}_test_score"][i] for fold in range(3)]
        np.testing.assert_allclose(found, expected, rtol=1e-12)
    assert search.best_params_ == {"C": 1.0}


def test_it_chooses_otherwise_than_the_average_does():
    # Labels of a quarter of the rows are wrong, and the shortcut is right more often.
    rng = np.random.default_rng(0)
    y = np.arange(2000) % 2
    core = np.where(rng.random(2000) < 0.25, 1 - y, y)
    shortcut = np.where(rng.random(2000) < 0.1, 1 - y, y)
    rows = np.column_stack([2.0 * core, 6.0 * shortcut]) + rng.normal(scale=0.3, size=(2000, 2))
    fair = LogisticRegression().fit(rows[:, :1], y)
    scorer = inferred_worst_group_scorer(GroupInferrer(random_state=0).fit(rows, y))
    by_shortcut = LogisticRegression().fit(rows, y)

    class Core(LogisticRegression):
        def predict(self, X):
            return fair.predict(X[:, :1])

    by_core = Core().fit(rows, y)
    assert by_shortcut.score(rows, y) > by_core.score(rows, y)
    assert scorer(by_shortcut, rows, y) < scorer(by_core, rows, y)


def test_the_worst_of_many_cells_ties_candidates_that_the_parts_tell_apart():
    digits = load_biased_digits(conflict_ratio=0.05, random_state=0).train
    rows = digits.data.reshape(len(digits.data), -1)
    fit, held = train_test_split(
        np.arange(len(rows)), test_size=1 / 3, stratify=digits.target, random_state=0
    )
    inferrer = GroupInferrer(random_state=0).fit(rows[fit], digits.target[fit])
    models = [
        LogisticRegression(C=c, max_iter=500).fit(rows[fit], digits.target[fit])
        for c in (1e-3, 1e-2, 1.0)
    ]
    scores = {
        groups: [
            inferred_worst_group_scorer(inferrer, groups=groups)(
                model, rows[held], digits.target[held]
            )
            for model in models
        ]
        for groups in ("parts", "cells")
    }
    assert scores["cells"] == [0, 0, 0]
    assert len(set(scores["parts"])) == 3


def test_labels_of_ssa_are_parted_by_the_most_frequent_of_their_class(models):
    some = np.where(np.arange(len(Y)) % 3 == 0, BIAS, -1)
    net = ERMClassifier(max_epochs=10, lr=0.05, random_state=0)
    inferrer = GroupInferrer("ssa", estimator=net, random_state=0).fit(X, Y, bias_labels=some)
    rows, y = HELD_OUT.data, HELD_OUT.target
    labels = inferrer.predict(rows, y)
    for model in models:
        right = model.predict(rows) == y
        # Class 0 goes with bias value 0, and class 1 with 1.
        expected = min(right[labels == y].mean(), right[labels != y].mean())
        assert inferred_worst_group_scorer(inferrer)(model, rows, y) == pytest.approx(expected)


def test_clusters_beyond_the_largest_are_one_part(models):
    net = LogisticRegression(C=1e-3)
    inferrer = GroupInferrer("clusters", estimator=net, random_state=0).fit(X, Y)
    rows, y = HELD_OUT.data, HELD_OUT.target
    labels = inferrer.predict(rows, y)
    right = models[1].predict(rows) == y
    expected = min(right[labels == 0].mean(), right[labels > 0].mean())
    assert inferred_worst_group_scorer(inferrer)(models[1], rows, y) == pytest.approx(expected)


@pytest.mark.parametrize("kind", MAKERS)
def test_copies_score_alike_and_read_like_the_call(kind, models):
    scorer = MAKERS[kind]()
    twins = [pickle.loads(pickle.dumps(scorer)), clone(scorer, safe=False)]
    expected = scorer(models[0], X, Y)
    for twin in twins:
        assert twin(models[0], X, Y) == expected
        assert repr(twin) == repr(scorer)
    assert len({scorer, *twins}) == 3
    assert repr(MAKERS["parts"]()) == "inferred_worst_group_scorer(GroupInferrer(random_state=0))"
    plain = inferred_worst_group_scorer(INFERRER, groups="cells", min_group_size=3)
    assert repr(plain).endswith("groups='cells', min_group_size=3)")
    assert repr(biased_balance_scorer(BIASED)) == (
        "biased_balance_scorer(LogisticRegression(C=0.0001))"
    )


@pytest.mark.parametrize("kind", MAKERS)
def test_frames_and_their_indexes_change_nothing(kind):
    order = np.random.default_rng(0).permutation(len(Y))
    frame = pd.DataFrame(X, index=order)
    series = pd.Series(np.array(["a", "b"])[Y], index=order)
    texts = GroupInferrer(random_state=0).fit(X, series.to_numpy())
    biased = LogisticRegression(C=1e-4).fit(X, series.to_numpy())
    makers = {
        "parts": lambda: inferred_worst_group_scorer(texts),
        "cells": lambda: inferred_worst_group_scorer(texts, groups="cells"),
        "biased": lambda: biased_balance_scorer(biased),
    }
    clf = LogisticRegression()
    found = cross_val_score(clf, frame, series, cv=3, scoring=makers[kind](), error_score="raise")
    expected = cross_val_score(clf, X, Y, cv=3, scoring=MAKERS[kind]())
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("n_jobs", [1, 2])
@pytest.mark.parametrize("routing", [True, False])
def test_several_at_once_with_routing_on_or_off(n_jobs, routing):
    scoring = {kind: make() for kind, make in MAKERS.items()} | {"accuracy": "accuracy"}
    with config_context(enable_metadata_routing=routing):
        found = cross_validate(
            LogisticRegression(), X, Y, cv=3, scoring=scoring, n_jobs=n_jobs, error_score="raise"
        )
    for kind in MAKERS:
        expected = cross_val_score(
            LogisticRegression(), X, Y, cv=3, scoring=lambda m, X, y, k=kind: by_hand(k, m, X, y)
        )
        np.testing.assert_allclose(found[f"test_{kind}"], expected, rtol=1e-12)


def test_routed_bias_labels_go_to_the_estimator_alone():
    clf = ERMClassifier(max_epochs=2, lr=0.05, balance="group", random_state=0)
    with config_context(enable_metadata_routing=True):
        search = GridSearchCV(
            clf, {"lr": [0.01, 0.1]}, scoring=MAKERS["parts"](), cv=2, error_score="raise"
        ).fit(X, Y, bias_labels=BIAS)
    assert np.isfinite(search.best_score_)


@pytest.mark.parametrize("kind", MAKERS)
def test_the_batched_search_agrees_with_grid_search(kind):
    clf = make_pipeline(StandardScaler(), ERMClassifier(max_epochs=3, random_state=0))
    grid = {"ermclassifier__lr": [1e-3, 0.1]}
    found = [
        kind_of(clf, grid, scoring=MAKERS[kind](), cv=2, error_score="raise").fit(X, Y)
        for kind_of in (GridSearchCV, BatchedGridSearchCV)
    ]
    scores = [search.cv_results_["mean_test_score"] for search in found]
    np.testing.assert_allclose(*scores, atol=1e-12)
    assert np.ptp(scores[0]) > 0


@pytest.mark.parametrize("kind", MAKERS)
def test_monitors_keep_the_epoch_with_the_best_score(kind):
    clf = ERMClassifier(max_epochs=5, lr=0.05, monitor=MAKERS[kind](), random_state=0)
    clf.fit(X, Y, validation_data=(HELD_OUT.data, HELD_OUT.target))
    scores = clf.history_["validation_score"]
    assert scores.nunique() > 1
    assert scores.max() == pytest.approx(by_hand(kind, clf, HELD_OUT.data, HELD_OUT.target))


def test_sample_weights_count_within_groups(models):
    weight = np.random.default_rng(0).integers(0, 3, len(Y))
    copies = np.repeat(np.arange(len(Y)), weight)
    for make in MAKERS.values():
        weighted = make()(models[2], X, Y, sample_weight=weight)
        assert weighted == pytest.approx(make()(models[2], X[copies], Y[copies]))
