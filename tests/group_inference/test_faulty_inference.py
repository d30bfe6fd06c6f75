"""Bad and odd input: what ends in an error names it, what ends in a fit says what is odd."""

import numpy as np
import pandas as pd
import pytest
from inferring import METHODS, embeddings, fitted, given, inferrer, partly_known
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC

from sklearn_debias import (
    ERMClassifier,
    GroupDROClassifier,
    GroupInferrer,
    InferredGroupsClassifier,
    LfFClassifier,
)
from sklearn_debias.exceptions import DebiasWarning

TRAIN, OTHER = embeddings().train, embeddings().validation
X, y, BIAS = TRAIN.data, TRAIN.target, TRAIN.bias_labels
NOT_TOLD = pytest.mark.filterwarnings("ignore::sklearn_debias.exceptions.DebiasWarning")
FOLDED = ("errors", "eiil", "clusters")


@pytest.mark.parametrize("method", METHODS)
def test_one_class_is_refused(method):
    with pytest.raises(ValueError, match="class"):
        inferrer(method).fit(X, 0 * y, **given(method, BIAS))


@NOT_TOLD
@pytest.mark.parametrize("rows", [1, 2, 3, 4])
@pytest.mark.parametrize("method", METHODS)
def test_a_class_with_fewer_rows_than_folds_and_clusters(method, rows):
    kept = np.r_[np.flatnonzero(y == 0), np.flatnonzero(y == 1)[:rows]]
    labels = {"bias_labels": partly_known(BIAS)[kept]} if method == "ssa" else {}
    groups = inferrer(method).fit(X[kept], y[kept], **labels)
    assert groups.bias_labels_.shape == kept.shape
    assert groups.predict(OTHER.data, OTHER.target).shape == OTHER.target.shape


@NOT_TOLD
def test_the_only_row_of_a_class_is_a_mistake_of_models_that_do_not_know_the_class():
    kept = np.r_[np.flatnonzero(y == 0), np.flatnonzero(y == 1)[:1]]
    groups = inferrer("errors").fit(X[kept], y[kept])
    assert groups.bias_labels_[-1] == 1
    assert groups.suspicion_[-1] == pytest.approx(1)


@pytest.mark.parametrize("method", FOLDED)
def test_more_folds_than_rows_of_a_class_are_refused_by_name(method):
    kept = np.r_[np.flatnonzero(y == 0), np.flatnonzero(y == 1)[:3]]
    words = r"`n_splits`=5 needs as many rows of each class, got 3 of 'b'"
    with pytest.raises(ValueError, match=words):
        inferrer(method, n_splits=5).fit(X[kept], np.array(["a", "b"])[y[kept]])


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.filterwarnings("ignore:`method`=.* does not tell", "ignore:The fitted model predicts")
def test_few_rows_are_warned_of(method):
    rows = np.r_[:12]
    labels = {"bias_labels": BIAS[rows] if len(set(BIAS[rows])) > 1 else rows % 2}
    with pytest.warns(DebiasWarning, match="Groups are inferred from 12 rows"):
        inferrer(method).fit(X[rows], y[rows], **(labels if method == "ssa" else {}))


ODD = {
    "constant": np.ones_like(X),
    "zeros": np.zeros_like(X),
    "a constant column": np.column_stack([X, np.full(len(X), 3.0)]),
    "doubled columns": np.column_stack([X, X]),
    "doubled rows": np.repeat(X[:200], 2, axis=0),
    "huge": 1e6 * X,
    "tiny": 1e-6 * X,
    "integers": (10 * X).astype(int),
}


@NOT_TOLD
@pytest.mark.parametrize("kind", ODD)
@pytest.mark.parametrize("method", METHODS)
def test_odd_features_end_in_a_fit(method, kind):
    labels = np.repeat(y[:200], 2) if kind == "doubled rows" else y
    bias = np.repeat(BIAS[:200], 2) if kind == "doubled rows" else BIAS
    groups = inferrer(method).fit(ODD[kind], labels, **given(method, bias))
    assert groups.suspicion_ is None or np.isfinite(groups.suspicion_).all()
    assert groups.score_ is None or np.isfinite(groups.score_)
    assert groups.predict(ODD[kind][:5], labels[:5]).shape == (5,)


@pytest.mark.parametrize("method", ["errors", "eiil", "xrm"])
def test_constant_features_tell_nothing_and_that_is_said(method):
    with pytest.warns(DebiasWarning) as caught:
        inferrer(method).fit(ODD["constant"], y)
    assert any("does not tell the rows of" in str(w.message) for w in caught)


def separable():
    rng = np.random.default_rng(0)
    labels = np.arange(100) % 2
    return rng.normal(size=(100, 3)) + 20 * labels[:, None], labels


