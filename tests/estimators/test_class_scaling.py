"""Class scaling: the sweep against brute force, what is fitted, the trade-off curve."""

import warnings

import numpy as np
import pytest
import sklearn
import torch
from scipy import sparse
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression, Perceptron
from sklearn.metrics import balanced_accuracy_score
from sklearn.model_selection import GridSearchCV, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_debias import ClassScaling, DFRClassifier, ERMClassifier, GroupDROClassifier
from sklearn_debias.datasets import make_spurious_embeddings
from sklearn_debias.exceptions import DebiasWarning
from sklearn_debias.fitting._halves import split_by
from sklearn_debias.metrics import (
    get_scorer,
    make_group_scorer,
    worst_group_accuracy_score,
    worst_group_accuracy_scorer,
)
from sklearn_debias.model_selection import BiasStratifiedKFold
from sklearn_debias.training import Streams


@pytest.fixture(scope="module")
def data():
    return make_spurious_embeddings(400, n_validation=200, n_test=200, random_state=0)


@pytest.fixture(scope="module")
def fitted(data):
    return LogisticRegression().fit(data.train.data, data.train.target)


def scaled(estimator, part, **params):
    return ClassScaling(estimator, **params).fit(
        part.data, part.target, bias_labels=part.bias_labels
    )


def test_the_curve_starts_at_one_and_holds_every_scale(data, fitted):
    part = data.validation
    clf = scaled(fitted, part)
    assert list(clf.curve_) == [
        "scale_0",
        "scale_1",
        "average_accuracy",
        "worst_group_accuracy",
        "score",
    ]
    assert clf.curve_.loc[0, ["scale_0", "scale_1"]].tolist() == [1, 1]
    assert clf.curve_.average_accuracy[0] == fitted.score(part.data, part.target)
    ratio = clf.curve_.scale_1 / clf.curve_.scale_0
    assert (ratio[1:].diff().dropna() > 0).all()
    assert clf.curve_.average_accuracy[1:].iloc[[0, -1]].tolist() == [
        0.5,
        0.5,
    ]  # all of one class, at both ends
    for row in clf.curve_.iloc[[3, 50, 120]].itertuples():
        predicted = (fitted.predict_proba(part.data) * [row.scale_0, row.scale_1]).argmax(1)
        expected = worst_group_accuracy_score(part.target, predicted, bias_labels=part.bias_labels)
        assert row.worst_group_accuracy == expected


def test_what_predicts_is_the_best_of_the_curve(data, fitted):
    part = data.validation
    clf = scaled(fitted, part)
    found = worst_group_accuracy_score(
        part.target, clf.predict(part.data), bias_labels=part.bias_labels
    )
    assert found == clf.curve_.score.max() >= clf.curve_.score[0]
    expected = fitted.predict_proba(part.data) * clf.scale_
    np.testing.assert_allclose(
        clf.predict_proba(part.data), expected / expected.sum(1, keepdims=True)
    )
    np.testing.assert_allclose(
        clf.predict_log_proba(part.data), np.log(clf.predict_proba(part.data))
    )


def test_a_fitted_estimator_is_not_refitted(data, fitted):
    before = fitted.coef_.copy()
    clf = scaled(fitted, data.validation)
    assert clf.estimator_ is fitted
    np.testing.assert_array_equal(fitted.coef_, before)
    frozen = clone(ClassScaling(FrozenEstimator(fitted)))
    again = frozen.fit(
        data.validation.data, data.validation.target, bias_labels=data.validation.bias_labels
    )
    np.testing.assert_array_equal(again.scale_, clf.scale_)


def test_an_unfitted_estimator_is_cloned_and_fitted_to_the_other_rows(data):
    own = LogisticRegression()
    part = data.train
    clf = scaled(own, part, random_state=0)
    assert not hasattr(own, "coef_")
    assert clf.aligned_bias_ == {0: 0, 1: 1}
    codes = 2 * part.target + part.bias_labels
    train, rows = split_by(codes, 0.2, np.random.default_rng(Streams(0).seed("held out")))
    expected = LogisticRegression().fit(part.data[train], part.target[train])
    np.testing.assert_array_equal(clf.estimator_.coef_, expected.coef_)
    assert clf.curve_.average_accuracy[0] == expected.score(part.data[rows], part.target[rows])


