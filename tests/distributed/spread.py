"""What is asked of every backend: the results of one process, to the last bit."""

import sys
from pathlib import Path

import numpy as np
import sklearn
from joblib import Parallel, delayed
from PIL import Image
from sklearn.model_selection import GridSearchCV

from sklearn_debias import ERMClassifier
from sklearn_debias.datasets import make_spurious_embeddings
from sklearn_debias.feature_extraction import Embedder
from sklearn_debias.feature_extraction._embedding import Embedding
from sklearn_debias.metrics import worst_group_accuracy_scorer

sys.path.insert(0, str(Path(__file__).parents[1] / "comparison"))
from comparing import compared

GRID = {"lr": [1e-3, 1e-2, 1e-1]}
N_FITS = 9  # of three candidates in three folds


def searched(**params):
    """A search by the worst group, whose bias labels go through metadata routing."""
    train = make_spurious_embeddings(400, random_state=0).train
    how = {"cv": 3, "scoring": worst_group_accuracy_scorer, "refit": False, "error_score": "raise"}
    with sklearn.config_context(enable_metadata_routing=True):
        search = GridSearchCV(ERMClassifier(max_epochs=4, random_state=0, **params), GRID, **how)
        return search.fit(train.data, train.target, bias_labels=train.bias_labels)


def assert_same_search(one, other):
    """Check that the scores of two searches are equal."""
    for fold in range(3):
        name = f"split{fold}_test_score"
        np.testing.assert_array_equal(one.cv_results_[name], other.cv_results_[name])


def check_comparison(there, folder, monkeypatch):
    """Check that a comparison inside of ``there()`` is that of one process, store included."""
    here = compared()
    kept = folder / "study.sqlite"
    with there():
        spread = compared(store=kept)
    monkeypatch.setattr("sklearn_debias.comparison._study._run", None)  # nothing is left to do
    again = compared(store=kept)
    for other in (spread, again):
        assert other.frame["failed"].sum() == 0
        np.testing.assert_array_equal(here.configurations["score"], other.configurations["score"])
        assert here.predictions_.keys() == other.predictions_.keys()
        for name, predicted in here.predictions_.items():
            np.testing.assert_array_equal(predicted, other.predictions_[name])


def image_files(folder, n=30):
    """Write small images of noise; return their paths."""
    rng = np.random.default_rng(0)
    paths = [str(folder / f"{i}.png") for i in range(n)]
    for path in paths:
        Image.fromarray(rng.integers(0, 256, (8, 8, 3), dtype=np.uint8)).save(path)
    return paths


def check_shards(there, folder, monkeypatch):
    """Check that shards embedded inside of ``there()`` fill one cache, which has all rows."""
    paths = image_files(folder)
    here = Embedder("simple_cnn", cache_dir=None).fit(paths).transform(paths)
    embedder = Embedder("simple_cnn", cache_dir=folder / "cache").fit(paths)
    shards = [paths[:13], paths[13:]]
    with there():
        parts = Parallel(n_jobs=2)(delayed(embedder.transform)(shard) for shard in shards)
    np.testing.assert_array_equal(np.concatenate(parts), here)
    assert len(list((folder / "cache").glob("*/*.keys.npy"))) == len(shards)
    monkeypatch.setattr(Embedding, "_forward", None)  # nothing is left to compute
    np.testing.assert_array_equal(embedder.transform(paths), here)
