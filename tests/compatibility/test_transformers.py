"""Networks of transformers, and datasets of Hugging Face: randomly drawn, nothing downloaded."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from recipes import blocks
from tokens import N_IDS, columns_of, make_rows

from sklearn_debias import (
    BiasAdvClassifier,
    ERMClassifier,
    GroupDROClassifier,
    JTTClassifier,
    LfFClassifier,
    MetaIADAClassifier,
)
from sklearn_debias.core import SplitModule
from sklearn_debias.feature_extraction import Embedder
from sklearn_debias.robustness import adversarial_examples

transformers = pytest.importorskip("transformers")
pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    # Fits of an epoch or two learn little.
    pytest.mark.filterwarnings("ignore::sklearn_debias.exceptions.DebiasWarning"),
]
X, y, b = make_rows()
SMALL = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 8}
PIXELS = np.random.default_rng(0).random((16, 3, 16, 16)).astype("float32")
LABELS = np.arange(16) % 2


def distilbert(kind="DistilBertForSequenceClassification", **params):
    torch.manual_seed(0)
    small = {"dim": 16, "n_layers": 1, "n_heads": 2, "hidden_dim": 16}
    sizes = {"vocab_size": N_IDS, "max_position_embeddings": 64, **small, **params}
    return getattr(transformers, kind)(transformers.DistilBertConfig(**sizes))


def vit(kind="ViTForImageClassification"):
    torch.manual_seed(0)
    return getattr(transformers, kind)(transformers.ViTConfig(image_size=16, patch_size=8, **SMALL))


METHODS = {
    "ERM": (ERMClassifier, {}),
    "GroupDRO": (GroupDROClassifier, {"bias_labels": b}),
    "JTT": (JTTClassifier, {}),
    "LfF": (LfFClassifier, {}),
    "Meta-IADA": (MetaIADAClassifier, {}),
}


@pytest.mark.parametrize("method", METHODS)
def test_distilbert_trains(method):
    classifier, given = METHODS[method]
    clf = classifier(distilbert(), max_epochs=2, random_state=0).fit(X, y, **given)
    assert isinstance(clf.module_, SplitModule)
    proba = clf.predict_proba(X)
    np.testing.assert_array_equal(clf.predict_proba(X[3:4]), proba[3:4])
    again = classifier(distilbert(), max_epochs=2, random_state=0).fit(X, y, **given)
    np.testing.assert_array_equal(again.predict_proba(X), proba)


def test_distilbert_learns_the_token_of_the_class():
    rows, target, _ = make_rows(200, longest=12)
    clf = ERMClassifier(distilbert(), max_epochs=30, batch_size=32, lr=3e-3, random_state=0)
    assert clf.fit(rows, target).score(rows, target) > 0.9


def test_the_users_network_is_left_as_it_is():
    network = distilbert()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    ERMClassifier(network, max_epochs=1, random_state=0).fit(X, y)
    after = network.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_rows_and_classes_that_do_not_fit_are_named():
    long = {"input_ids": [5] * 65}
    with pytest.raises(ValueError, match=r"`X\[1\]` has 65 tokens, and `module` takes 64 at most"):
        ERMClassifier(distilbert()).fit([X[0], long, *X[2:]], y)
    with pytest.raises(ValueError, match=r"`X\[0\]` has 65 tokens"):
        Embedder(distilbert(), cache_dir=None).fit([long, *X])
    with pytest.raises(ValueError, match=r"Set num_labels=3 in its configuration"):
        ERMClassifier(distilbert()).fit(X, np.arange(len(y)) % 3)
    three = ERMClassifier(distilbert(num_labels=3), max_epochs=1).fit(X, np.arange(len(y)) % 3)
    assert three.predict_proba(X).shape == (len(y), 3)


def test_a_class_is_built_from_its_configuration():
    kind = transformers.DistilBertForSequenceClassification
    params = {"module__config": distilbert().config}
    clf = ERMClassifier(kind, max_epochs=1, net_params=params, random_state=0).fit(X, y)
    assert isinstance(clf.module_.body.network, kind)


def test_text_is_embedded_by_networks_with_and_without_a_head(tmp_path):
    embedder = Embedder(distilbert(), cache_dir=tmp_path).fit(X)
    together = embedder.transform(X)
    assert together.shape == (len(X), 16)
    np.testing.assert_array_equal(embedder.transform(X[5:6]), together[5:6])
    base = distilbert("DistilBertModel").eval()
    found = Embedder(base, cache_dir=None).fit(X).transform(X)
    ids = torch.tensor([X[3]["input_ids"]])
    expected = base(input_ids=ids).last_hidden_state.mean(1).detach()
    np.testing.assert_allclose(found[3:4], expected, atol=1e-6)
    torch.save(distilbert().state_dict(), tmp_path / "weights.pt")
    drawn = Embedder(distilbert, weights=tmp_path / "weights.pt", cache_dir=None).fit(X)
    np.testing.assert_array_equal(drawn.transform(X), together)


@pytest.mark.parametrize("classifier", [ERMClassifier, LfFClassifier, MetaIADAClassifier])
def test_vision_transformers_train(classifier):
    clf = classifier(vit(), max_epochs=1, random_state=0).fit(PIXELS, LABELS)
    assert isinstance(clf.module_, SplitModule)
    assert clf.predict(PIXELS).shape == (16,)


def test_vision_transformers_are_attacked():
    clf = BiasAdvClassifier(vit(), max_epochs=1, random_state=0).fit(PIXELS, LABELS)
    moved = adversarial_examples(clf, PIXELS, LABELS, epsilon=0.1)
    assert np.abs(moved - PIXELS).max() > 0.05


def test_images_are_embedded():
    for kind in ("ViTForImageClassification", "ViTModel"):
        embedder = Embedder(vit(kind), cache_dir=None).fit(PIXELS)
        assert embedder.transform(PIXELS).shape == (16, 8)


def test_datasets_with_columns_of_tokens():
    pytest.importorskip("datasets.arrow_dataset")  # tests/datasets has the other name, too
    import datasets

    rows = {**columns_of(X), "text": ["as it was"] * len(X), "label": y.tolist()}
    dataset = datasets.Dataset.from_dict(rows)
    clf = ERMClassifier(distilbert(), max_epochs=1, random_state=0)
    expected = clf.fit(X, y).predict_proba(X)
    for given in (dataset, dataset.with_format("torch"), dataset.with_format("numpy")):
        np.testing.assert_array_equal(clf.fit(given, y).predict_proba(given), expected)
    held = clf.set_params(validation=0.3, monitor="accuracy").fit(dataset, dataset["label"])
    assert "validation_accuracy" in held.history_
    found = Embedder(distilbert(), cache_dir=None).fit(dataset).transform(dataset)
    np.testing.assert_array_equal(found, Embedder(distilbert(), cache_dir=None).fit(X).transform(X))
    with pytest.raises(ValueError, match=r"column 'input_ids', or one .*\['text'\]\. Tokenise"):
        clf.fit(dataset.select_columns("text"), y)
    with pytest.raises(TypeError, match=r"must be a Dataset with len\(\)"):
        clf.fit(dataset.to_iterable_dataset(), y)


def test_datasets_with_a_column_of_images():
    pytest.importorskip("datasets.arrow_dataset")  # tests/datasets has the other name, too
    import datasets

    levels = (255 * PIXELS.transpose(0, 2, 3, 1)).astype("uint8")
    pictures = [Image.fromarray(image) for image in levels]
    rows = {"picture": pictures, "label": LABELS.tolist()}
    dataset = datasets.Dataset.from_dict(rows).cast_column("picture", datasets.Image())
    clf = ERMClassifier(vit(), max_epochs=1, random_state=0)
    expected = clf.fit(pictures, LABELS).predict_proba(pictures)
    np.testing.assert_array_equal(clf.fit(dataset, LABELS).predict_proba(dataset), expected)
    held = clf.set_params(validation=0.25, monitor="accuracy").fit(dataset, LABELS)
    assert "validation_accuracy" in held.history_


def test_the_guide_runs(monkeypatch, tmp_path):
    page = Path(__file__).parents[2] / "docs" / "guide" / "text.md"
    program = "\n".join(blocks(page.read_text(encoding="utf-8")))
    monkeypatch.setenv("SKLEARN_DEBIAS_CACHE", str(tmp_path))
    exec(compile(program, "text.md", "exec"), {})
