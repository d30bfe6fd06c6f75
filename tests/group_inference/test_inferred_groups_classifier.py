"""Inference and training as one estimator: in searches and pipelines, routed, monitored, opened."""

import pickle

import numpy as np
import pandas as pd
import pytest
import torch
from inferring import SMALL, digits, embeddings, partly_known
from sklearn import config_context
from sklearn.base import clone
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC
from sklearn.utils.estimator_checks import parametrize_with_checks

from sklearn_debias import (
    AFRClassifier,
    DFRClassifier,
    ERMClassifier,
    GroupDROClassifier,
    GroupInferrer,
    InferredGroupsClassifier,
)
from sklearn_debias.attribution import attribute
from sklearn_debias.exceptions import DebiasWarning
from sklearn_debias.group_inference._handing import balancing
from sklearn_debias.metrics import make_group_scorer, worst_group_accuracy_score
from sklearn_debias.robustness import robust_accuracy_score

ROWS = embeddings(0, 1000)
X, y, BIAS = ROWS.train.data, ROWS.train.target, ROWS.train.bias_labels
TEST = embeddings(0, 1000).validation
NOT_TOLD = pytest.mark.filterwarnings("ignore::sklearn_debias.exceptions.DebiasWarning")
PIPELINE = make_pipeline(StandardScaler(), LogisticRegression(C=0.1))
CLASSIFIERS = {
    "dfr": DFRClassifier(C=1.0, n_resamples=2, random_state=0),
    "balanced erm": ERMClassifier(balance="group", **SMALL),
    "pipeline": PIPELINE,
}


def combined(classifier=None, inferrer="errors", **params):
    settings = {"n_checks": 0, "random_state": 0, **params}
    return InferredGroupsClassifier(classifier, inferrer, **settings)


@NOT_TOLD
@parametrize_with_checks([combined(clone(clf)) for clf in CLASSIFIERS.values()])
def test_sklearn_check(estimator, check):
    inside = estimator.classifier
    if isinstance(inside, ERMClassifier) and "check_classifiers_" in check.func.__name__:
        estimator = clone(estimator).set_params(classifier__max_epochs=10, classifier__lr=0.1)
    check(estimator)


@pytest.mark.parametrize("name", [None, *CLASSIFIERS])
def test_the_worst_group_gains_on_plain_training(name):
    classifier = None if name is None else CLASSIFIERS[name]
    if name == "balanced erm":
        classifier = ERMClassifier(balance="group", random_state=0)
    plain = LogisticRegression(C=0.1).fit(X, y)
    clf = combined(classifier).fit(X, y)
    before, after = (
        worst_group_accuracy_score(TEST.target, m.predict(TEST.data), bias_labels=TEST.bias_labels)
        for m in (plain, clf)
    )
    assert after > before + 0.1


def test_weights_balance_groups_by_hand():
    codes = np.array([0, 0, 0, 0, 1, 1])
    labels = np.array([0, 0, 0, 1, 0, 1])
    weights = balancing(codes, labels)
    np.testing.assert_allclose(weights, [0.5, 0.5, 0.5, 1.5, 1.5, 1.5])
    assert weights.mean() == pytest.approx(1)
    named = np.array(["b", "b", "b", "a", "b", "a"])
    np.testing.assert_array_equal(balancing(codes, named), weights)


def groups_of(clf):
    return clone(clf.inferrer_).fit(X, y).bias_labels_


def test_a_classifier_with_weights_is_given_balancing_ones():
    clf = combined(PIPELINE).fit(X, y)
    labels = groups_of(clf)
    np.testing.assert_array_equal(clf.bias_labels_, labels)
    weights = balancing(y, labels)
    by_hand = clone(PIPELINE).fit(X, y, logisticregression__sample_weight=weights)
    np.testing.assert_array_equal(clf.predict_proba(TEST.data), by_hand.predict_proba(TEST.data))
    for c in (0, 1):
        sums = [weights[(y == c) & (labels == a)].sum() for a in (0, 1)]
        assert sums[0] == pytest.approx(sums[1])


@pytest.mark.parametrize(
    "classifier",
    [
        DFRClassifier(C=1.0, n_resamples=2, random_state=0),
        ERMClassifier(balance="group", **SMALL),
        GroupDROClassifier(**SMALL),
    ],
    ids=lambda clf: type(clf).__name__,
)
def test_a_classifier_with_bias_labels_is_given_the_inferred_ones(classifier):
    clf = combined(classifier).fit(X, y)
    by_hand = clone(classifier).fit(X, y, bias_labels=groups_of(clf))
    np.testing.assert_array_equal(clf.predict_proba(TEST.data), by_hand.predict_proba(TEST.data))


