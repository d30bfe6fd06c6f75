"""DFR of memory maps: the same fit as of arrays, a part at a time, and no copy of all rows."""

import numpy as np
import pytest

from sklearn_debias import DFRClassifier
from sklearn_debias.datasets import make_spurious_embeddings
from sklearn_debias.fitting import Standardised, _standardised, rows_at, scaler_of

MIB = 2**20


def rows_of(dtype):
    part = make_spurious_embeddings(400, conflict_ratio=0.2, random_state=0).train
    return (part.data * 8).astype(dtype), part.target, part.bias_labels


def on_disk(folder, X):
    np.save(folder / "X.npy", X)
    return np.load(folder / "X.npy", mmap_mode="r")


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8", ">f4", "i2"])
def test_a_map_fits_as_the_array_in_parts_too(tmp_path, monkeypatch, dtype):
    X, y, bias = rows_of(dtype)
    there = on_disk(tmp_path, X)
    clf = DFRClassifier(n_resamples=3, random_state=0)
    expected = clf.fit(X.astype(float), y, bias_labels=bias).decision_function(X)
    worst = clf.selection_scores_
    np.testing.assert_array_equal(
        clf.fit(there, y, bias_labels=bias).decision_function(X), expected
    )
    np.testing.assert_array_equal(clf.decision_function(there), expected)
    monkeypatch.setattr(_standardised, "VALUES", 100)
    clf.fit(there, y, bias_labels=bias)
    np.testing.assert_allclose(clf.decision_function(there), expected, atol=1e-9)
    assert clf.selection_scores_ == pytest.approx(worst)


def test_what_opens_it_for_attacks_reads_any_type(tmp_path):
    X, y, bias = rows_of(">f4")
    clf = DFRClassifier(C=0.1, n_resamples=1, random_state=0).fit(X, y, bias_labels=bias)
    opened = clf._opened(on_disk(tmp_path, X), y)
    logits = np.concatenate([out.numpy() for out in opened.batches(lambda x, *_: opened.net(x))])
    found = logits[:, 1] - logits[:, 0]
    np.testing.assert_allclose(found, clf.decision_function(X), atol=1e-9)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_bad_value_of_a_map_is_refused(tmp_path, value):
    X, y, bias = rows_of("f2")
    X[-1, -1] = value
    with pytest.raises(ValueError, match="Input X contains"):
        DFRClassifier().fit(on_disk(tmp_path, X), y, bias_labels=bias)


def test_a_map_of_another_width_is_refused(tmp_path):
    X, y, bias = rows_of("f2")
    clf = DFRClassifier(C=0.1, n_resamples=1).fit(X, y, bias_labels=bias)
    with pytest.raises(ValueError, match="7 features, but DFRClassifier is expecting 8"):
        clf.predict(on_disk(tmp_path, X[:, :7]))


def test_rows_are_asked_in_any_order_and_standardised_as_scikit_learn_does(monkeypatch):
    monkeypatch.setattr(_standardised, "VALUES", 20)
    rng = np.random.default_rng(0)
    X = rng.normal(3, 2, (50, 4)).astype("f2")
    index = rng.permutation(50)[:30]
    np.testing.assert_array_equal(rows_at(X, index), X[index])
    assert rows_at(X, index).dtype == np.float16
    scaler = scaler_of(X)
    np.testing.assert_allclose(scaler.mean_, X.astype(float).mean(0))
    np.testing.assert_allclose(scaler.scale_, X.astype(float).std(0))
    part = Standardised(X, scaler)[5:9]
    np.testing.assert_array_equal(part, scaler.transform(X[5:9].astype(float)))


def test_a_map_is_not_copied(tmp_path, grown):
    n = 2**17
    X = np.random.default_rng(0).standard_normal((n, 256), dtype=np.float32).astype(np.float16)
    group = np.where(np.arange(n) % 40, np.arange(n) // 40 % 2 * 3, np.arange(n) // 40 % 2 + 1)
    y = group // 2
    X[:, 0] += y
    there = on_disk(tmp_path, X)
    del X
    clf = DFRClassifier(C=0.01, n_resamples=1, random_state=0)
    clf.fit(there[:2048], y[:2048], bias_labels=group[:2048] % 2)  # what a first fit imports
    extra = grown(lambda: clf.fit(there, y, bias_labels=group % 2))
    assert there.nbytes == 64 * MIB
    assert extra < 200 * MIB  # in float64 the rows alone would be 256, and twice