@pytest.mark.parametrize("method", ["errors", "xrm"])
def test_separable_classes_have_no_mistakes_and_the_knob_is_named(method):
    rows, labels = separable()
    model = LogisticRegression() if method == "errors" else None
    knob = {"errors": "Regularise `estimator`", "xrm": "`max_epochs` or `lr` of `estimator`"}
    with pytest.warns(DebiasWarning, match="does not tell the rows of any class") as caught:
        groups = GroupInferrer(method, estimator=model, random_state=0).fit(rows, labels)
    assert knob[method] in str(caught[0].message)
    assert caught[0].filename == __file__
    assert (groups.bias_labels_ == 0).all()


def test_groups_all_in_one_are_warned_of_and_still_train():
    rows, labels = separable()
    clf = InferredGroupsClassifier(
        LogisticRegression(), GroupInferrer(estimator=LogisticRegression()), n_checks=0
    )
    with pytest.warns(DebiasWarning, match="does not tell"):
        clf.fit(rows, labels)
    expected = LogisticRegression().fit(rows, labels)
    np.testing.assert_allclose(clf.classifier_.coef_, expected.coef_, rtol=1e-4)
    assert clf.minority_share_ == 0


def test_what_was_not_measured_is_not_reported():
    rows, labels = separable()
    clf = InferredGroupsClassifier(
        inferrer=GroupInferrer(estimator=LogisticRegression()), fallback=LogisticRegression()
    )
    with pytest.warns(DebiasWarning) as caught:
        clf.fit(rows, labels)
    told = [str(w.message) for w in caught]
    assert "`fallback` is fitted: the inferred minority, or a class, has too few rows." in told
    assert not any("mean accuracy" in words for words in told)
    assert clf.fell_back_
    assert clf.held_out_scores_ is None
    with pytest.warns(DebiasWarning) as caught:
        clf.set_params(fallback=None).fit(rows, labels)
    assert not any("mean accuracy" in str(w.message) for w in caught)


@NOT_TOLD
@pytest.mark.parametrize("rows", [1, 2, 3])
@pytest.mark.parametrize("method", ["errors", "eiil", "xrm", "clusters"])
def test_a_rare_class_is_trained_on_inferred_groups(method, rows):
    kept = np.r_[np.flatnonzero(y == 0), np.flatnonzero(y == 1)[:rows]]
    clf = InferredGroupsClassifier(inferrer=inferrer(method), random_state=0).fit(X[kept], y[kept])
    assert np.isfinite(clf.predict_proba(X)).all()


@pytest.mark.parametrize("method", METHODS)
def test_predict_before_fit(method):
    with pytest.raises(ValueError, match="not fitted"):
        inferrer(method).predict(X)
    with pytest.raises(ValueError, match="not fitted"):
        InferredGroupsClassifier(inferrer=method).predict(X)


@pytest.mark.parametrize("method", METHODS)
def test_predict_refuses_other_features_and_unseen_labels(method):
    groups = fitted(method)
    with pytest.raises(ValueError, match="features"):
        groups.predict(X[:, :3], y)
    with pytest.raises(ValueError, match="`y` must hold labels seen in fit"):
        groups.predict(X, y + 1)
    with pytest.raises(ValueError, match="NaN"):
        groups.predict(np.full_like(X, np.nan), y)
    with pytest.raises(ValueError, match="y"):
        groups.predict(X, y[:7])


def test_predict_refuses_columns_in_another_order():
    frame = pd.DataFrame(X, columns=list("abcdefgh"))
    groups = GroupInferrer("clusters", random_state=0).fit(frame, y)
    with pytest.raises(ValueError, match="feature names"):
        groups.predict(frame[list("hgfedcba")], y)


UNUSED = [
    ("xrm", {"n_splits": 3}),
    ("errors", {"features": "embeddings"}),
    ("eiil", {"max_clusters": 3}),
    ("errors", {"n_steps": 5}),
    ("clusters", {"threshold": 0.5}),
]


@pytest.mark.parametrize(("method", "params"), UNUSED, ids=lambda value: str(value))
def test_a_parameter_that_the_method_does_not_read_is_warned_of(method, params):
    (name,) = params
    with pytest.warns(DebiasWarning, match=f"`{name}`=.* has no effect with") as caught:
        inferrer(method, **params).fit(X, y)
    assert sum("has no effect" in str(w.message) for w in caught) == 1


@pytest.mark.parametrize("method", FOLDED)
def test_a_model_without_probabilities_is_refused(method):
    with pytest.raises(TypeError, match="`estimator` must have `predict_proba`, got LinearSVC"):
        GroupInferrer(method, estimator=LinearSVC()).fit(X, y)


