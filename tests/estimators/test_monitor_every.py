"""`monitor_every`: which epochs are scored, which is kept, and that a fit goes on with it."""

from functools import partial

import numpy as np
import pandas as pd
import pytest
from skorch.callbacks import Callback, EarlyStopping
from torch import nn

from sklearn_debias import ERMClassifier, JTTClassifier, MetaIADAClassifier
from sklearn_debias.core import SplitModule
from sklearn_debias.group_inference import GroupInferrer

rng = np.random.default_rng(0)
X = rng.normal(size=(200, 3)).astype(np.float32)
y = (X[:, 0] + rng.normal(size=200) > 0).astype(int)
HELD = (X[:80], y[:80])
ERM = partial(ERMClassifier, "mlp", lr=0.02, random_state=0)
pytestmark = pytest.mark.filterwarnings("ignore::sklearn_debias.exceptions.DebiasWarning")


class Given:
    """Scores in an order of ours, and the predictions that each was given for."""

    def __init__(self, *scores):
        self.scores = list(scores)
        self.seen = []

    def __call__(self, clf, X, y):
        self.seen.append(clf.predict_proba(X))
        return self.scores[len(self.seen) - 1]


def scored(clf, column="validation_score"):
    """Return the epochs of the last phase that have a score."""
    last = clf.history_[clf.history_["phase"] == "train"]
    return last["epoch"][last[column].notna()].tolist()


@pytest.mark.parametrize(
    ("every", "epochs", "expected"),
    [(1, 3, [1, 2, 3]), (3, 9, [3, 6, 9]), (3, 8, [3, 6, 8]), (10, 4, [4])],
)
def test_every_kth_epoch_and_the_last_are_scored(every, epochs, expected):
    monitor = Given(*range(9))
    clf = ERM(max_epochs=epochs, monitor=monitor, monitor_every=every)
    clf.fit(X[80:], y[80:], validation_data=HELD)
    assert scored(clf) == expected
    assert len(clf.history_) == epochs
    # Without a scorer the accuracy is written down for the same epochs.
    plain = ERM(max_epochs=epochs, monitor_every=every)
    plain.fit(X[80:], y[80:], validation_data=HELD)
    assert scored(plain, "validation_accuracy") == expected


def test_the_best_of_the_scored_epochs_is_kept():
    monitor = Given(0.3, 0.9, 0.4)
    clf = ERM(max_epochs=7, monitor=monitor, monitor_every=3)
    clf.fit(X[80:], y[80:], validation_data=HELD)
    np.testing.assert_array_equal(clf.predict_proba(HELD[0]), monitor.seen[1])
    # It is what training of six epochs gives: looking changes nothing.
    alone = ERM(max_epochs=6).fit(X[80:], y[80:])
    np.testing.assert_array_equal(clf.predict_proba(X), alone.predict_proba(X))


@pytest.mark.parametrize(
    ("patience", "scores", "ends"),
    [(1, [0.5, 0.4], 6), (2, [0.5, 0.4, 0.6, 0.1, 0.6 - 0.1], 15), (5, [0.5] + [0.1] * 9, 18)],
)
def test_patience_counts_scores(patience, scores, ends):
    clf = ERM(max_epochs=30, monitor=Given(*scores), monitor_every=3, patience=patience)
    clf.fit(X[80:], y[80:], validation_data=HELD)
    assert clf.n_iter_ == ends


class StopAfter(Callback):
    def __init__(self, epochs):
        self.epochs = epochs

    def on_epoch_end(self, net, **kwargs):
        if len(net.history) == self.epochs:
            raise KeyboardInterrupt


@pytest.mark.parametrize(
    ("every", "ends", "expected"), [(40, 3, [3]), (3, 5, [3, 5]), (3, 6, [3, 6]), (8, 8, [8])]
)
def test_the_epoch_where_a_callback_ends_the_fit_is_scored_once(every, ends, expected):
    monitor = Given(*range(9, 0, -1))
    clf = ERM(max_epochs=8, monitor=monitor, monitor_every=every, callbacks=[StopAfter(ends)])
    clf.fit(X[80:], y[80:], validation_data=HELD)
    assert clf.n_iter_ == ends
    assert scored(clf) == expected
    # The first score was the best one.
    np.testing.assert_array_equal(clf.predict_proba(HELD[0]), monitor.seen[0])
    alone = ERM(max_epochs=expected[0]).fit(X[80:], y[80:])
    np.testing.assert_array_equal(clf.predict_proba(X), alone.predict_proba(X))


def test_a_fit_that_a_callback_ended_is_gone_on_with_as_it_was(tmp_path):
    def fit():
        clf = ERM(max_epochs=8, monitor="accuracy", monitor_every=40, checkpoint=tmp_path)
        clf.set_params(callbacks=[StopAfter(3)])
        return clf.fit(X[80:], y[80:], validation_data=HELD)

    first, again = fit(), fit()
    assert scored(first, "validation_accuracy") == [3]
    pd.testing.assert_frame_equal(first.history_, again.history_)
    np.testing.assert_array_equal(first.predict_proba(X), again.predict_proba(X))


