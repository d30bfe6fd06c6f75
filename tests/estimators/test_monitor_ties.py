"""Epochs that `monitor` scores alike: the smaller loss wins, and warnings say what was kept."""

import numpy as np
import pytest
from sklearn.metrics import log_loss

from sklearn_debias import ERMClassifier, MetaIADAClassifier
from sklearn_debias.exceptions import DebiasWarning

rng = np.random.default_rng(0)
y = (np.arange(200) % 10 == 0).astype(int)
X = rng.normal(size=(200, 3))
X[:, 0] += 1.5 * y
SLOW = {"lr": 0.002, "max_epochs": 8, "random_state": 0}
HELD = (X[:100], y[:100])


class Recorded:
    """A score that is the same for every epoch, and the losses that go with it."""

    def __init__(self, scores=None):
        self.scores = scores
        self.losses = []

    def __call__(self, clf, X, y):
        self.losses.append(log_loss(y, clf.predict_proba(X)))
        return 0.5 if self.scores is None else self.scores[len(self.losses) - 1]


def test_the_smallest_loss_wins_among_equals():
    monitor = Recorded()
    clf = ERMClassifier("mlp", monitor=monitor, **{**SLOW, "lr": 0.05, "max_epochs": 60})
    clf.fit(X[100:], y[100:], validation_data=HELD)
    best = int(np.argmin(monitor.losses))
    assert 0 < best < 59  # neither the first epoch nor the last
    assert log_loss(HELD[1], clf.predict_proba(HELD[0])) == pytest.approx(monitor.losses[best])


def test_the_score_comes_before_the_loss():
    monitor = Recorded([0.1, 0.9, 0.2, 0.9, 0.3, 0.4, 0.5, 0.6])
    clf = ERMClassifier(monitor=monitor, **{**SLOW, "lr": 0.05})
    clf.fit(X[100:], y[100:], validation_data=HELD)
    # Of the two best epochs the later has the smaller loss.
    assert log_loss(HELD[1], clf.predict_proba(HELD[0])) == pytest.approx(monitor.losses[3])


def test_only_ties_cost_a_pass_over_the_rows(monkeypatch):
    passes = []
    rows = ERMClassifier._logits
    monkeypatch.setattr(
        ERMClassifier, "_logits", lambda clf, X: passes.append(len(X)) or rows(clf, X)
    )
    rising = iter(range(8))
    clf = ERMClassifier(monitor=lambda clf, X, y: next(rising), **SLOW)
    clf.fit(X[100:], y[100:], validation_data=HELD)
    assert passes == []
    clf.set_params(monitor=lambda clf, X, y: 0.5)
    clf.fit(X[100:], y[100:], validation_data=HELD)
    assert passes == [100] * 8  # the first epoch's loss is asked for at the first tie


def test_the_last_epoch_is_nobodys_choice():
    """Where the last epoch is kept, `monitor` has changed nothing, and is not blamed."""
    rising = iter(range(8))
    clf = MetaIADAClassifier(monitor=lambda clf, X, y: next(rising), validation=0.5, **SLOW)
    with pytest.warns(DebiasWarning, match="predicts [01] for all .*: it has learned nothing"):
        clf.set_params(warmup=0.5, meta_size=1).fit(0 * X, y)


def test_a_kept_epoch_of_one_class_for_all_is_told():
    flags = iter([0.0, 1.0] + [0.0] * 6)
    rare = (np.arange(200) % 50 == 0).astype(int)
    settings = {**SLOW, "lr": 0.05}
    clf = ERMClassifier(monitor=lambda clf, X, y: next(flags), validation=0.5, **settings)
    with pytest.warns(
        DebiasWarning, match="predicts 0 .* is that of epoch 2 of 'train', which `monitor`="
    ):
        clf.fit(0.01 * X, rare)


def test_frozen_bodies_have_the_same_rule():
    from sklearn_debias.models import mlp

    monitor = Recorded()
    clf = ERMClassifier(mlp, freeze="body", monitor=monitor, **{**SLOW, "lr": 0.05})
    clf.fit(X[100:], y[100:], validation_data=HELD)
    found = log_loss(HELD[1], clf.predict_proba(HELD[0]))
    assert found == pytest.approx(min(monitor.losses), rel=1e-5)
