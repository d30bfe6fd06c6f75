"""A model that was saved and loaded is the model: by pickle, joblib, cloudpickle and skops."""

import copy
import pickle
import re
import time
from dataclasses import dataclass
from functools import partial

import numpy as np
import pytest
import skops.io
import torch
from saved_networks import (
    BIAS,
    PICKLES,
    WAYS,
    Convolutions,
    Lazy,
    Perceptron,
    Remembering,
    Tied,
    X,
    Y,
    by_skops,
    perceptron,
)
from sklearn import config_context
from sklearn.base import clone
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_debias import (
    BiasAdvClassifier,
    DFRClassifier,
    DPEClassifier,
    ERMClassifier,
    LongTailClassifier,
)
from sklearn_debias.deployment import slimmed
from sklearn_debias.exceptions import SavedModelError
from sklearn_debias.feature_extraction import Embedder
from sklearn_debias.fitting._apart import described
from sklearn_debias.group_inference import GroupInferrer
from sklearn_debias.model_selection import BatchedGridSearchCV
from sklearn_debias.testing import all_estimators, quick, variants
from sklearn_debias.testing._estimator_data import fitted, fitted_names

pytestmark = pytest.mark.filterwarnings("ignore::sklearn_debias.exceptions.DebiasWarning")

CASES = [(name, i) for name, cls in all_estimators() for i in range(len(variants(cls)))]
CLASSES = dict(all_estimators())
IMAGES = np.random.default_rng(0).random((12, 3, 16, 16), dtype=np.float32)
HERE = "saved_networks."


def seal(model):
    return model.__getstate__()["saved_state"]["checksum"]


@pytest.mark.parametrize(("name", "i"), CASES)
def test_every_estimator(name, i):
    model = fitted(variants(CLASSES[name])[i])
    expected = model.predict_proba(X)
    before = torch.get_rng_state()
    for way, there_and_back in WAYS.items():
        again = there_and_back(model)
        np.testing.assert_array_equal(again.predict_proba(X), expected, err_msg=way)
        assert again.score(X, Y) == model.score(X, Y)
        assert sorted(fitted_names(again)) == sorted(fitted_names(model))
        # Of every attribute, with its types and all bits.
        assert seal(again) == seal(model), way
        assert repr(again) == repr(model)
        if hasattr(model, "history_"):
            assert again.history_.equals(model.history_)
    torch.testing.assert_close(torch.get_rng_state(), before, rtol=0, atol=0)


@pytest.mark.parametrize("method", ["errors", "eiil", "clusters", "xrm", "ssa"])
def test_every_inference(method):
    known = {"bias_labels": np.where(np.arange(60) < 30, BIAS, -1)} if method == "ssa" else {}
    model = GroupInferrer(method, random_state=0).fit(X, Y, **known)
    for there_and_back in WAYS.values():
        again = there_and_back(model)
        np.testing.assert_array_equal(again.predict(X, Y), model.predict(X, Y))
        assert seal(again) == seal(model)


@pytest.mark.parametrize(
    "params",
    [
        {"module": "simple_cnn"},
        {"module": "simple_cnn", "dtype": "float64", "normalize": "imagenet"},
        {"module": Convolutions, "layer": "body.0"},
    ],
)
def test_the_embedder(params, tmp_path):
    model = Embedder(**params, cache_dir=tmp_path).fit(IMAGES)
    for way in [*PICKLES.values(), partial(by_skops, trusted=[f"{HERE}Convolutions"])]:
        again = way(model)
        np.testing.assert_array_equal(again.transform(IMAGES), model.transform(IMAGES))
        assert again._name == model._name  # the cache knows the rows


def test_a_pipeline_with_steps_of_scikit_learn():
    model = make_pipeline(StandardScaler(), quick(BiasAdvClassifier, random_state=0)).fit(X, Y)
    embedded = make_pipeline(
        Embedder("simple_cnn", cache_dir=None), StandardScaler(), quick(ERMClassifier)
    ).fit(IMAGES, np.arange(12) % 2)
    for there_and_back in WAYS.values():
        np.testing.assert_array_equal(
            there_and_back(model).predict_proba(X), model.predict_proba(X)
        )
        np.testing.assert_array_equal(
            there_and_back(embedded).predict_proba(IMAGES), embedded.predict_proba(IMAGES)
        )


def test_a_search_that_trains_at_once():
    search = BatchedGridSearchCV(quick(ERMClassifier, random_state=0), {"lr": [0.1, 1.0]}, cv=2)
    search.fit(X, Y)
    trusted = ["sklearn.metrics._scorer._PassthroughScorer"]
    for way in [*PICKLES.values(), partial(by_skops, trusted=trusted)]:
        again = way(search)
        np.testing.assert_array_equal(again.predict_proba(X), search.predict_proba(X))
        assert again.best_params_ == search.best_params_


