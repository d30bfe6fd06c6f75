"""Scorers: through scikit-learn's searches and wrappers, with routing and without."""

import pickle
import warnings

import numpy as np
import pandas as pd
import pytest
from routed import RoutedClassifier, shortcut_data
from sklearn import config_context
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import (
    GridSearchCV,
    HalvingGridSearchCV,
    RandomizedSearchCV,
    cross_val_score,
    cross_validate,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_debias import metrics
from sklearn_debias.metrics import (
    GroupScorer,
    bias_gap_score,
    conflicting_accuracy_score,
    get_scorer,
    get_scorer_names,
    make_group_scorer,
    worst_group_accuracy_score,
)
from sklearn_debias.model_selection import BiasStratifiedKFold

X, Y, BIAS = shortcut_data()
NAMES = get_scorer_names()
CV = BiasStratifiedKFold(3)


@pytest.fixture
def routing():
    with config_context(enable_metadata_routing=True):
        yield


@pytest.fixture(scope="module")
def fitted():
    return RoutedClassifier().fit(X, Y, bias_labels=BIAS)


def value(name, estimator):
    """The score computed without a scorer."""
    facts = {
        "adjusted_accuracy": {"group_shares": metrics.group_shares_map(Y, BIAS)},
        "worst_group_accuracy": {},
        "group_mean_accuracy": {},
    }
    score = getattr(metrics, f"{name}_score")
    sign = -1 if name == "bias_gap" else 1
    return sign * score(
        Y,
        estimator.predict(X),
        bias_labels=BIAS,
        **facts.get(name, {"aligned": metrics.aligned_map(Y, BIAS)}),
    )


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("enabled", [True, False])
def test_a_direct_call_gives_the_metric_with_routing_on_or_off(name, enabled, fitted):
    with config_context(enable_metadata_routing=enabled):
        assert get_scorer(name)(fitted, X, Y, bias_labels=BIAS) == value(name, fitted)
        assert getattr(metrics, f"{name}_scorer")(fitted, X, Y, bias_labels=BIAS) == value(
            name, fitted
        )


def test_the_gap_scorer_is_negated(fitted):
    assert get_scorer("bias_gap")(fitted, X, Y, bias_labels=BIAS) < 0 < -value("bias_gap", fitted)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "copy", [lambda s: pickle.loads(pickle.dumps(s)), lambda s: clone(s, safe=False)]
)
def test_scorers_can_be_pickled_and_cloned(name, copy, fitted, routing):
    scorer = get_scorer(name)
    twin = copy(scorer.set_score_request(sample_weight=True))
    assert repr(twin) == repr(scorer)
    assert twin.get_metadata_routing().score.requests["sample_weight"] is True
    assert twin(fitted, X, Y, bias_labels=BIAS) == scorer(fitted, X, Y, bias_labels=BIAS)


def test_repr_reads_like_the_call_that_made_it():
    assert (
        repr(get_scorer("worst_group_accuracy")) == "make_group_scorer(worst_group_accuracy_score)"
    )
    series = pd.Series(BIAS)
    scorer = make_group_scorer(
        bias_gap_score, greater_is_better=False, bias_labels=series, absent="ignore"
    )
    assert repr(scorer) == (
        "make_group_scorer(bias_gap_score, greater_is_better=False, bias_labels=<Series of 240>, "
        "absent='ignore')"
    )


def test_get_scorer_knows_ours_and_theirs():
    ready = [name for name, entry in vars(metrics).items() if isinstance(entry, GroupScorer)]
    assert sorted(ready) == [f"{name}_scorer" for name in NAMES]
    assert set(ready) < set(metrics.__all__)
    assert get_scorer("worst_group_accuracy") is not get_scorer("worst_group_accuracy")
    assert get_scorer("accuracy")._score_func.__name__ == "accuracy_score"
    assert get_scorer(len) is len
    for unknown in ("worst_group", None, 3):
        with pytest.raises(ValueError, match=r"`scoring` must be one of \['adjusted_accuracy'"):
            get_scorer(unknown)


def every_scorer():
    return {name: get_scorer(name) for name in NAMES}


@pytest.mark.parametrize("scoring", [*NAMES, "all"])
def test_cross_validate(scoring, routing):
    scoring = every_scorer() if scoring == "all" else get_scorer(scoring)
    result = cross_validate(
        RoutedClassifier(),
        X,
        Y,
        scoring=scoring,
        cv=CV,
        params={"bias_labels": BIAS},
        error_score="raise",
    )
    keys = [key for key in result if key.startswith("test_")]
    assert len(keys) in (1, 7)
    assert all(np.isfinite(result[key]).all() for key in keys)


def test_cross_validate_equals_a_loop(routing):
    found = cross_validate(
        RoutedClassifier(),
        X,
        Y,
        scoring=get_scorer("worst_group_accuracy"),
        cv=CV,
        params={"bias_labels": BIAS},
    )
    expected = []
    for train, test in CV.split(X, Y, bias_labels=BIAS):
        model = LogisticRegression().fit(X[train], Y[train])
        expected.append(
            worst_group_accuracy_score(Y[test], model.predict(X[test]), bias_labels=BIAS[test])
        )
    np.testing.assert_array_equal(found["test_score"], expected)


