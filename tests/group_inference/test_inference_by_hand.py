"""Each method's labels, put together from its parts by hand."""

import numpy as np
import pytest
import torch
from inferring import SMALL, embeddings, fitted, partly_known
from sklearn.base import clone
from sklearn.cluster import KMeans
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import silhouette_score
from sklearn.model_selection import StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_debias import ERMClassifier
from sklearn_debias.feature_extraction import Embedder
from sklearn_debias.group_inference import GroupInferrer
from sklearn_debias.group_inference._clusters import CLEAR, POWER, sampling_weights
from sklearn_debias.objectives._eiil import penalty

TRAIN = embeddings().train
OTHER = embeddings().validation
y = TRAIN.target
X = TRAIN.data.astype(np.float64)
OTHER_X = OTHER.data.astype(np.float64)
LOGISTIC = LogisticRegression(C=1e-3)


def mean_proba(models, X):
    return np.mean([model.predict_proba(X) for model in models], axis=0)


def gradients(log_proba, y):
    residual = np.exp(log_proba) - np.eye(log_proba.shape[1])[y]
    return (residual * log_proba).sum(1)


def test_errors_of_one_fold_are_those_of_the_model_on_its_rows():
    groups = GroupInferrer("errors", estimator=LOGISTIC, n_splits=1).fit(X, y)
    model = clone(LOGISTIC).fit(X, y)
    np.testing.assert_array_equal(groups.bias_labels_, (model.predict(X) != y).astype(int))
    proba = model.predict_proba(X)
    np.testing.assert_allclose(groups.suspicion_, 1 - proba[np.arange(len(y)), y], atol=1e-12)
    assert groups.score_ is None
    expected = model.predict(OTHER_X) != OTHER.target
    np.testing.assert_array_equal(groups.predict(OTHER_X, OTHER.target), expected)


@pytest.mark.parametrize("n_splits", [2, 5])
def test_a_row_is_judged_by_the_model_that_was_not_fitted_to_it(n_splits):
    groups = GroupInferrer("errors", estimator=LOGISTIC, n_splits=n_splits, random_state=3)
    groups.fit(X, y)
    models = groups._inference.models
    assert len(models) == n_splits
    judged = np.zeros(len(y), dtype=int)
    for model in models:
        others = [
            fold
            for seed in [groups._fitted.streams.seed("inference") % 2**32]
            for fold in StratifiedKFold(n_splits, shuffle=True, random_state=seed).split(X, y)
            if np.array_equal(clone(LOGISTIC).fit(X[fold[0]], y[fold[0]]).coef_, model.coef_)
        ]
        ((_, held_out),) = others
        judged[held_out] += 1
        wrong = model.predict(X[held_out]) != y[held_out]
        np.testing.assert_array_equal(groups.bias_labels_[held_out], wrong)
    assert (judged == 1).all()


def test_other_rows_are_judged_by_all_models_together():
    groups = fitted("errors")
    proba = mean_proba(groups._inference.models, OTHER_X)
    expected = proba.argmax(1) != OTHER.target
    np.testing.assert_array_equal(groups.predict(OTHER_X, OTHER.target), expected)
    assert 0 < expected.sum() < len(expected)


def test_eiil_of_one_fold_takes_the_rows_with_a_positive_gradient():
    groups = GroupInferrer("eiil", estimator=LOGISTIC, n_splits=1).fit(X, y)
    d = gradients(clone(LOGISTIC).fit(X, y).predict_log_proba(X), y)
    np.testing.assert_allclose(groups.suspicion_, d, rtol=0, atol=1e-10)
    np.testing.assert_array_equal(groups.bias_labels_, (d > 0).astype(int))
    n = len(d)
    assert groups.score_ == pytest.approx((d[d > 0].sum() / n) ** 2 + (d[d < 0].sum() / n) ** 2)


def test_eiil_judges_other_rows_by_the_mean_probability():
    groups = fitted("eiil")
    d = gradients(np.log(mean_proba(groups._inference.models, OTHER_X)), OTHER.target)
    np.testing.assert_array_equal(groups.predict(OTHER_X, OTHER.target), (d > 0).astype(int))