@pytest.mark.parametrize("routing", [False, True])
def test_bias_labels_reach_an_estimator_that_asks_for_them(data, routing):
    with sklearn.config_context(enable_metadata_routing=routing), warnings.catch_warnings():
        warnings.simplefilter("error", DebiasWarning)
        inner = GroupDROClassifier(lr=0.05, max_epochs=5, random_state=0)
        clf = scaled(make_pipeline(StandardScaler(), inner) if routing else inner, data.train)
        scaled(CalibratedClassifierCV(LogisticRegression()), data.train)
    assert worst_group_accuracy_scorer(
        clf, data.test.data, data.test.target, bias_labels=data.test.bias_labels
    ) == worst_group_accuracy_score(
        data.test.target, clf.predict(data.test.data), bias_labels=data.test.bias_labels
    )


def test_scorers_find_the_facts_of_the_inner_training(data):
    inner = ERMClassifier(lr=0.05, max_epochs=5, random_state=0)
    inner.fit(data.train.data, data.train.target, bias_labels=data.train.bias_labels)
    clf = scaled(inner, data.validation)
    assert not hasattr(clf, "aligned_bias_")
    scorer = get_scorer("conflicting_accuracy")
    assert (
        0 <= scorer(clf, data.test.data, data.test.target, bias_labels=data.test.bias_labels) <= 1
    )


@pytest.mark.parametrize(
    "scoring",
    [
        "balanced_accuracy",
        "group_mean_accuracy",
        "neg_log_loss",
        make_group_scorer(worst_group_accuracy_score),
    ],
    ids=str,
)
def test_other_scorers_choose(data, fitted, scoring):
    clf = scaled(fitted, data.validation, scoring=scoring, max_scales=30)
    assert len(clf.curve_) == 31
    assert clf.curve_.score.max() >= clf.curve_.score[0]
    if scoring == "balanced_accuracy":
        part = data.validation
        assert clf.curve_.score.max() == balanced_accuracy_score(
            part.target, clf.predict(part.data)
        )
    if callable(scoring):
        np.testing.assert_array_equal(clf.curve_.score, clf.curve_.worst_group_accuracy)


def test_several_attributes_and_three_classes():
    part = make_spurious_embeddings(
        300,
        n_validation=300,
        n_test=20,
        n_classes=3,
        n_attributes=2,
        conflict_ratio=0.2,
        random_state=0,
    )
    inner = LogisticRegression().fit(part.train.data, np.array(list("abc"))[part.train.target])
    rows = part.validation
    clf = ClassScaling(inner).fit(
        rows.data, np.array(list("abc"))[rows.target], bias_labels=rows.bias_labels
    )
    assert clf.scale_.shape == (3,)
    assert list(clf.curve_)[:3] == ["scale_a", "scale_b", "scale_c"]
    assert clf.curve_.score.max() > clf.curve_.score[0]


def test_it_restores_a_class_that_was_rare_in_training():
    """Class 1 is rare in training and common at test: scaling is what prior shift asks for."""
    full = make_spurious_embeddings(
        2000, n_validation=500, n_test=2000, spurious_strength=0.5, random_state=0
    )
    keep = (full.train.target == 0) | (np.arange(2000) % 10 == 0)
    inner = LogisticRegression().fit(full.train.data[keep], full.train.target[keep])
    clf = scaled(inner, full.validation)
    test = full.test
    before, after = (
        worst_group_accuracy_score(test.target, c.predict(test.data), bias_labels=test.bias_labels)
        for c in (inner, clf)
    )
    assert after > before + 0.1


def test_without_bias_labels_the_classes_are_the_groups_with_one_warning(data, fitted):
    part = data.validation
    with pytest.warns(
        DebiasWarning, match="no bias_labels: the classes are taken as groups"
    ) as caught:
        clf = ClassScaling(fitted).fit(part.data, part.target)
    assert len(caught) == 1
    assert caught[0].filename == __file__
    recall = [np.mean(clf.predict(part.data)[part.target == c] == c) for c in (0, 1)]
    assert clf.curve_.score.max() == min(recall)


