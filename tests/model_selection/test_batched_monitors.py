"""Monitors in stacks of candidates: each fit scores and keeps the epochs that it keeps alone."""

import numpy as np
import pytest
from searches import SHARED, Records, assert_close_fits, assert_equal_scores, rows
from sklearn.base import clone
from sklearn.exceptions import FitFailedWarning
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_debias import (
    BiasAdvClassifier,
    ERMClassifier,
    JTTClassifier,
    MetaIADAClassifier,
    ULEClassifier,
)
from sklearn_debias.model_selection import BatchedGridSearchCV

pytestmark = pytest.mark.filterwarnings("ignore::sklearn_debias.exceptions.DebiasWarning")
X, Y, BIAS = rows(150)
HELD = rows(200)
GIVEN = {"bias_labels": BIAS, "validation_data": (HELD[0][150:], HELD[1][150:], HELD[2][150:])}
EXACT = {**SHARED, "dtype": "float64", "max_epochs": 7, "lr": 0.05}
WORST = {"monitor": "worst_group_accuracy", "monitor_every": 3}

SEARCHES = {
    "ULE, every third epoch": (
        ULEClassifier(**EXACT, **WORST),
        {"lam": [0.2, 0.8, 1.0], "lr": [0.05, 0.3]},
    ),
    "a share of the rows": (
        ERMClassifier(**EXACT, validation=0.2, monitor="balanced_accuracy", monitor_every=2),
        {"lr": [0.01, 0.1, 1.0], "weight_decay": [0.0, 0.1]},
    ),
    "patience": (
        ERMClassifier("mlp", **EXACT, **WORST | {"monitor_every": 1}, patience=1),
        {"lr": [0.001, 0.05, 0.5, 2.0]},
    ),
    "dropout": (
        ERMClassifier("mlp", **EXACT, **WORST, net_params={"module__dropout": 0.5}),
        {"lr": [0.01, 0.3]},
    ),
    "two phases": (
        JTTClassifier(**EXACT, **WORST | {"monitor_every": 2}, identification_epochs=3),
        {"upweight": [2, 5, 9]},
    ),
    "phases that continue": (
        MetaIADAClassifier(**EXACT, **WORST | {"monitor_every": 2}, warmup=2),
        {"alpha": [0.0, 0.5], "beta": [0.0, 1.0]},
    ),
    "an attack": (BiasAdvClassifier(**EXACT, **WORST, base="lff"), {"lam": [0.0, 0.5, 1.0]}),
    "patience, and two networks": (
        BiasAdvClassifier(**EXACT, **WORST | {"monitor_every": 2}, patience=1, base="lff"),
        {"lam": [0.0, 0.5], "lr": [0.02, 1.0]},
    ),
    "no scorer": (ERMClassifier(**EXACT, monitor_every=4), {"lr": [0.01, 0.1]}),
}


def searched(kind, estimator, grid, given, **options):
    scorer = Records()
    search = kind(estimator, grid, cv=2, scoring=scorer, **options)
    return search.fit(X, Y, **given), scorer.seen


@pytest.mark.parametrize("name", SEARCHES)
def test_monitored_fits_equal_those_of_grid_search(name):
    estimator, grid = SEARCHES[name]
    given = dict(GIVEN)
    if estimator.validation is not None:
        del given["validation_data"]
    (one, expected), (other, actual) = (
        searched(kind, clone(estimator), grid, given)
        for kind in (GridSearchCV, BatchedGridSearchCV)
    )
    assert_equal_scores(one, other)
    assert_close_fits(expected, actual, 1e-9)
    score = [column for column in expected[0][1] if column.startswith("validation_")]
    assert len(score) == 1
    for (_, alone, _), (_, stacked, _) in zip(expected, actual, strict=True):
        np.testing.assert_array_equal(stacked[score[0]], alone[score[0]])


def test_members_of_one_stack_end_at_epochs_of_their_own():
    estimator, grid = SEARCHES["patience"]
    _, seen = searched(BatchedGridSearchCV, clone(estimator), grid, GIVEN)
    lengths = {len(history) for _, history, _ in seen}
    assert len(lengths) > 1
    assert min(lengths) < estimator.max_epochs


def test_monitors_may_differ_within_a_search():
    grid = {"monitor": ["accuracy", None], "monitor_every": [1, 5], "lr": [0.05, 0.5]}
    estimator = ERMClassifier(**EXACT)
    (one, expected), (other, actual) = (
        searched(kind, estimator, grid, GIVEN) for kind in (GridSearchCV, BatchedGridSearchCV)
    )
    assert_equal_scores(one, other)
    assert_close_fits(expected, actual, 1e-9)


def test_seeds_hold_out_rows_of_their_own():
    estimator, grid = SEARCHES["a share of the rows"]
    search, seen = searched(BatchedGridSearchCV, clone(estimator), grid, {}, n_seeds=2)
    settings = len(search.cv_results_["params"])
    by_seed = np.array([history["model_loss"].iloc[0] for _, history, _ in seen]).reshape(
        settings, 2, 2
    )
    assert (by_seed[..., 0] != by_seed[..., 1]).all()


def test_one_whose_scorer_fails_leaves_the_others_alone():
    def fussy(clf, X, y):
        return float("nan") if clf.lr > 0.2 else 0.5

    estimator = ERMClassifier(**EXACT, monitor=fussy)
    found = []
    for kind in (GridSearchCV, BatchedGridSearchCV):
        search = kind(estimator, {"lr": [0.05, 0.5]}, cv=3)
        with (
            pytest.warns(FitFailedWarning, match="must score a finite number"),
            pytest.warns(UserWarning, match="test scores are non-finite"),
        ):
            found.append(search.fit(X, Y, **GIVEN))
    assert_equal_scores(*found)


def test_a_monitor_without_rows_fails_as_in_a_fit_alone():
    search = BatchedGridSearchCV(
        ERMClassifier(**EXACT, monitor="accuracy"), {"lr": [0.1]}, cv=3, error_score="raise"
    )
    with pytest.raises(ValueError, match="`monitor` needs validation rows"):
        search.fit(X, Y)


def test_behind_a_scaler_and_shown():
    piped = make_pipeline(StandardScaler(), ERMClassifier(**EXACT, validation=0.3, **WORST))
    grid = {"ermclassifier__lr": [0.01, 0.5]}
    given = {"ermclassifier__bias_labels": BIAS}
    (one, expected), (other, actual) = (
        searched(kind, clone(piped), grid, given) for kind in (GridSearchCV, BatchedGridSearchCV)
    )
    assert_equal_scores(one, other)
    assert_close_fits(expected, actual, 1e-9)
