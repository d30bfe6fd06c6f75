"""A slim model predicts and scores as the whole one, and says what it was cut to."""

from functools import partial

import numpy as np
import pytest
import skops.io
from saved_networks import BIAS, WAYS, Configured, Perceptron, Width, X, Y, by_skops
from sklearn import config_context
from sklearn.base import clone
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from skorch.callbacks import EpochScoring
from torch import nn

from sklearn_debias import (
    BiasAdvClassifier,
    ClassScaling,
    DHATClassifier,
    ERMClassifier,
    LfFClassifier,
    MetaIADAClassifier,
    SELFClassifier,
)
from sklearn_debias.deployment import slimmed
from sklearn_debias.feature_extraction import Embedder
from sklearn_debias.group_inference import GroupInferrer, InferredGroupsClassifier
from sklearn_debias.metrics import get_scorer
from sklearn_debias.robustness import robust_accuracy
from sklearn_debias.testing import all_estimators, quick, variants
from sklearn_debias.testing._estimator_data import fitted, fitted_names

pytestmark = pytest.mark.filterwarnings("ignore::sklearn_debias.exceptions.DebiasWarning")
CASES = [(name, i) for name, cls in all_estimators() for i in range(len(variants(cls)))]
CLASSES = dict(all_estimators())
KEPT = {
    *("classes_", "n_features_in_", "input_shape_", "bias_classes_", "aligned_bias_"),
    *("group_shares_", "net_", "coef_", "intercept_", "estimator_", "scale_", "classifier_"),
}


@pytest.mark.parametrize(("name", "i"), CASES)
def test_every_estimator_predicts_as_before(name, i):
    model = fitted(variants(CLASSES[name])[i], X, Y, BIAS)
    before = sorted(vars(model))
    slim = slimmed(model)
    assert sorted(vars(model)) == before
    assert set(fitted_names(slim)) <= KEPT
    for again in (slim, slimmed(slim), WAYS["skops"](slim), WAYS["pickle"](slim)):
        np.testing.assert_array_equal(again.predict_proba(X), model.predict_proba(X))
        np.testing.assert_array_equal(again.predict(X), model.predict(X))
        assert again.score(X, Y) == model.score(X, Y)
        if hasattr(model, "bias_classes_"):
            with config_context(enable_metadata_routing=True):
                adjusted = get_scorer("adjusted_accuracy")
                scores = [adjusted(one, X, Y, bias_labels=BIAS) for one in (again, model)]
            assert scores[0] == scores[1]
    # Nothing has a row for each row of the fit.
    packed = slim.__getstate__()["saved_state"]
    assert not [name for name, array in packed["arrays"].items() if len(X) in array.shape]


def test_what_is_gone_says_so():
    model = slimmed(fitted(quick(BiasAdvClassifier)))
    for gone in ("history_", "sample_difficulty_", "n_iter_"):
        with pytest.raises(AttributeError, match=f"`{gone}` was dropped .* slim"):
            getattr(model, gone)
    with pytest.raises(AttributeError, match="'biased' network was dropped .* slim"):
        model.biased_module_  # noqa: B018
    with pytest.raises(AttributeError, match="was dropped .* slim"):
        model.adversarial_examples(X, Y)
    with pytest.raises(AttributeError, match="has no attribute 'never'"):
        model.never  # noqa: B018
    with pytest.raises(AttributeError, match="was dropped .* slim"):
        slimmed(fitted(quick(SELFClassifier, k=6))).rows_to_label(2)
    with pytest.raises(AttributeError, match="was dropped .* slim"):
        slimmed(fitted(quick(DHATClassifier))).attention_module_  # noqa: B018
    with pytest.raises(AttributeError, match="was dropped .* slim"):
        slimmed(fitted(quick(MetaIADAClassifier))).perturbation_module_  # noqa: B018


def test_a_property_keeps_its_own_words():
    model = fitted(quick(ERMClassifier, module="mlp"))
    for one in (model, slimmed(model)):
        with pytest.raises(AttributeError, match="not a linear layer"):
            one.coef_  # noqa: B018
    with pytest.raises(AttributeError, match="needs a learned strategy"):
        fitted(quick(MetaIADAClassifier, epsilon=0.5)).perturbation_module_  # noqa: B018


