"""Networks of timm by name: randomly drawn, nothing downloaded."""

import sys

import numpy as np
import pytest
import torch

from sklearn_debias import ERMClassifier, MetaIADAClassifier
from sklearn_debias.deployment import load_model, save_model
from sklearn_debias.feature_extraction import Embedder

pytestmark = [
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::sklearn_debias.exceptions.DebiasWarning"),
]
X = np.random.default_rng(0).random((8, 3, 32, 32)).astype("float32")
y = np.arange(8) % 2


@pytest.fixture
def timm():
    return pytest.importorskip("timm")


@pytest.fixture
def weights(timm, tmp_path):
    """The file of a network with a head of a thousand classes."""
    network = timm.create_model("resnet18")
    torch.save(network.state_dict(), tmp_path / "resnet18.pt")
    return network.eval(), tmp_path / "resnet18.pt"


def test_names_give_embeddings(timm):
    assert Embedder("timm:resnet18", cache_dir=None).fit(X).transform(X).shape == (8, 512)
    grey = X[:, :1]
    assert Embedder("timm:resnet18", cache_dir=None).fit(grey).transform(grey).shape == (8, 512)
    with pytest.raises(ValueError, match="set by `image_size`"):
        Embedder("timm:vit_tiny_patch16_224", cache_dir=None).fit(X)
    large = Embedder("timm:vit_tiny_patch16_224", image_size=224, cache_dir=None).fit(X[:2])
    assert large.transform(X[:2]).shape == (2, 192)


def test_files_of_whole_networks_fill_the_body(weights):
    network, file = weights
    found = Embedder("timm:resnet18", weights=file, cache_dir=None).fit(X).transform(X)
    with torch.no_grad():
        features = network.forward_features(torch.from_numpy(X))
        expected = network.forward_head(features, pre_logits=True)
    np.testing.assert_allclose(found, expected, atol=1e-4)
    params = {"module__weights": str(file)}
    clf = ERMClassifier("timm:resnet18", freeze="body", max_epochs=1, net_params=params)
    kept = clf.fit(X, y).module_.body.conv1.weight
    assert torch.equal(kept, network.conv1.weight)


def test_names_train_with_as_many_classes_as_there_are(timm):
    three = ERMClassifier("timm:resnet18", max_epochs=1, random_state=0).fit(X, np.arange(8) % 3)
    assert three.predict_proba(X).shape == (8, 3)
    params = {"module__img_size": 32, "module__depth": 1}
    clf = MetaIADAClassifier("timm:vit_tiny_patch16_224", max_epochs=1, net_params=params)
    assert clf.fit(X, y).module_.head.out_features == 2


def test_models_are_saved_without_their_code(weights, tmp_path):
    params = {"module__weights": str(weights[1])}
    clf = ERMClassifier("timm:resnet18", max_epochs=1, net_params=params, random_state=0).fit(X, y)
    embedder = Embedder("timm:resnet18", weights=weights[1], cache_dir=None).fit(X)
    for model, ask in ((clf, "predict_proba"), (embedder, "transform")):
        save_model(model, tmp_path / "model")
        loaded = load_model(tmp_path / "model")
        np.testing.assert_array_equal(getattr(loaded, ask)(X), getattr(model, ask)(X))


def test_what_cannot_be_built_is_named(timm):
    with pytest.raises(ValueError, match="'timm:resnet81': did you mean 'timm:resnet18'"):
        Embedder("timm:resnet81", cache_dir=None).fit(X)
    with pytest.raises(ValueError, match="needs 4-D images"):
        ERMClassifier("timm:resnet18").fit(X[:, 0, 0], y)
    with pytest.raises(ValueError, match="given no weights"):
        ERMClassifier("timm:resnet18", freeze="body").fit(X, y)
    with pytest.raises(TypeError, match="must be a file for a network of timm, got a int"):
        ERMClassifier("timm:resnet18", net_params={"module__weights": 1}).fit(X, y)


def test_without_timm_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "timm", None)
    for model in (Embedder("timm:resnet18", cache_dir=None), ERMClassifier("timm:resnet18")):
        with pytest.raises(ImportError, match=r"pip install 'sklearn-debias\[timm\]'"):
            model.fit(X, y)