@pytest.mark.parametrize("model", [LogisticRegression(), LfFClassifier()], ids=repr)
@pytest.mark.parametrize("method", ["xrm", "ssa"])
def test_nets_of_its_own_need_the_settings_of_an_erm(method, model):
    with pytest.raises(TypeError, match="`estimator` must be an ERMClassifier, or a Pipeline"):
        GroupInferrer(method, estimator=model).fit(X, y, **given(method, BIAS))


@pytest.mark.parametrize(
    ("params", "error"),
    [
        ({"method": "x"}, ValueError),
        ({"estimator": LogisticRegression}, TypeError),
        ({"estimator": 3}, ValueError),
        ({"n_splits": 0}, ValueError),
        ({"n_splits": np.timedelta64(3)}, TypeError),
        ({"n_splits": True}, TypeError),
        ({"features": "x"}, ValueError),
        ({"max_clusters": 1}, ValueError),
        ({"n_steps": 0}, ValueError),
        ({"threshold": 1.5}, ValueError),
        ({"random_state": -1}, ValueError),
    ],
    ids=str,
)
def test_parameters_out_of_range_are_named(params, error):
    (name,) = params
    with pytest.raises(error, match=f"['`]{name}['`]"):
        GroupInferrer(**params).fit(X, y)


@pytest.mark.parametrize("name", ["classifier", "inferrer", "fallback"])
def test_a_class_in_place_of_an_estimator_is_named(name):
    params = {name: GroupInferrer if name == "inferrer" else LogisticRegression}
    words = f"`{name}` of InferredGroupsClassifier must be an estimator, got the class"
    with pytest.raises(TypeError, match=words):
        InferredGroupsClassifier(**params).fit(X, y)


@pytest.mark.parametrize("method", METHODS)
def test_rows_that_do_not_match_are_refused(method):
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        inferrer(method).fit(X, y[:7], **given(method, BIAS))
    shuffled = pd.Series(y, index=np.arange(len(y))[::-1])
    with pytest.raises(ValueError, match="index"):
        inferrer(method).fit(pd.DataFrame(X), shuffled, **given(method, BIAS))


def test_validation_rows_do_not_pass_the_steps_of_a_pipeline():
    scaled = make_pipeline(
        StandardScaler(), GroupDROClassifier(max_epochs=2, monitor="accuracy", random_state=0)
    )
    clf = InferredGroupsClassifier(scaled, n_checks=0, random_state=0)
    with pytest.raises(TypeError, match="`validation_data` would reach the last step"):
        clf.fit(X, y, validation_data=(X, y))


@NOT_TOLD
def test_a_monitor_and_a_fallback_have_the_validation_rows():
    dro = GroupDROClassifier(max_epochs=2, monitor="accuracy", random_state=0)
    erm = ERMClassifier(max_epochs=2, monitor="accuracy", random_state=0)
    clf = InferredGroupsClassifier(dro, fallback=erm, random_state=0)
    clf.fit(X, y, validation_data=(X, y))
    assert "validation_accuracy" in clf.classifier_.history_


@NOT_TOLD
def test_validation_data_are_looked_at_before_a_fallback_is_fitted():
    labels = np.random.default_rng(0).integers(0, 2, len(y))
    dro = GroupDROClassifier(max_epochs=2, random_state=0)
    clf = InferredGroupsClassifier(dro, fallback=LogisticRegression(), random_state=0)
    with pytest.raises(ValueError, match="`validation_data` must be"):
        clf.fit(X, labels, validation_data="nonsense")


def test_folds_have_no_effect_on_features_of_one_model():
    groups = GroupInferrer("clusters", features="embeddings", n_splits=7, random_state=0)
    with pytest.warns(DebiasWarning, match="`n_splits`=7 has no effect with `features`"):
        groups.fit(X, y)


def test_layers_that_are_not_known_are_no_features():
    groups = GroupInferrer("clusters", features="embeddings", estimator=GaussianNB())
    with pytest.raises(TypeError, match="`features`='embeddings' needs an `estimator` of this"):
        groups.fit(X, y)


def test_a_model_that_is_wrong_about_all_rows_is_to_be_regularised_less():
    rng = np.random.default_rng(0)
    many = np.arange(600) % 20
    rows = rng.normal(size=(600, 3)) + many[:, None] * [1, 0, 0]
    with pytest.warns(DebiasWarning, match="wrong about all rows of a class.*Regularise.*less"):
        GroupInferrer(random_state=0).fit(rows, many)


def test_one_row_far_off_among_many_ends_no_fit():
    rows = np.random.default_rng(0).normal(size=(5000, 3))
    rows[0] = 1e4
    labels = np.arange(5000) % 2
    groups = GroupInferrer("clusters", features="embeddings", random_state=0)
    assert groups.fit(rows, labels).bias_labels_.shape == (5000,)