def test_parameters_that_are_networks_or_callbacks_are_dropped():
    scoring = EpochScoring("accuracy", use_caching=False, name="a", on_train=True)
    scoring.on_epoch_end = lambda *_, **__: None
    model = quick(ERMClassifier, module=Perceptron(4, 3), random_state=0).fit(X, Y)
    model.callbacks = [scoring]
    slim = slimmed(model)
    assert repr(slim.module) == "<Perceptron, dropped by slim>"
    assert repr(slim.callbacks) == "<list, dropped by slim>"
    again = WAYS["pickle"](slim)
    np.testing.assert_array_equal(again.predict_proba(X), model.predict_proba(X))
    with pytest.raises(ValueError, match=r"'(module|callbacks)' parameter of ERMClassifier must"):
        clone(again).fit(X, Y)
    assert model.callbacks == [scoring]


TRUSTED = ("saved_networks.Configured", "saved_networks.Width")


@pytest.mark.parametrize(
    "way", [WAYS["pickle"], partial(by_skops, trusted=TRUSTED)], ids=["pickle", "skops"]
)
@pytest.mark.parametrize("slim", [slimmed, lambda model: model], ids=["slim", "whole"])
def test_what_a_network_is_built_by_stays(way, slim):
    net_params = {"module__config": Width(5), "optimizer__betas": (0.8, 0.9)}
    model = quick(ERMClassifier, module=Configured, net_params=net_params, random_state=0)
    again = way(slim(model.fit(X, Y)))
    np.testing.assert_array_equal(again.predict_proba(X), model.predict_proba(X))
    assert again.module_.head.in_features == 5
    assert again.net_params["optimizer__betas"] == (0.8, 0.9)
    np.testing.assert_array_equal(clone(again).fit(X, Y).predict_proba(X), model.predict_proba(X))


@pytest.mark.parametrize("slim", [slimmed, lambda model: model], ids=["slim", "whole"])
@pytest.mark.parametrize(
    ("module", "named"),
    [
        (Perceptron(4, 3), "Perceptron"),
        (nn.Linear(4, 3), "Linear"),
        (nn.Sequential(nn.Linear(4, 5), nn.ReLU(), nn.Linear(5, 3)), "Sequential"),
    ],
)
def test_an_instance_is_refused_by_its_own_name(slim, module, named):
    model = quick(ERMClassifier, module=module, normalize=(0.0, 1.0), random_state=0).fit(X, Y)
    with pytest.raises(Exception, match=f"`module` is an instance of {named}, which"):
        skops.io.dumps(slim(model))


def test_steps_searches_and_what_holds_estimators():
    clf = quick(LfFClassifier, module="mlp", random_state=0)
    for model in (
        make_pipeline(StandardScaler(), clf).fit(X, Y),
        GridSearchCV(clf, {"lr": [0.1]}, cv=2).fit(X, Y),
        FrozenEstimator(clone(clf).fit(X, Y)),
        ClassScaling(clone(clf).fit(X, Y)).fit(X, Y),
        InferredGroupsClassifier(
            make_pipeline(StandardScaler(), quick(ERMClassifier)), random_state=0
        ).fit(X, Y),
    ):
        slim = slimmed(model)
        np.testing.assert_array_equal(slim.predict_proba(X), model.predict_proba(X))
        content = skops.io.dumps(slim)
        assert len(content) < 0.8 * len(skops.io.dumps(model))
    assert slimmed(clone(clf)).get_params() == clone(clf).get_params()


@pytest.mark.parametrize("method", ["errors", "eiil", "clusters", "xrm", "ssa"])
def test_every_inference(method):
    known = {"bias_labels": np.where(np.arange(60) < 30, BIAS, -1)} if method == "ssa" else {}
    model = GroupInferrer(method, random_state=0).fit(X, Y, **known)
    slim = slimmed(model)
    for again in (slim, WAYS["skops"](slim)):
        np.testing.assert_array_equal(again.predict(X, Y), model.predict(X, Y))
        with pytest.raises(AttributeError, match="`bias_labels_` was dropped"):
            again.bias_labels_  # noqa: B018


def test_an_embedder_and_an_attack():
    images = np.random.default_rng(0).random((6, 3, 16, 16), dtype=np.float32)
    model = Embedder("simple_cnn", cache_dir=None).fit(images)
    np.testing.assert_array_equal(slimmed(model).transform(images), model.transform(images))
    clf = fitted(quick(ERMClassifier, module="mlp"))
    scorer = robust_accuracy("fgsm", epsilon=0.1)
    assert scorer(slimmed(clf), X, Y) == scorer(clf, X, Y)