@pytest.mark.slow
def test_eiil_by_ascent_ends_near_the_closed_form_and_no_higher():
    closed = GroupInferrer("eiil", random_state=0).fit(X, y)
    climbed = GroupInferrer("eiil", n_steps=3000, random_state=0).fit(X, y)
    clear = np.abs(closed.suspicion_) > 0.1
    np.testing.assert_array_equal(climbed.bias_labels_[clear], closed.bias_labels_[clear])
    assert climbed.score_ <= closed.score_
    d = torch.from_numpy(climbed.suspicion_)
    chosen = torch.from_numpy(climbed.bias_labels_).double()
    assert climbed.score_ == pytest.approx(penalty(chosen, d).item())


def test_xrm_takes_the_rows_that_one_of_its_nets_gets_wrong():
    groups = fitted("xrm")
    first, second = groups._inference.twins.both(X)
    wrong = (first.argmax(1) != y) | (second.argmax(1) != y)
    np.testing.assert_array_equal(groups.bias_labels_, wrong)
    p = [torch.from_numpy(z).softmax(1).numpy()[np.arange(len(y)), y] for z in (first, second)]
    np.testing.assert_allclose(groups.suspicion_, 1 - np.minimum(*p), atol=1e-6)
    assert groups.score_ == groups._inference.twins.flip_rate_
    first, second = groups._inference.twins.both(OTHER_X)
    wrong = (first.argmax(1) != OTHER.target) | (second.argmax(1) != OTHER.target)
    np.testing.assert_array_equal(groups.predict(OTHER_X, OTHER.target), wrong)


def test_the_twins_are_trained_as_the_estimator_is_with_the_steps_before_it():
    erm = ERMClassifier(**SMALL, module="mlp", net_params={"module__hidden": 7})
    groups = fitted("xrm", estimator=make_pipeline(StandardScaler(), erm))
    twins = groups._inference.twins
    assert (twins.lr, twins.max_epochs, twins.module) == (0.05, 2, "mlp")
    scaled = StandardScaler().fit_transform(X)
    seen = groups._inference.trainer.transform(X)
    np.testing.assert_allclose(seen, scaled)
    first, second = twins.both(scaled)
    wrong = (first.argmax(1) != y) | (second.argmax(1) != y)
    np.testing.assert_array_equal(groups.bias_labels_, wrong)


def by_hand(Z, most, seed):
    """Clusters of a class by scikit-learn alone, the largest first."""
    best = (0.0, np.zeros(len(Z), dtype=int))
    for k in range(2, most + 1):
        labels = KMeans(k, n_init=10, random_state=seed).fit(Z).labels_
        best = max(best, (silhouette_score(Z, labels), labels), key=lambda pair: pair[0])
    score, labels = best
    order = np.argsort(-np.bincount(labels), kind="stable")
    return score, np.argsort(order)[labels]


@pytest.mark.parametrize("features", ["outputs", "embeddings"])
def test_clusters_are_those_of_k_means_in_each_class(features):
    model = make_pipeline(StandardScaler(), LOGISTIC)
    groups = GroupInferrer("clusters", estimator=model, features=features, random_state=0)
    groups.fit(X, y)
    if features == "outputs":
        Z = clone(model).fit(X, y).predict_log_proba(X)
        Z = Z - Z.mean(1, keepdims=True)
    else:
        Z = StandardScaler().fit_transform(X)
    scores = []
    for c in (0, 1):
        score, labels = by_hand(Z[y == c], 4, groups._fitted.streams.seed("inference") % 2**32)
        scores.append(score)
        np.testing.assert_array_equal(groups.bias_labels_[y == c], labels)
        assert (np.diff(np.bincount(groups.bias_labels_[y == c])) <= 0).all()
    assert groups.score_ == pytest.approx(np.mean(scores))


def test_embeddings_of_a_net_are_what_its_last_layer_takes_in():
    erm = ERMClassifier("mlp", **SMALL)
    groups = fitted("clusters", estimator=erm, features="embeddings")
    (net,) = groups._inference.models
    Z = Embedder(net.module_).fit_transform(X)
    for c, clusters in enumerate(groups._inference.found):
        distances = np.linalg.norm(Z[y == c][:, None] - clusters.centres, axis=2)
        np.testing.assert_array_equal(groups.bias_labels_[y == c], distances.argmin(1))