SEARCHES = {
    "grid": lambda model, grid, **kwargs: GridSearchCV(model, grid, **kwargs),
    "random": lambda model, grid, **kwargs: RandomizedSearchCV(
        model, grid, n_iter=2, random_state=0, **kwargs
    ),
    "halving": lambda model, grid, **kwargs: HalvingGridSearchCV(
        model, grid, factor=2, min_resources=120, random_state=0, **kwargs
    ),
}


@pytest.mark.parametrize("kind", SEARCHES)
@pytest.mark.parametrize("name", ["worst_group_accuracy", "bias_gap", "adjusted_accuracy"])
def test_searches_through_a_pipeline(kind, name, routing):
    search = SEARCHES[kind](
        make_pipeline(StandardScaler(), RoutedClassifier()),
        {"routedclassifier__C": [0.01, 1.0]},
        scoring=get_scorer(name),
        cv=CV,
        error_score="raise",
    ).fit(X, Y, bias_labels=BIAS)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    assert search.score(X, Y, bias_labels=BIAS) == value(name, search)


def test_grid_search_with_two_workers_and_several_metrics_agrees_with_one(routing):
    results = [
        GridSearchCV(
            RoutedClassifier(),
            {"C": [0.01, 1.0]},
            scoring=every_scorer(),
            refit="worst_group_accuracy",
            cv=CV,
            n_jobs=n_jobs,
            error_score="raise",
        )
        .fit(X, Y, bias_labels=BIAS)
        .cv_results_
        for n_jobs in (1, 2)
    ]
    for name in NAMES:
        np.testing.assert_array_equal(
            results[0][f"mean_test_{name}"], results[1][f"mean_test_{name}"]
        )


@pytest.mark.parametrize("name", NAMES)
def test_training_facts_are_found_inside_wrappers(name, fitted, routing):
    pipeline = make_pipeline(StandardScaler(), RoutedClassifier()).fit(X, Y, bias_labels=BIAS)
    search = GridSearchCV(pipeline, {"routedclassifier__C": [1.0]}, cv=CV).fit(
        X, Y, bias_labels=BIAS
    )
    calibrated = CalibratedClassifierCV(RoutedClassifier(), cv=3).fit(X, Y, bias_labels=BIAS)
    frozen = FrozenEstimator(fitted)
    on_frozen = CalibratedClassifierCV(frozen).fit(X, Y)
    for wrapper in (pipeline, search, calibrated, frozen, on_frozen):
        score = get_scorer(name)(wrapper, X, Y, bias_labels=BIAS)
        if wrapper is not calibrated or "adjusted" not in name:  # shares of a fold differ a little
            assert score == value(name, wrapper)


def test_calibration_inside_a_search(routing):
    search = GridSearchCV(
        CalibratedClassifierCV(RoutedClassifier(), cv=BiasStratifiedKFold(2)),
        {"estimator__C": [0.1, 1.0]},
        scoring=get_scorer("conflicting_accuracy"),
        cv=CV,
        error_score="raise",
    ).fit(X, Y, bias_labels=BIAS)
    assert np.isfinite(search.best_score_)


def test_sample_weight_reaches_the_scorer_on_request(fitted, routing):
    weight = np.random.default_rng(0).random(len(Y))
    scorer = get_scorer("worst_group_accuracy").set_score_request(sample_weight=True)
    search = GridSearchCV(
        RoutedClassifier().set_fit_request(sample_weight=False), {"C": [1.0]}, scoring=scorer, cv=CV
    )
    search.fit(X, Y, bias_labels=BIAS, sample_weight=weight)
    expected = worst_group_accuracy_score(
        Y, search.predict(X), bias_labels=BIAS, sample_weight=weight
    )
    assert search.score(X, Y, bias_labels=BIAS, sample_weight=weight) == expected
    with pytest.raises(TypeError, match="takes the metadata"):
        scorer.set_score_request(groups=True)


SWITCH = (
    r"`bias_labels` did not reach.*sklearn\.set_config\(enable_metadata_routing=True\).*params="
)


@pytest.mark.parametrize("name", NAMES)
def test_missing_bias_labels_name_the_switch(name, fitted):
    with pytest.raises(ValueError, match=SWITCH):
        get_scorer(name)(fitted, X, Y)
    with pytest.raises(ValueError, match=SWITCH):
        cross_val_score(LogisticRegression(), X, Y, scoring=get_scorer(name), error_score="raise")


def test_a_search_without_routing_warns_instead_of_choosing_in_silence():
    search = GridSearchCV(
        LogisticRegression(), {"C": [0.1, 1.0]}, scoring=get_scorer("worst_group_accuracy"), cv=2
    )
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        search.fit(X, Y)
    text = " ".join(str(entry.message) for entry in caught)
    assert "enable_metadata_routing=True" in text
    assert "non-finite" in text
    assert np.isnan(search.best_score_)