@NOT_TOLD
def test_an_erm_that_balances_nothing_is_given_weights():
    erm = ERMClassifier(**SMALL)
    clf = combined(erm).fit(X, y)
    by_hand = clone(erm).fit(X, y, sample_weight=balancing(y, clf.bias_labels_))
    np.testing.assert_array_equal(clf.predict_proba(TEST.data), by_hand.predict_proba(TEST.data))
    assert clf.handed_as() == "sample_weight"


def test_sampling_weights_are_those_of_the_clusters():
    clf = combined(PIPELINE, "clusters", groups_as="sampling_weight").fit(X, y)
    weights = clf.inferrer_.sampling_weights_ / np.mean(clf.inferrer_.sampling_weights_)
    by_hand = clone(PIPELINE).fit(X, y, logisticregression__sample_weight=weights)
    np.testing.assert_array_equal(clf.predict_proba(TEST.data), by_hand.predict_proba(TEST.data))


@NOT_TOLD
@pytest.mark.parametrize("routing", [False, True])
def test_known_bias_labels_reach_an_inferrer_that_spreads_them(routing):
    known = partly_known(BIAS)
    inferrer = GroupInferrer("ssa", estimator=ERMClassifier(**SMALL), random_state=0)
    with config_context(enable_metadata_routing=routing):
        clf = combined(inferrer=inferrer).fit(X, y, bias_labels=known)
        np.testing.assert_array_equal(clf.bias_labels_[known >= 0], known[known >= 0])
        if routing:
            grid = {"inferrer__threshold": [0.9, 0.95]}
            search = GridSearchCV(combined(inferrer=inferrer), grid, cv=2, error_score="raise")
            search.fit(X, y, bias_labels=np.where(np.arange(len(y)) % 5, -1, BIAS))
            assert search.best_score_ > 0.5


@pytest.mark.parametrize("routing", [False, True])
def test_the_argument_reaches_the_last_step_of_a_pipeline(routing):
    inner = LogisticRegression(C=0.1)
    scaler = StandardScaler()
    if routing:
        with config_context(enable_metadata_routing=True):
            inner = inner.set_fit_request(sample_weight=True)
            scaler = scaler.set_fit_request(sample_weight=False)
    with config_context(enable_metadata_routing=routing):
        clf = combined(make_pipeline(scaler, inner)).fit(X, y)
    expected = combined(PIPELINE).fit(X, y)
    np.testing.assert_array_equal(clf.predict_proba(TEST.data), expected.predict_proba(TEST.data))


def test_a_pipeline_that_asks_for_nothing_is_given_weights_where_they_are_routed():
    with config_context(enable_metadata_routing=True):
        clf = combined(PIPELINE).fit(X, y)
    expected = combined(PIPELINE).fit(X, y)
    np.testing.assert_array_equal(clf.predict_proba(TEST.data), expected.predict_proba(TEST.data))


def test_it_is_a_step_of_a_pipeline():
    pipeline = make_pipeline(StandardScaler(), combined()).fit(X, y)
    alone = combined().fit(StandardScaler().fit_transform(X), y)
    scaled = pipeline[0].transform(TEST.data)
    np.testing.assert_array_equal(pipeline.predict(TEST.data), alone.predict(scaled))


def test_a_grid_goes_over_both_parts():
    clf = combined(LogisticRegression(), GroupInferrer(random_state=0))
    grid = {"classifier__C": [0.01, 1.0], "inferrer__method": ["errors", "eiil"]}
    search = GridSearchCV(clf, grid, cv=2, error_score="raise").fit(X, y)
    assert len(search.cv_results_["params"]) == 4
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    best = search.best_params_
    assert best["classifier__C"] == search.best_estimator_.classifier_.C
    assert search.best_estimator_.inferrer_.method == best["inferrer__method"]


def test_group_scorers_choose_among_combined_classifiers():
    scorer = make_group_scorer(worst_group_accuracy_score, bias_labels=pd.Series(BIAS))
    labels = pd.Series(y)
    scores = cross_val_score(combined(), X, labels, scoring=scorer, cv=2, error_score="raise")
    assert (scores > 0.5).all()


METHODS_OF = ("predict_proba", "predict_log_proba", "decision_function")


@pytest.mark.parametrize("classifier", [None, PIPELINE, LinearSVC(), GaussianNB()], ids=repr)
def test_it_has_the_methods_that_the_classifier_has(classifier):
    clf = combined(classifier).fit(X, y)
    for name in METHODS_OF:
        has = classifier is None or hasattr(classifier, name)
        assert hasattr(clf, name) == has, name
        if has:
            own, inner = (getattr(m, name)(TEST.data) for m in (clf, clf.classifier_))
            np.testing.assert_array_equal(own, inner)
    np.testing.assert_array_equal(clf.predict(TEST.data), clf.classifier_.predict(TEST.data))
    assert clf.score(TEST.data, TEST.target) == clf.classifier_.score(TEST.data, TEST.target)