def test_scikit_learns_callbacks_end_a_fit_with_a_score():
    class EndsAtOnce:
        def setup(self, estimator, context):
            pass

        on_fit_task_begin = teardown = setup

        def on_fit_task_end(self, estimator, context):
            return context.task_name == "epoch"

    clf = ERM(max_epochs=8, monitor="accuracy", monitor_every=5)
    clf.set_callbacks(EndsAtOnce()).fit(X[80:], y[80:], validation_data=HELD)
    assert scored(clf, "validation_accuracy") == [1]


def test_only_the_last_phase_is_scored():
    clf = JTTClassifier(identification_epochs=5, max_epochs=5, monitor=Given(1, 2, 3))
    clf.set_params(monitor_every=2, random_state=0)
    clf.fit(X[80:], y[80:], validation_data=HELD)
    assert scored(clf) == [2, 4, 5]
    assert clf.history_["validation_score"].notna().sum() == 3


def test_the_last_epoch_is_that_of_the_last_phase():
    clf = MetaIADAClassifier(max_epochs=5, warmup=2, meta_size=4, monitor=Given(1, 2))
    clf.set_params(monitor_every=2, random_state=0)
    clf.fit(X[80:], y[80:], validation_data=HELD)
    scores = clf.history_["validation_score"].notna()
    assert clf.history_["epoch"][scores].tolist() == [2, 3]
    assert not scores[clf.history_["phase"] == "warmup"].any()


def test_heads_on_a_frozen_body_are_scored_as_seldom():
    module = SplitModule(nn.Linear(3, 4), nn.Linear(4, 2))
    clf = ERMClassifier(module, freeze="body", max_epochs=5, random_state=0)
    clf.set_params(monitor="accuracy", monitor_every=3)
    clf.fit(X[80:], y[80:], validation_data=HELD)
    assert scored(clf, "validation_accuracy") == [3, 5]


@pytest.mark.parametrize(("before", "after", "goes_on"), [(10, 15, True), (12, 15, False)])
def test_more_epochs_go_on_where_the_same_ones_are_scored(tmp_path, before, after, goes_on):
    make = partial(ERM, monitor="accuracy", monitor_every=5, checkpoint=tmp_path)
    make(max_epochs=before).fit(X[80:], y[80:], validation_data=HELD)
    longer = make(max_epochs=after)
    if not goes_on:
        # A fit of 15 epochs would not have scored the twelfth.
        with pytest.raises(ValueError, match="`monitor_every`"):
            longer.fit(X[80:], y[80:], validation_data=HELD)
        return
    longer.fit(X[80:], y[80:], validation_data=HELD)
    assert scored(longer, "validation_accuracy") == [5, 10, 15]


def test_a_minimum_is_scored_once():
    clf = ERMClassifier(optimizer="lbfgs", monitor_every=7).fit(X, y, validation_data=HELD)
    assert clf.history_["validation_accuracy"].notna().sum() == 1


def test_callbacks_that_read_each_epoch_say_what_is_missing():
    clf = ERM(monitor="accuracy", monitor_every=2, callbacks=[EarlyStopping(monitor="valid_loss")])
    words = "valid_loss .* `validation` rows, where `monitor_every`.* Set monitor_every=1, or use"
    with pytest.raises(ValueError, match=words):
        clf.fit(X[80:], y[80:], validation_data=HELD)
    # Where each epoch is scored it would not help.
    with pytest.raises(ValueError, match="`validation` rows, where `monitor_every`") as caught:
        clf.set_params(monitor=None, monitor_every=1).fit(X, y)
    assert "monitor_every=1" not in str(caught.value)


@pytest.mark.parametrize("settings", [{}, {"optimizer": "lbfgs", "module": "linear"}])
def test_scores_need_rows(settings):
    clf = ERM(monitor_every=10).set_params(**settings)
    with pytest.raises(ValueError, match=r"`monitor_every`=10 needs validation rows to score"):
        clf.fit(X, y)
    clf.set_params(validation=0.2).fit(X, y)
    ERM(monitor_every=1, max_epochs=1).fit(X, y)


@pytest.mark.parametrize("value", [0, -1, 2.5, "all", None])
def test_other_values_are_refused(value):
    with pytest.raises(ValueError, match="'monitor_every' parameter"):
        ERM(monitor_every=value).fit(X, y)


@pytest.mark.parametrize("method", ["errors", "xrm", "clusters"])
def test_what_trains_on_all_rows_waits_for_no_score(method):
    erm = ERM(max_epochs=3, validation=0.2, monitor="accuracy", monitor_every=2, patience=1)
    inferrer = GroupInferrer(method, estimator=erm, random_state=0).fit(X, y)
    assert len(inferrer.bias_labels_) == len(X)
