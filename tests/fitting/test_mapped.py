"""Memory maps of any type of number train as arrays do, and stay on disk."""

import os
import re

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.preprocessing import StandardScaler
from skorch.callbacks import Callback

from sklearn_debias import ERMClassifier, GroupDROClassifier, JTTClassifier
from sklearn_debias.exceptions import DebiasWarning
from sklearn_debias.fitting import _mapped, open_inputs

N, D = 60, 5
MIB = 2**20
QUICK = {"max_epochs": 2, "batch_size": 16, "random_state": 0, "device": "cpu"}
DTYPES = ["f2", "f4", "f8", "u1", "i2", "u2", "i8", "?", ">f4", ">f8", ">i4"]


def rows(dtype="f4"):
    """Features (N, D) in a type, and classes (N,) that the first column tells."""
    rng = np.random.default_rng(0)
    y = np.arange(N) % 2
    X = rng.integers(0, 5, (N, D))
    X[:, 0] += 4 * y
    return (X % 2 if dtype == "?" else X / 4 if "f" in dtype else X).astype(dtype), y


def on_disk(folder, array):
    np.save(folder / "rows.npy", array)
    return np.load(folder / "rows.npy", mmap_mode="r")


@pytest.fixture
def small_parts(monkeypatch):
    """Look at seven rows at a time."""
    monkeypatch.setattr(_mapped, "PART", 7 * D)


@pytest.mark.filterwarnings("ignore::sklearn_debias.exceptions.DebiasWarning")
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("stored", DTYPES)
def test_a_map_trains_as_the_array(tmp_path, small_parts, stored, dtype):
    X, y = rows(stored)
    there = on_disk(tmp_path, X)
    one, other = (ERMClassifier(dtype=dtype, **QUICK).fit(given, y) for given in (X, there))
    for name, weight in one.module_.state_dict().items():
        np.testing.assert_array_equal(weight, other.module_.state_dict()[name])
    np.testing.assert_array_equal(one.predict_proba(X), other.predict_proba(there))
    np.testing.assert_array_equal(there, X)


@pytest.mark.parametrize("classifier", [JTTClassifier, GroupDROClassifier])
def test_methods_with_more_than_one_look_at_the_rows(tmp_path, classifier):
    X, y = rows("f2")
    given = {"bias_labels": X[:, 1] > 0.5} if classifier is GroupDROClassifier else {}
    clf = classifier(lr=0.05, **QUICK)
    one = clf.fit(X, y, **given).predict_proba(X)
    np.testing.assert_array_equal(clf.fit(on_disk(tmp_path, X), y, **given).predict_proba(X), one)


@pytest.mark.filterwarnings("ignore::sklearn_debias.exceptions.DebiasWarning")
@pytest.mark.parametrize("stored", ["f2", "f4", "u1", ">f4"])
def test_images_too(tmp_path, small_parts, stored):
    X, y = rows(stored)
    X = (np.tile(X[:, :3, None, None], (1, 1, 4, 4)) / 4).astype(stored)
    one = ERMClassifier("simple_cnn", **QUICK).fit(X, y)
    other = ERMClassifier("simple_cnn", **QUICK).fit(on_disk(tmp_path, X), y)
    np.testing.assert_array_equal(one.predict_proba(X), other.predict_proba(X))


def test_normalize_scales_a_map_as_a_scaler_does_the_array(tmp_path):
    X, y = rows("f2")
    X[:, 1] = X[:, 1] * 50 + 7
    there = on_disk(tmp_path, X)
    scaler = StandardScaler()
    for start in range(0, N, 7):
        scaler.partial_fit(there[start : start + 7].astype(np.float32))
    clf = ERMClassifier(normalize=(scaler.mean_, scaler.scale_), lr=0.05, **QUICK).fit(there, y)
    Z = StandardScaler().fit_transform(X.astype(np.float64))
    other = ERMClassifier(lr=0.05, **QUICK).fit(Z, y)
    np.testing.assert_allclose(clf.predict_proba(there), other.predict_proba(Z), atol=1e-5)
    assert not open_inputs(there, dtype="float32").source.resident()


def test_grey_levels_of_a_map_are_warned_of(tmp_path):
    X = np.tile(rows("i8")[0][:, :3, None, None] * 20, (1, 1, 4, 4))
    with pytest.warns(DebiasWarning, match="whole numbers up to 160 as int64"):
        ERMClassifier("simple_cnn", **QUICK).fit(on_disk(tmp_path, X), rows()[1])


@pytest.mark.parametrize(
    ("stored", "value"), [("f2", np.nan), ("f2", np.inf), ("f4", -np.inf), ("f8", 1e300)]
)
def test_a_bad_value_in_the_last_part_is_refused_in_the_same_words(
    tmp_path, small_parts, stored, value
):
    X, y = rows(stored)
    X[-1, -1] = value
    with pytest.raises(ValueError, match="Input X contains") as of_array:
        ERMClassifier(**QUICK).fit(X, y)
    with pytest.raises(ValueError, match=re.escape(str(of_array.value))):
        ERMClassifier(**QUICK).fit(on_disk(tmp_path, X), y)


@pytest.mark.filterwarnings("ignore::sklearn_debias.exceptions.DebiasWarning")
def test_a_map_is_not_copied(tmp_path, grown):
    n = 2**16
    X = np.lib.format.open_memmap(tmp_path / "many.npy", "w+", np.float16, (n, 512))
    y = np.arange(n) % 2
    for start in range(0, n, 4096):
        X[start : start + 4096] = np.random.default_rng(start).random((4096, 512), np.float32)
    X[:, 0] += 4 * y
    X.flush()
    there = np.load(tmp_path / "many.npy", mmap_mode="r")
    clf = ERMClassifier(max_epochs=1, batch_size=1024, lr=0.01, random_state=0, device="cpu")
    clf.fit(there[:2048], y[:2048])  # what a first fit imports
    extra = grown(lambda: clf.fit(there, y))
    assert X.nbytes == 64 * MIB
    assert extra < 56 * MIB  # a copy of the rows would be 64, in float32 128


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_a_file_that_becomes_shorter_is_an_error_not_the_end(dtype, tmp_path):
    """Reading beyond its end would kill the process."""
    rng = np.random.default_rng(0)
    path = tmp_path / "X.npy"
    np.save(path, rng.normal(size=(4000, 64)).astype(dtype))
    X = np.load(path, mmap_mode="r")
    y = np.arange(4000) % 2

    class Cut(Callback):
        def on_epoch_end(self, net, **kwargs):
            os.truncate(path, 1000)

    clf = ERMClassifier(max_epochs=2, device="cpu", random_state=0)
    clf.fit(X[:100], y[:100])
    with pytest.raises(ValueError, match=r"memory map of \d+ bytes, whose file .* shorter: 1000"):
        clone(clf).set_params(callbacks=[Cut()]).fit(X, y)
    with pytest.raises(ValueError, match="has become shorter"):
        clf.predict(X)