@pytest.mark.parametrize("labelled", [False, True])
def test_validation_rows_without_bias_labels_have_inferred_ones(labelled):
    erm = ERMClassifier(balance="group", monitor="worst_group_accuracy", **SMALL)
    given = (TEST.data, TEST.target, *([TEST.bias_labels] if labelled else []))
    clf = combined(erm).fit(X, y, validation_data=given)
    labels = TEST.bias_labels if labelled else clf.inferrer_.predict(TEST.data, TEST.target)
    by_hand = clone(erm).fit(
        X, y, bias_labels=clf.bias_labels_, validation_data=(TEST.data, TEST.target, labels)
    )
    found, expected = (m.history_.drop(columns="seconds") for m in (clf.classifier_, by_hand))
    assert found.equals(expected)
    assert any("worst_group" in name for name in found.columns)


@NOT_TOLD
@pytest.mark.parametrize("classifier", [None, RandomForestClassifier(5, random_state=0)])
def test_validation_rows_that_the_classifier_does_not_take_are_refused(classifier):
    with pytest.raises(TypeError, match="`validation_data`"):
        combined(classifier).fit(X, y, validation_data=(TEST.data, TEST.target))


@pytest.mark.parametrize("wrong", [3, (X,), (X, y, BIAS, BIAS)], ids=["3", "one", "four"])
def test_validation_rows_of_another_shape_are_refused(wrong):
    with pytest.raises(ValueError, match=r"`validation_data` must be \(X, y\)"):
        combined(ERMClassifier(**SMALL)).fit(X, y, validation_data=wrong)


@pytest.fixture(scope="module")
def on_images():
    rows = digits()
    few = np.flatnonzero(rows.target < 2)[:120]
    pixels, labels = rows.data[few], rows.target[few]
    erm = ERMClassifier("simple_cnn", **SMALL)
    clf = combined(
        GroupDROClassifier("simple_cnn", **SMALL), GroupInferrer(estimator=erm, random_state=0)
    )
    with pytest.warns(DebiasWarning):
        clf.fit(pixels, labels)
    return clf, pixels, labels


@NOT_TOLD
def test_attention_maps_are_those_of_the_classifier(on_images):
    clf, pixels, labels = on_images
    found = attribute(clf, pixels[:4], labels[:4])
    np.testing.assert_array_equal(found, attribute(clf.classifier_, pixels[:4], labels[:4]))


def test_attacks_are_those_on_the_classifier(on_images):
    clf, pixels, labels = on_images
    score = {"epsilon": 0.05, "attack": "pgd-2", "random_state": 0}
    found = robust_accuracy_score(clf, pixels, labels, **score)
    assert found == robust_accuracy_score(clf.classifier_, pixels, labels, **score)
    assert found <= clf.score(pixels, labels)


def test_heads_on_features_can_be_attacked():
    clf = combined(DFRClassifier(C=1.0, n_resamples=2, random_state=0)).fit(X, y)
    score = {"epsilon": 0.1, "attack": "fgsm", "random_state": 0, "clip": None}
    found = robust_accuracy_score(clf, TEST.data, TEST.target, **score)
    assert found == robust_accuracy_score(clf.classifier_, TEST.data, TEST.target, **score)


@NOT_TOLD
def test_images_have_group_dro_by_default():
    rows = digits()
    few = np.flatnonzero(rows.target < 2)[:60]
    clf = combined().fit(rows.data[few], rows.target[few])
    assert isinstance(clf.classifier_, GroupDROClassifier)


@pytest.mark.parametrize("classifier", [None, AFRClassifier(**SMALL)], ids=["None", "AFR"])
@NOT_TOLD
def test_a_seed_reproduces_a_fit_and_files_keep_it(classifier):
    one, two = (combined(classifier).fit(X, y) for _ in range(2))
    np.testing.assert_array_equal(one.predict_proba(X), two.predict_proba(X))
    stored = pickle.loads(pickle.dumps(one))
    np.testing.assert_array_equal(stored.predict_proba(X), one.predict_proba(X))
    np.testing.assert_array_equal(stored.bias_labels_, one.bias_labels_)


def test_tensors_with_a_gradient_reach_scikit_learns_classifiers_without():
    clf = combined(PIPELINE).fit(torch.from_numpy(X).requires_grad_(), y)
    asked = torch.from_numpy(TEST.data).requires_grad_()
    for name in ("predict", "predict_proba", "predict_log_proba", "decision_function"):
        np.testing.assert_array_equal(getattr(clf, name)(asked), getattr(clf, name)(TEST.data))


def test_stability_is_one_where_seeds_do_not_matter():
    clf = combined(inferrer="clusters", n_checks=2).fit(X, y)
    assert clf.stability_ > 0.99