def test_frames_sparse_matrices_lists_and_missing_values_are_the_estimators_affair(data):
    part = data.train
    given = {"bias_labels": part.bias_labels}
    for X in (sparse.coo_array(part.data), part.data.tolist()):
        assert ClassScaling(LogisticRegression()).fit(X, part.target, **given).n_features_in_ == 8
    missing = np.where(part.data > 3, np.nan, part.data)
    ClassScaling(HistGradientBoostingClassifier(max_iter=3)).fit(
        missing, part.target, **given
    ).predict(missing)
    with pytest.raises(ValueError, match="NaN"):
        ClassScaling(LogisticRegression()).fit(missing, part.target, **given)


def test_searches_and_cross_validation(data):
    part = data.train
    with sklearn.config_context(enable_metadata_routing=True):
        search = GridSearchCV(
            ClassScaling(LogisticRegression(), random_state=0),
            {"estimator__C": [0.01, 1.0], "held_out": [0.2, 0.5]},
            scoring=worst_group_accuracy_scorer,
            cv=BiasStratifiedKFold(2),
        ).fit(part.data, part.target, bias_labels=part.bias_labels)
        result = cross_validate(
            ClassScaling(LogisticRegression()),
            part.data,
            part.target,
            params={"bias_labels": part.bias_labels},
            cv=2,
        )
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    assert np.isfinite(result["test_score"]).all()


REFUSED = {
    "estimator": [3, None, Perceptron(), LogisticRegression],
    "scoring": ["best", 3, None],
    "held_out": [0, 1, np.nan, "a"],
    "max_scales": [0, 2.5],
    "max_rounds": [0, None],
    "random_state": [-1],
}


@pytest.mark.parametrize(
    ("name", "value"), [(n, v) for n, values in REFUSED.items() for v in values]
)
def test_refused_parameters(data, name, value):
    part = data.train
    clf = ClassScaling(LogisticRegression()).set_params(**{name: value})
    with pytest.raises((ValueError, TypeError), match=f"['`]{name}['`]"):
        clf.fit(part.data, part.target, bias_labels=part.bias_labels)


class Broken(LogisticRegression):
    def predict_proba(self, X):
        return np.full((len(X), 3), np.nan)


@pytest.mark.filterwarnings("ignore:ClassScaling was given no bias_labels")
def test_what_cannot_be_scaled_is_refused_and_leaves_nothing(data, fitted):
    part = data.validation
    given = {"bias_labels": part.bias_labels}
    cases = {
        "`estimator` must give finite probabilities": (Broken(), part.target, given),
        "`y` must hold labels seen in fit": (fitted, part.target + 1, given),
        "`bias_labels` must have one value per sample": (fitted, part.target, {"bias_labels": [0]}),
        "at least 2 classes": (fitted, 0 * part.target, given),
        "inconsistent numbers of samples": (fitted, part.target[:9], given),
        "`scoring`='group_mean_accuracy' needs bias labels|`scoring`=.* needs bias labels": (
            fitted,
            part.target,
            {},
        ),
    }
    for words, (inner, y, extra) in cases.items():
        clf = ClassScaling(
            inner, scoring="worst_group_accuracy" if extra else "group_mean_accuracy"
        )
        with pytest.raises(ValueError, match=words):
            clf.fit(part.data, y, **extra)
        assert not [name for name in vars(clf) if name.endswith("_")]
        with pytest.raises(NotFittedError):
            clf.predict(part.data)


@pytest.mark.parametrize("n_classes", [2, 3])
def test_attacks_see_the_scaled_probabilities_of_a_last_layer(n_classes):
    rng = np.random.default_rng(0)
    y = np.arange(240) % n_classes
    X = rng.normal(size=(240, 4)) + 1.5 * np.eye(4)[y]
    b = rng.integers(2, size=240)
    layer = DFRClassifier(random_state=0, C=0.1, n_resamples=2).fit(X, y, bias_labels=b)
    clf = ClassScaling(FrozenEstimator(layer)).fit(X, y, bias_labels=b)
    clf.scale_ = np.array([0.2, 1.0, 3.0])[:n_classes]
    opened = clf._opened(X, y)
    logits = opened.net(opened.prepare(opened.inputs.source.take(np.arange(len(X)))))
    np.testing.assert_allclose(
        torch.softmax(logits, 1).detach(), clf.predict_proba(X), rtol=1e-6, atol=1e-9
    )