def test_bad_calls_raise(fitted):
    scorer = get_scorer("conflicting_accuracy")
    with pytest.raises(
        ValueError, match=r"`bias_labels` must hold values seen in training.*'camel', 'sea'"
    ):
        scorer(fitted, X, Y, bias_labels=np.where(BIAS == "sand", "sea", BIAS))
    with pytest.raises(TypeError, match="takes the metadata"):
        scorer(fitted, X, Y, groups=BIAS)
    with pytest.raises(ValueError, match="`y_true` must be given"):
        scorer(fitted, X, None, bias_labels=BIAS)
    plain = LogisticRegression().fit(X, Y)
    for name, parameter in [("bias_gap", "aligned"), ("adjusted_accuracy", "group_shares")]:
        with pytest.raises(
            ValueError, match=rf"`{parameter}`.*LogisticRegression has no.*make_group_scorer"
        ):
            get_scorer(name)(plain, X, Y, bias_labels=BIAS)
    given = make_group_scorer(conflicting_accuracy_score, aligned=fitted.aligned_bias_)
    assert given(plain, X, Y, bias_labels=BIAS) == scorer(fitted, X, Y, bias_labels=BIAS)


def test_make_group_scorer_takes_any_metric_of_that_signature(fitted):
    def error(y_true, proba, *, bias_labels):
        return float(np.mean(proba[bias_labels == "sand"]))

    scorer = make_group_scorer(error, response_method="predict_proba", greater_is_better=False)
    assert isinstance(scorer, GroupScorer)
    expected = -fitted.predict_proba(X)[BIAS == "sand", 1].mean()
    assert scorer(fitted, X, Y, bias_labels=BIAS) == pytest.approx(expected)
    for bad in (np.mean, "worst", None):
        with pytest.raises(
            TypeError, match="`score_func` must be a callable that takes `bias_labels`"
        ):
            make_group_scorer(bad)
    with pytest.raises(
        TypeError, match=r"`kwargs` must be arguments of worst_group_accuracy_score.*\['beta'\]"
    ):
        make_group_scorer(worst_group_accuracy_score, beta=2)


INDEX = [f"row{i}" for i in range(len(Y))]
SERIES = pd.Series(BIAS, index=INDEX)
FRAME = pd.DataFrame(X, index=INDEX, columns=["animal", "place"])


@pytest.mark.parametrize("n_jobs", [1, 2])
@pytest.mark.parametrize("pandas_part", ["X", "y", "both"])
def test_a_bound_scorer_needs_no_routing(n_jobs, pandas_part):
    scorer = make_group_scorer(worst_group_accuracy_score, bias_labels=SERIES[::-1])
    X_in = X if pandas_part == "y" else FRAME
    y_in = Y if pandas_part == "X" else pd.Series(Y, index=INDEX)
    found = cross_val_score(
        LogisticRegression(), X_in, y_in, scoring=scorer, cv=3, n_jobs=n_jobs, error_score="raise"
    )
    with config_context(enable_metadata_routing=True):
        # The same folds: those of an integer cv.
        expected = cross_val_score(
            RoutedClassifier(),
            X,
            Y,
            scoring=get_scorer("worst_group_accuracy"),
            cv=3,
            params={"bias_labels": BIAS},
        )
    np.testing.assert_array_equal(found, expected)


def test_a_bound_scorer_leaves_routed_labels_to_fit(routing):
    scorer = make_group_scorer(conflicting_accuracy_score, bias_labels=SERIES)
    search = GridSearchCV(
        RoutedClassifier(), {"C": [1.0]}, scoring=scorer, cv=CV, error_score="raise"
    )
    search.fit(FRAME, Y, bias_labels=SERIES)
    assert np.isfinite(search.best_score_)
    with pytest.raises(ValueError, match="bound to some already"):
        scorer(search, FRAME, Y, bias_labels=BIAS)


def test_a_bound_frame_gives_joint_values(fitted):
    both = pd.DataFrame({"place": BIAS, "night": np.arange(240) % 2}, index=INDEX)
    plain = LogisticRegression().fit(X, Y)
    scorer = make_group_scorer(worst_group_accuracy_score, bias_labels=both)
    assert scorer(plain, X, pd.Series(Y, index=INDEX)) == worst_group_accuracy_score(
        Y, plain.predict(X), bias_labels=both
    )


def test_what_a_bound_scorer_refuses(fitted):
    with pytest.raises(TypeError, match="`bias_labels` must be a pandas Series or DataFrame"):
        make_group_scorer(worst_group_accuracy_score, bias_labels=BIAS)
    with pytest.raises(ValueError, match=r"unique index.*'row0'"):
        make_group_scorer(worst_group_accuracy_score, bias_labels=pd.concat([SERIES, SERIES[:1]]))
    scorer = make_group_scorer(worst_group_accuracy_score, bias_labels=SERIES[:-2])
    with pytest.raises(ValueError, match=r"need a pandas y or X.*enable_metadata_routing"):
        scorer(fitted, X, Y)
    with pytest.raises(ValueError, match="lacks 2 of them: 'row238', 'row239'"):
        scorer(fitted, X, pd.Series(Y, index=INDEX))
    with pytest.raises(ValueError, match="same index"):
        scorer(fitted, FRAME, pd.Series(Y, index=INDEX[::-1]))