@pytest.mark.parametrize("module", [Perceptron, Lazy, Tied, perceptron, partial(perceptron)])
@pytest.mark.parametrize("cls", [BiasAdvClassifier, DPEClassifier])
def test_networks_that_a_file_can_name(cls, module):
    if cls is DPEClassifier and module is Tied:
        pytest.skip("DPE needs a body and a head.")
    model = fitted(quick(cls, module=module))
    trusted = {"functools.partial", *(f"{HERE}{n.__name__}" for n in (Perceptron, Lazy, Tied))}
    trusted.add(f"{HERE}perceptron")
    for way in [*PICKLES.values(), partial(by_skops, trusted=trusted)]:
        again = way(model)
        np.testing.assert_array_equal(again.predict_proba(X), model.predict_proba(X))
        assert seal(again) == seal(model)


@pytest.mark.parametrize("freeze", [None, "body"])
def test_an_instance_goes_with_pickles_and_is_refused_by_skops(freeze):
    params = {"module": Perceptron(4, 3), "freeze": freeze}
    for model in (fitted(quick(cls, **params)) for cls in (BiasAdvClassifier, DPEClassifier)):
        for way in PICKLES.values():
            again = way(model)
            np.testing.assert_array_equal(again.predict_proba(X), model.predict_proba(X))
            refit = clone(again).set_params(random_state=1).fit(X, Y)
            expected = clone(model).set_params(random_state=1).fit(X, Y)
            np.testing.assert_array_equal(refit.predict_proba(X), expected.predict_proba(X))
        with pytest.raises(ValueError, match=r"`module` is an instance .* as module__\* in"):
            skops.io.dumps(model)


@pytest.mark.parametrize("way", WAYS)
def test_plain_attributes_that_training_changes_are_kept(way):
    model = fitted(quick(ERMClassifier, module=Remembering, random_state=0))
    assert model.module_.steps > 0
    trusted = {"trusted": [f"{HERE}Remembering"]} if way == "skops" else {}
    again = WAYS[way](model, **trusted)
    np.testing.assert_array_equal(again.predict_proba(X), model.predict_proba(X))
    assert again.module_.steps == model.module_.steps


def test_what_cannot_be_imported_is_refused_before_it_is_saved():
    unfitted = quick(ERMClassifier, module=lambda n_features, n_classes: Perceptron(4, 3))
    for model in (unfitted, fitted(unfitted)):
        with pytest.raises(ValueError, match="`module` is <function .* import by its name"):
            skops.io.dumps(model)
        PICKLES["cloudpickle"](model)
    with pytest.raises(ValueError, match="`biased_module` is an instance .* biased_module__"):
        skops.io.dumps(quick(BiasAdvClassifier, biased_module=Perceptron(4, 3)))


@pytest.mark.parametrize("way", WAYS)
def test_an_unfitted_estimator_stays_unfitted(way):
    model = quick(LongTailClassifier, module="mlp", net_params={"module__hidden": [3]})
    again = WAYS[way](model)
    assert again.get_params() == model.get_params()
    assert not fitted_names(again)


def test_a_shallow_copy_shares_networks_and_a_deep_one_does_not():
    model = fitted(quick(BiasAdvClassifier))
    assert copy.copy(model).module_ is model.module_
    deep = copy.deepcopy(model)
    with torch.no_grad():
        deep.module_.head.weight.zero_()
    assert model.module_.head.weight.any()


def test_a_parameter_that_was_set_later_changes_no_prediction():
    model = fitted(quick(ERMClassifier, module="mlp"))
    expected = model.predict_proba(X)
    model.set_params(module="linear", dtype="float64", normalize=(0.5, 3.0), lr=7.0)
    for there_and_back in WAYS.values():
        again = there_and_back(model)
        np.testing.assert_array_equal(again.predict_proba(X), expected)
        assert again.lr == 7.0


def test_what_the_net_lacks_after_loading_is_for_training_only():
    model = fitted(quick(BiasAdvClassifier))
    again = pickle.loads(pickle.dumps(model))
    assert repr(again.net_).startswith("<class 'sklearn_debias.training._engine.Engine'>")
    assert len(again.net_.history) == len(model.net_.history)
    assert not any(part.training for part in again.net_.module_.modules())
    rows = X[:3]
    np.testing.assert_array_equal(
        again.adversarial_examples(rows, Y[:3]), model.adversarial_examples(rows, Y[:3])
    )
    again.fit(X, Y)
    np.testing.assert_array_equal(again.predict_proba(X), clone(model).fit(X, Y).predict_proba(X))


def test_another_network_of_that_name_is_refused(monkeypatch):
    content = pickle.dumps(fitted(quick(ERMClassifier, module=Perceptron)))
    made = Perceptron.__init__

    def wider(self, n_features, n_classes):
        made(self, n_features, n_classes, width=9)

    def steeper(self, n_features, n_classes):
        made(self, n_features, n_classes)
        self.body[2] = torch.nn.LeakyReLU()

    def longer(self, n_features, n_classes):
        made(self, n_features, n_classes)
        self.extra = torch.nn.Linear(1, 1)

    def failing(self, n_features):
        raise TypeError("another signature")

    words = {
        wider: "'body.0.weight' is .* and was",
        steeper: "other layers, or other settings",
        longer: "'extra.bias' is on one side only",
        failing: "cannot be put together: `module` could not be built",
    }
    for other, said in words.items():
        monkeypatch.setattr(Perceptron, "__init__", other)
        with pytest.raises(SavedModelError, match=said):
            pickle.loads(content)


