"""Thousands of classes: predictions by the batch, covariances that fit, errors that count bytes."""

import tracemalloc

import numpy as np
import pytest
import torch
from torch import nn

from sklearn_debias import ERMClassifier, ISDAClassifier, MetaIADAClassifier, MetaSAugClassifier
from sklearn_debias.core import SplitModule
from sklearn_debias.exceptions import OutOfMemoryError
from sklearn_debias.fitting import _memory
from sklearn_debias.objectives import _class_statistics
from sklearn_debias.testing import quick

rng = np.random.default_rng(0)
UNWARNED = pytest.mark.filterwarnings("ignore::sklearn_debias.exceptions.DebiasWarning")
SPREADING = [ISDAClassifier, MetaSAugClassifier, MetaIADAClassifier]
spreading = pytest.mark.parametrize("cls", SPREADING, ids=lambda cls: cls.__name__)
y = np.arange(60) % 3
X = rng.normal(size=(60, 5)) + y[:, None]


def peak_of(call, X):
    """Return what a call gives, and the bytes that it held at most."""
    tracemalloc.start()
    try:
        result = call(X)
        return result, tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@UNWARNED
def test_predict_holds_the_logits_of_a_few_rows():
    rng = np.random.default_rng(0)
    labels = np.arange(4000) % 500
    rows = rng.normal(size=(4000, 2)) + labels[:, None]
    clf = ERMClassifier(max_epochs=1, random_state=0).fit(rows, labels)
    proba, most = peak_of(clf.predict_proba, rows)
    predicted, peak = peak_of(clf.predict, rows)
    np.testing.assert_array_equal(predicted, clf.classes_[proba.argmax(1)])
    assert most > proba.nbytes == 16e6
    assert peak < proba.nbytes / 4


@spreading
def test_covariances_are_diagonal_where_full_ones_would_be_large(cls, monkeypatch):
    assert quick(cls).fit(X, y).covariances_.shape == (3, 5, 5)
    monkeypatch.setattr(_class_statistics, "MOST_NUMBERS", 3 * 5 * 5 - 1)
    assert quick(cls).fit(X, y).covariances_.shape == (3, 5)
    assert quick(cls, covariance="full").fit(X, y).covariances_.shape == (3, 5, 5)


def test_what_full_covariances_take():
    """By features, of which each class has d x d; or by classes, whose spreads are k x d x k."""
    assert _class_statistics.numbers_in_full(10, 512) == 10 * 512**2
    assert _class_statistics.numbers_in_full(5000, 64) == 5000**2 * 64
    net = type("Net", (), {"parameters": {"head.weight": torch.zeros(5000, 64)}})()
    assert _class_statistics.begin_statistics(net, None)["covariance"].shape == (5000, 64)


@spreading
def test_what_cannot_fit_is_refused_before_the_first_step_with_its_bytes(cls, monkeypatch):
    n_bytes = 4 * 2 * (3 * 5 * 5 + 3 * 3 * 5)
    monkeypatch.setattr(_memory, "memory_of", lambda device: n_bytes - 1)
    clf = quick(cls, covariance="full")
    with pytest.raises(OutOfMemoryError, match=f"`covariance`='full' .* takes {n_bytes} bytes"):
        clf.fit(X, y)
    assert not hasattr(clf, "classes_")
    monkeypatch.setattr(_memory, "memory_of", lambda device: n_bytes)
    clf.fit(X, y)


def test_the_memory_of_this_machine():
    found = _memory.memory_of(torch.device("cpu"))
    assert found is None or 2**28 < found < 2**50
    _memory.check_fits(1, torch.device("cpu"), "a byte", "")
    if found is not None:
        with pytest.raises(OutOfMemoryError, match=r"a lot takes .* \(1e\+09 GB\), more than"):
            _memory.check_fits(10**18, torch.device("cpu"), "a lot", "Take less.")


class Full(nn.Module):
    """A body that no device can hold, once it is trained."""

    def forward(self, x):
        if self.training:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
        return x


@spreading
@pytest.mark.parametrize("covariance", ["auto", "full", "diagonal"])
def test_advice_names_the_covariances_where_they_are_full(cls, covariance):
    module = SplitModule(Full(), nn.Linear(5, 3))
    clf = quick(cls, covariance=covariance, module=module)
    with pytest.raises(OutOfMemoryError) as caught:
        clf.fit(X, y)
    named = "GiB. Use covariance='diagonal'. Lower `batch_size`" in str(caught.value)
    assert named == (covariance != "diagonal")


def test_predicting_less_is_the_advice_where_predictions_do_not_fit(monkeypatch):
    clf = quick(ERMClassifier).fit(X, y)
    monkeypatch.setattr(nn.Linear, "forward", lambda *_: (_ for _ in ()).throw(MemoryError("no")))
    with pytest.raises(OutOfMemoryError, match="no. Predict fewer rows at a time"):
        clf.predict_proba(X)