def test_other_rows_go_to_the_nearest_centre_of_their_class():
    groups = fitted("clusters")
    (model,) = groups._inference.models
    Z = model.predict_log_proba(OTHER_X)
    Z = Z - Z.mean(1, keepdims=True)
    expected = [
        np.linalg.norm(groups._inference.found[c].centres - z, axis=1).argmin()
        for z, c in zip(Z, OTHER.target, strict=True)
    ]
    np.testing.assert_array_equal(groups.predict(OTHER_X, OTHER.target), expected)


def test_ssa_keeps_what_is_known_and_predicts_the_rest_by_the_other_folds():
    known = partly_known(TRAIN.bias_labels)
    groups = fitted("ssa")
    nets = groups._inference.nets
    assert len(nets) == 3
    np.testing.assert_array_equal(groups.bias_labels_[known >= 0], known[known >= 0])
    other = known < 0
    each = np.stack([net.predict(X) for net in nets])
    assert (each == groups.bias_labels_)[:, other].any(0).all()
    proba = sum(net.predict_proba(OTHER_X) for net in nets)
    np.testing.assert_array_equal(groups.predict(OTHER_X), proba.argmax(1))


def test_ssa_gives_back_the_values_that_it_was_given():
    names = np.array(["grass", "sand"], dtype=object)[TRAIN.bias_labels]
    names[partly_known(TRAIN.bias_labels) < 0] = None
    groups = GroupInferrer("ssa", estimator=ERMClassifier(**SMALL), random_state=0)
    groups.fit(X, y, bias_labels=names)
    coded = fitted("ssa")
    expected = np.array(["grass", "sand"])[coded.bias_labels_]
    np.testing.assert_array_equal(groups.bias_labels_, expected)
    assert set(groups.predict(OTHER_X)) <= {"grass", "sand"}


def test_where_all_labels_are_known_ssa_keeps_them_and_one_net_predicts_others():
    groups = GroupInferrer("ssa", estimator=ERMClassifier(**SMALL), random_state=0)
    groups.fit(X, y, bias_labels=TRAIN.bias_labels)
    np.testing.assert_array_equal(groups.bias_labels_, TRAIN.bias_labels)
    assert len(groups._inference.nets) == 1
    right = groups.predict(OTHER_X) == OTHER.bias_labels
    assert right.mean() > 0.9


def naive_weights(codes, labels, silhouettes):
    """SPARE's weights, row by row."""
    weights = []
    for c, label in zip(codes, labels, strict=True):
        size = sum((codes == c) & (labels == label))
        power = 1 if silhouettes[c] >= CLEAR else POWER
        weights.append(1 / size**power)
    for c in set(codes):
        weights = [
            w / sum(v for v, d in zip(weights, codes, strict=True) if d == c) if e == c else w
            for w, e in zip(weights, codes, strict=True)
        ]
    return np.array(weights) / sum(weights)


@pytest.mark.parametrize("silhouettes", [(0.95, 0.5, 0.9), (0.1, 0.1, 0.1), (1.0, 1.0, 1.0)])
def test_sampling_weights_follow_a_naive_transcription(silhouettes):
    rng = np.random.default_rng(0)
    codes = rng.integers(0, 3, 60)
    labels = rng.integers(0, 3, 60) * (rng.uniform(size=60) < 0.4)
    found = sampling_weights(codes, labels, np.array(silhouettes))
    np.testing.assert_allclose(found, naive_weights(codes, labels, silhouettes), atol=1e-15)
    assert found.sum() == pytest.approx(1)
    for c in range(3):
        assert found[codes == c].sum() == pytest.approx(1 / 3)


def test_clear_clusters_of_a_class_weigh_alike():
    codes = np.zeros(10, dtype=int)
    labels = np.array([0] * 8 + [1] * 2)
    weights = sampling_weights(codes, labels, np.array([0.95]))
    assert weights[labels == 0].sum() == pytest.approx(weights[labels == 1].sum())
    weights = sampling_weights(codes, labels, np.array([0.5]))
    assert weights[labels == 1].sum() == pytest.approx(4 * weights[labels == 0].sum())


def test_only_clusters_have_sampling_weights():
    groups = fitted("clusters")
    expected = sampling_weights(y, groups.bias_labels_, groups._inference.silhouettes)
    np.testing.assert_array_equal(groups.sampling_weights_, expected)
    assert fitted("errors").sampling_weights_ is None