@pytest.mark.parametrize(
    "params",
    [
        {"random_state": np.random.RandomState(0)},
        {"device": torch.device("cpu")},
        {"lr": np.float32(0.1), "max_epochs": np.int64(2)},
        {"clip": (torch.tensor(0.0), torch.tensor(1.0))},
        {"normalize": ([0.5], [2.0])},
        {"net_params": {"module__hidden": (3, 4)}, "module": "mlp"},
        {"base": quick(LongTailClassifier, loss="ldam")},
    ],
    ids=lambda params: min(params),
)
def test_parameters_that_are_no_plain_numbers(params):
    model = fitted(quick(BiasAdvClassifier, **params))
    for there_and_back in WAYS.values():
        again = there_and_back(model)
        np.testing.assert_array_equal(again.predict_proba(X), model.predict_proba(X))
        assert re.sub(" at 0x.*?\\)", "", repr(again)) == re.sub(" at 0x.*?\\)", "", repr(model))
        assert [type(v) for v in again.get_params().values()] == [
            type(v) for v in model.get_params().values()
        ]


@pytest.mark.parametrize("cls", [ERMClassifier, DFRClassifier])
def test_what_is_asked_of_routing_stays(cls):
    with config_context(enable_metadata_routing=True):
        model = quick(cls, random_state=0).set_fit_request(bias_labels="place")
        model.set_score_request(sample_weight=False)
        model.fit(X, Y)
        for one in (model, slimmed(model)):
            for there_and_back in WAYS.values():
                again = there_and_back(one)
                request = again.get_metadata_routing()
                assert repr(request) == repr(model.get_metadata_routing())
                assert request.fit.requests["bias_labels"] == "place"


def test_what_the_caller_has_set_for_torch_changes_nothing():
    model = fitted(quick(BiasAdvClassifier, module="mlp"))
    expected = model.predict_proba(X)
    content = pickle.dumps(model)
    with torch.inference_mode(), torch.device("meta"):
        again = pickle.loads(content)
    np.testing.assert_array_equal(again.predict_proba(X), expected)
    np.testing.assert_array_equal(
        again.fit(X, Y).predict_proba(X), clone(model).fit(X, Y).predict_proba(X)
    )
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        again = pickle.loads(content)
    finally:
        torch.set_default_dtype(before)
    np.testing.assert_array_equal(again.predict_proba(X), expected)


def test_loading_reads_no_weights_and_is_fast():
    rows = np.random.default_rng(0).random((8, 3, 32, 32), dtype=np.float32)
    model = ERMClassifier("resnet18", max_epochs=1, random_state=0).fit(rows, np.arange(8) % 2)
    content = pickle.dumps(model)
    weights = sum(v.numel() * v.element_size() for v in model.module_.state_dict().values())
    assert len(content) < 1.01 * weights
    start = time.perf_counter()
    again = pickle.loads(content)
    assert time.perf_counter() - start < 5  # a quarter of a second on a quiet machine
    np.testing.assert_array_equal(again.predict_proba(rows), model.predict_proba(rows))


@dataclass(kw_only=True, eq=False, repr=False)
class Shifted(ERMClassifier):
    """A method from elsewhere, whose predictions need what it has learned beside its network."""

    _predicts_with = ("net_", "shift_")

    def _finish(self, states, training):
        super()._finish(states, training)
        self.shift_ = np.array([0.0, 5.0, 0.0])
        self.seen_ = training.index

    def _logits(self, X):
        return super()._logits(X) + self.shift_


def test_a_method_from_elsewhere():
    model = fitted(quick(Shifted))
    name = f"{__name__}.Shifted"
    for way in [*PICKLES.values(), partial(by_skops, trusted=[name])]:
        again = way(model)
        np.testing.assert_array_equal(again.predict_proba(X), model.predict_proba(X))
        np.testing.assert_array_equal(again.seen_, np.arange(60))
        slim = way(slimmed(model))
        np.testing.assert_array_equal(slim.predict_proba(X), model.predict_proba(X))
        with pytest.raises(AttributeError, match="`seen_` was dropped"):
            slim.seen_  # noqa: B018


def test_a_class_made_in_a_function_is_known_where_cloudpickle_makes_it_anew():
    class Held:
        pass

    anew = type("Held", (), {"__module__": __name__})  # as another process has it
    assert Held.__qualname__ != anew.__qualname__
    assert described(Held()) == described(anew())
    assert described(Held) == described(anew) != described(Held())
