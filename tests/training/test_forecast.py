"""Long fits say so in their first epoch, whatever `verbose` is."""

import pickle
import warnings

import numpy as np
import pytest

from sklearn_debias import ERMClassifier, JTTClassifier
from sklearn_debias.exceptions import DebiasWarning
from sklearn_debias.training import _forecast

rng = np.random.default_rng(0)
y = np.arange(24) % 2
X = rng.normal(size=(24, 3)) + 2 * y[:, None]
IMAGES = rng.random((24, 3, 17, 17)).astype(np.float32)


class Clock:
    """A clock that goes on by a fixed time whenever it is read."""

    def __init__(self, seconds):
        self.seconds = seconds
        self.now = 0.0

    def __call__(self):
        self.now += self.seconds
        return self.now


def told(monkeypatch, seconds, clf, X=X):
    """Warnings of a fit whose batches seem to take so many seconds each."""
    monkeypatch.setattr(_forecast, "perf_counter", Clock(seconds))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        clf.fit(X, y)
    messages = [str(w.message) for w in caught if issubclass(w.category, DebiasWarning)]
    return [message for message in messages if "will take about" in message]


def test_the_estimate(monkeypatch):
    """Two batches took 60 seconds: 6 take 3 minutes, and 10 epochs of them half an hour."""
    clf = ERMClassifier(max_epochs=10, batch_size=4, random_state=0)
    (words,) = told(monkeypatch, 20.0, clf)
    assert "about 30 minutes: 10 epochs of about 3 minutes" in words
    assert clf.verbose == 0


def test_all_phases_count(monkeypatch):
    clf = JTTClassifier(identification_epochs=1, max_epochs=2, batch_size=8, random_state=0)
    (words,) = told(monkeypatch, 400.0, clf)
    assert ": 3 epochs of about 30 minutes" in words


@pytest.mark.filterwarnings("ignore:The fitted model predicts")
def test_a_phase_whose_epochs_are_longer_is_looked_at_anew(monkeypatch):
    """JTT visits its errors again and again: 12 of 24 rows 50 times are 153 batches, not 6."""
    settings = {"identification_epochs": 1, "max_epochs": 2, "batch_size": 4, "lr": 1e-9}
    clf = JTTClassifier(upweight=50, random_state=0, **settings)
    (words,) = told(monkeypatch, 3.0, clf, 0 * X)
    # Three ticks of 3 s for two batches.
    assert "2 epochs of about 11 minutes" in words
    assert told(monkeypatch, 3.0, clf.set_params(upweight=1), 0 * X) == []


def test_short_fits_are_silent(monkeypatch):
    clf = ERMClassifier(max_epochs=10, batch_size=4, random_state=0)
    assert told(monkeypatch, 0.01, clf) == []
    assert told(monkeypatch, 5.0, clf) == []


@pytest.mark.parametrize("module", [None, "cifar_resnet18"])
def test_the_dear_network_is_named(monkeypatch, module):
    clf = ERMClassifier(module, max_epochs=1, batch_size=12, lr=1e-5, random_state=0)
    (words,) = told(monkeypatch, 400.0, clf, IMAGES)
    assert "'cifar_resnet18'; 'resnet18' takes a tenth" in words


def test_nothing_of_it_stays_and_nothing_changes(monkeypatch):
    plain = ERMClassifier(max_epochs=3, batch_size=4, random_state=0).fit(X, y)
    slow = ERMClassifier(max_epochs=3, batch_size=4, random_state=0)
    assert told(monkeypatch, 90.0, slow)
    np.testing.assert_array_equal(slow.predict_proba(X), plain.predict_proba(X))
    assert slow.net_.forecast is None
    assert pickle.loads(pickle.dumps(slow)).predict(X).tolist() == plain.predict(X).tolist()
