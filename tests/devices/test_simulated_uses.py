"""Embeddings, searches and saved models on the simulated device."""

import numpy as np
import pytest
from simulated_cuda import SimulatedCuda

from sklearn_debias import BiasAdvClassifier, ERMClassifier, JTTClassifier, LfFClassifier
from sklearn_debias.deployment import load_model, save_model, slimmed
from sklearn_debias.feature_extraction import Embedder
from sklearn_debias.model_selection import BatchedGridSearchCV
from sklearn_debias.testing._estimator_data import toy_rows

pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn_debias.exceptions.DebiasWarning"),
    pytest.mark.filterwarnings("ignore::skorch.exceptions.DeviceWarning"),
]
QUICK = {"max_epochs": 2, "batch_size": 16, "random_state": 0, "dtype": "float64"}


@pytest.mark.parametrize("shape", [(4,), (3, 8, 8)])
def test_embeddings(shape):
    X = toy_rows(20, shape)[0]
    embedder = Embedder("mlp" if len(shape) == 1 else "simple_cnn", cache_dir=None)
    expected = embedder.set_params(device="cpu").fit_transform(X)
    with SimulatedCuda():
        found = embedder.set_params(device="cuda").fit_transform(X)
    np.testing.assert_allclose(found, expected, atol=1e-5)


@pytest.mark.parametrize(
    "clf",
    [
        ERMClassifier(**QUICK, balance="group", balance_by="sample"),
        LfFClassifier(**QUICK),
        JTTClassifier(**QUICK, identification_epochs=1),
        BiasAdvClassifier(**QUICK, n_steps=2),
    ],
    ids=lambda clf: type(clf).__name__,
)
def test_a_search_that_trains_at_once(clf):
    X, y, bias = toy_rows()
    scores = []
    for device in ("cpu", "cuda"):
        search = BatchedGridSearchCV(clf, {"lr": [0.01, 0.1]}, cv=2, scoring="neg_log_loss")
        search.estimator.set_params(device=device)
        if device == "cuda":
            with SimulatedCuda():
                search.fit(X, y, bias_labels=bias)
        else:
            search.fit(X, y, bias_labels=bias)
        scores.append(search.cv_results_["mean_test_score"])
    np.testing.assert_allclose(*scores, rtol=1e-9)


def test_saved_models_load_where_there_is_no_device(tmp_path):
    pytest.importorskip("skops")
    X, y, _ = toy_rows(30)
    with SimulatedCuda():
        clf = ERMClassifier("mlp", **QUICK, device="cuda").fit(X, y)
        save_model(clf, tmp_path / "whole.skops")
        save_model(slimmed(clf), tmp_path / "slim.skops")
        expected = clf.predict_proba(X)
        assert load_model(tmp_path / "whole.skops").module_.head.weight.is_cuda
    for name in ("whole", "slim"):
        loaded = load_model(tmp_path / f"{name}.skops")
        np.testing.assert_array_equal(loaded.predict_proba(X), expected)
