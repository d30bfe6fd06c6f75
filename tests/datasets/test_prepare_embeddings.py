"""From a reader's data to embeddings."""

import numpy as np
import pytest
from PIL import Image
from sklearn.base import BaseEstimator
from sklearn.decomposition import PCA
from sklearn.model_selection import KFold
from sklearn.preprocessing import FunctionTransformer, StandardScaler, TargetEncoder
from sklearn.utils import Bunch

from sklearn_debias.datasets import (
    make_spurious_embeddings,
    prepare_embeddings,
    read_metadata_csv,
)
from sklearn_debias.feature_extraction import Embedder
from sklearn_debias.feature_extraction import _embedder as embedder_module


@pytest.fixture
def birds(tmp_path):
    draw = np.random.default_rng(0)
    lines = ["filename,split,y,a"]
    for i in range(9):
        pixels = draw.integers(0, 256, (8, 8, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{i}.png")
        lines.append(f"{i}.png,{i % 3},{i % 2},{i // 3 % 2}")
    (tmp_path / "metadata.csv").write_text("\n".join(lines))
    return read_metadata_csv(tmp_path)


def test_images_are_embedded_and_all_else_is_kept(birds, tmp_path):
    embedder = Embedder("simple_cnn", cache_dir=tmp_path / "cache")
    prepared = prepare_embeddings(birds, embedder)
    for name in ("train", "validation", "test"):
        part, before = prepared[name], birds[name]
        assert part.data.shape == (3, 128)
        assert part.paths is before.data
        for kept in ("target", "bias_labels", "index", "metadata"):
            assert part[kept] is before[kept]
        np.testing.assert_array_equal(part.data, prepared.embedder.transform(before.data))
        assert before.data.dtype.kind == "U"  # not changed
        assert "paths" not in before
    assert prepared.fingerprint == birds.fingerprint
    assert prepared.target_names is birds.target_names
    assert prepared.bias_names is birds.bias_names
    assert isinstance(prepared.embedder, Embedder)
    assert "Embedded by Embedder(" in prepared.DESCR
    assert "embedder" not in birds
    assert not hasattr(embedder, "module_")


def test_the_embedders_cache_keeps_the_rows(birds, tmp_path, monkeypatch):
    computed = []
    embed = embedder_module.Embedding

    class Counted(embed):
        def __init__(self, *args, report, **kwargs):
            super().__init__(
                *args, report=lambda done, new: (computed.append(new), report(done, new)), **kwargs
            )

    monkeypatch.setattr(embedder_module, "Embedding", Counted)
    embedder = Embedder("simple_cnn", cache_dir=tmp_path / "cache")
    first = prepare_embeddings(birds, embedder)
    assert max(computed) == 3
    computed.clear()
    again = prepare_embeddings(birds, embedder)
    assert computed
    assert max(computed) == 0
    np.testing.assert_array_equal(first.test.data, again.test.data)


def test_a_transformer_is_fitted_on_the_training_set_alone():
    sets = make_spurious_embeddings(random_state=0)
    prepared = prepare_embeddings(sets, StandardScaler())
    np.testing.assert_allclose(prepared.embedder.mean_, sets.train.data.mean(axis=0), rtol=1e-4)
    np.testing.assert_allclose(prepared.train.data.mean(axis=0), 0, atol=1e-5)
    assert np.abs(prepared.test.data.mean(axis=0)).max() > 0.01
    expected = StandardScaler().fit(sets.train.data).transform(sets.test.data)
    np.testing.assert_array_equal(prepared.test.data, expected)


def test_fit_transform_sees_the_target_where_it_exists():
    rng = np.random.default_rng(0)
    parts = {
        name: Bunch(data=rng.integers(0, 3, (30, 1)), target=np.arange(30) % 2)
        for name in ("test", "train")
    }
    encoder = TargetEncoder(cv=KFold(3))
    prepared = prepare_embeddings(Bunch(**parts), encoder)
    expected = TargetEncoder(cv=KFold(3)).fit_transform(parts["train"].data, parts["train"].target)
    np.testing.assert_array_equal(prepared.train.data, expected)


class Bare:
    """No estimator of scikit-learn's."""

    def fit(self, X, y=None):
        self.n_fitted = len(X)
        return self

    def transform(self, X):
        return np.ones((len(X), 2))


def test_a_transformer_of_ones_own():
    own = Bare()
    prepared = prepare_embeddings(make_spurious_embeddings(random_state=0), own)
    assert prepared.embedder.n_fitted == len(prepared.train.paths)
    assert not hasattr(own, "n_fitted")


@pytest.mark.parametrize("embedder", [None, "resnet18", PCA, BaseEstimator()])
def test_what_is_no_transformer(embedder):
    with pytest.raises(TypeError, match="`embedder` must be a transformer"):
        prepare_embeddings(make_spurious_embeddings(random_state=0), embedder)


def test_wrong_data():
    sets = make_spurious_embeddings(random_state=0)
    with pytest.raises(ValueError, match="must return one row for each row"):
        prepare_embeddings(sets, FunctionTransformer(lambda x: x[:2]))
    del sets["train"]
    with pytest.raises(ValueError, match="`bunch` must have `train`"):
        prepare_embeddings(sets, PCA(2))
    with pytest.raises(TypeError, match="`bunch` must be what a reader returns, got a dict"):
        prepare_embeddings({"train": 1}, PCA(2))
