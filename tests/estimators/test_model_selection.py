"""Searches, pipelines and calibration with the real estimators, bias labels routed."""

import numpy as np
import pytest
import sklearn
from sklearn.calibration import CalibratedClassifierCV
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.model_selection import (
    GridSearchCV,
    HalvingGridSearchCV,
    RandomizedSearchCV,
    cross_validate,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_debias import BiasAdvClassifier, ERMClassifier, JTTClassifier, LfFClassifier
from sklearn_debias.datasets import make_spurious_embeddings
from sklearn_debias.metrics import (
    get_scorer,
    get_scorer_names,
    worst_group_accuracy_score,
    worst_group_accuracy_scorer,
)
from sklearn_debias.model_selection import BiasStratifiedKFold

OURS = [name for name in get_scorer_names() if name not in sklearn.metrics.get_scorer_names()]
FAST = {"lr": 0.05, "max_epochs": 4, "random_state": 0}


@pytest.fixture(scope="module")
def train():
    return make_spurious_embeddings(
        200, n_validation=20, n_test=20, conflict_ratio=0.1, random_state=0
    ).train


@pytest.fixture(autouse=True)
def _routing():
    with sklearn.config_context(enable_metadata_routing=True):
        yield


@pytest.mark.filterwarnings("ignore:The fitted model predicts")
@pytest.mark.parametrize("search", ["grid", "random", "halving"])
def test_searches_select_by_worst_group(train, search):
    options = {"scoring": worst_group_accuracy_scorer, "cv": BiasStratifiedKFold(2)}
    grid = {"lr": [1e-6, 0.05], "q": [0.5, 0.7]}
    model = LfFClassifier(**FAST)
    found = {
        "grid": lambda: GridSearchCV(model, grid, **options),
        "random": lambda: RandomizedSearchCV(model, grid, n_iter=3, random_state=0, **options),
        "halving": lambda: HalvingGridSearchCV(
            model, grid, random_state=0, min_resources=60, **options
        ),
    }[search]()
    found.fit(train.data, train.target, bias_labels=train.bias_labels)
    assert np.isfinite(found.cv_results_["mean_test_score"]).all()
    scores = [
        found.cv_results_["mean_test_score"][i]
        for i in np.flatnonzero(found.cv_results_["rank_test_score"] == 1)
    ]
    assert found.best_score_ == scores[0]


def test_grid_over_the_attack_in_a_pipeline_in_two_processes(train):
    model = make_pipeline(StandardScaler(), BiasAdvClassifier(**FAST))
    grid = {"biasadvclassifier__epsilon": [0.1, 1.0], "biasadvclassifier__beta": [0.0, 1.0]}
    searches = [
        GridSearchCV(
            model,
            grid,
            scoring=worst_group_accuracy_scorer,
            cv=BiasStratifiedKFold(2),
            n_jobs=n_jobs,
        ).fit(train.data, train.target, bias_labels=train.bias_labels)
        for n_jobs in (1, 2)
    ]
    one, two = (search.cv_results_["split0_test_score"] for search in searches)
    np.testing.assert_array_equal(one, two)


def test_nested_and_dunder_parameters_in_a_grid(train):
    model = BiasAdvClassifier(base=JTTClassifier(identification_epochs=1), module="mlp", **FAST)
    grid = {"base__upweight": [2, 4], "module__hidden": [3, 5], "optimizer__betas": [(0.5, 0.9)]}
    search = GridSearchCV(
        model, grid, cv=BiasStratifiedKFold(2), scoring=worst_group_accuracy_scorer
    )
    search.fit(train.data, train.target, bias_labels=train.bias_labels)
    best = search.best_estimator_
    assert best.module_.head.in_features == search.best_params_["module__hidden"]
    assert best.net_.optimizer_.param_groups[0]["betas"] == (0.5, 0.9)


def test_cross_validate_with_every_scorer(train):
    scoring = {name: get_scorer(name) for name in ("accuracy", *OURS)}
    result = cross_validate(
        ERMClassifier(**FAST),
        train.data,
        train.target,
        scoring=scoring,
        cv=BiasStratifiedKFold(2),
        params={"bias_labels": train.bias_labels},
    )
    assert all(np.isfinite(result[f"test_{name}"]).all() for name in scoring)


def test_calibration_passes_bias_labels_on(train):
    clf = CalibratedClassifierCV(ERMClassifier(balance="group", **FAST), cv=2)
    clf.fit(train.data, train.target, bias_labels=train.bias_labels)
    inner = clf.calibrated_classifiers_[0].estimator
    assert inner.aligned_bias_ == {0: 0, 1: 1}
    score = worst_group_accuracy_scorer(
        clf, train.data, train.target, bias_labels=train.bias_labels
    )
    expected = worst_group_accuracy_score(
        train.target, clf.predict(train.data), bias_labels=train.bias_labels
    )
    assert score == expected


def test_fit_tells_the_scorers_what_is_aligned(train):
    clf = ERMClassifier(**FAST).fit(train.data, train.target, bias_labels=train.bias_labels)
    cells = {
        (c, b): np.mean((train.target == c) & (train.bias_labels == b))
        for c in (0, 1)
        for b in (0, 1)
    }
    assert clf.group_shares_ == pytest.approx(cells)
    assert clf.aligned_bias_ == {0: 0, 1: 1}
    assert clf.bias_classes_ == [0, 1]


def test_bias_labels_reach_fit_of_a_search_without_routing(train):
    with sklearn.config_context(enable_metadata_routing=False):
        search = GridSearchCV(ERMClassifier(**FAST), {"balance": ["group"]}, cv=2)
        search.fit(train.data, train.target, bias_labels=train.bias_labels)
    assert search.best_estimator_.aligned_bias_ == {0: 0, 1: 1}
