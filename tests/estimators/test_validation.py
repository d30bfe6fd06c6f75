"""Validation rows, the monitored epoch, and what the history holds."""

import numpy as np
import pytest
import sklearn
from sklearn.callback import ProgressBar, ScoringMonitor
from sklearn.metrics import accuracy_score

from sklearn_debias import (
    AFRClassifier,
    BiasAdvClassifier,
    ERMClassifier,
    GroupDROClassifier,
    JTTClassifier,
    LfFClassifier,
)
from sklearn_debias.datasets import make_spurious_embeddings
from sklearn_debias.metrics import (
    get_scorer,
    worst_group_accuracy_score,
    worst_group_accuracy_scorer,
)

METHODS = [
    ERMClassifier(),
    LfFClassifier(),
    JTTClassifier(identification_epochs=2),
    BiasAdvClassifier(base="erm"),
    BiasAdvClassifier(base=JTTClassifier(identification_epochs=2)),
    GroupDROClassifier(),
    AFRClassifier(reweighting_epochs=6),
]
FAST = {"lr": 0.05, "max_epochs": 6, "random_state": 0}


@pytest.fixture(scope="module")
def data():
    return make_spurious_embeddings(
        300, n_validation=100, n_test=20, conflict_ratio=0.1, random_state=0
    )


def fit(clf, part, **kwargs):
    return clf.set_params(**FAST).fit(
        part.data, part.target, bias_labels=part.bias_labels, **kwargs
    )


@pytest.mark.parametrize("method", METHODS, ids=repr)
def test_monitor_keeps_the_best_epoch(method, data):
    valid = (data.validation.data, data.validation.target, data.validation.bias_labels)
    clf = fit(method.set_params(monitor="worst_group_accuracy"), data.train, validation_data=valid)
    history = clf.history_["validation_worst_group_accuracy"].dropna()
    assert len(history) == FAST["max_epochs"]
    kept = worst_group_accuracy_score(valid[1], clf.predict(valid[0]), bias_labels=valid[2])
    assert kept == history.max()


@pytest.mark.parametrize(
    "monitor", [None, "accuracy", "neg_log_loss", get_scorer("balanced_accuracy")], ids=str
)
def test_monitors_of_all_kinds(monitor, data):
    clf = fit(ERMClassifier(validation=0.3, monitor=monitor), data.train)
    column = clf.history_.filter(like="validation_")
    assert column.shape == (FAST["max_epochs"], 1)
    assert np.isfinite(column).to_numpy().all()


def test_without_monitor_the_last_epoch_is_kept(data):
    valid = (data.validation.data, data.validation.target)
    clf = fit(ERMClassifier(), data.train, validation_data=valid)
    assert (
        accuracy_score(valid[1], clf.predict(valid[0]))
        == clf.history_["validation_accuracy"].iloc[-1]
    )


def test_validation_rows_do_not_train(data):
    """Held-out rows have no difficulty; every (class, bias value) cell gives its share of them."""
    clf = fit(LfFClassifier(validation=0.25), data.train)
    held = np.isnan(clf.sample_difficulty_)
    assert held.sum() == pytest.approx(75, abs=2)
    cells = list(zip(data.train.target, data.train.bias_labels, strict=True))
    for cell in set(cells):
        members = np.array([c == cell for c in cells])
        assert held[members].sum() == pytest.approx(0.25 * members.sum(), abs=1.01)


def test_validation_does_not_move_the_order_of_batches(data):
    """Scoring after each epoch changes nothing in the fit itself."""
    valid = (data.validation.data, data.validation.target)
    plain, watched = (
        fit(ERMClassifier(), data.train),
        fit(ERMClassifier(), data.train, validation_data=valid),
    )
    np.testing.assert_array_equal(
        plain.module_.head.weight.detach(), watched.module_.head.weight.detach()
    )


@pytest.mark.parametrize(
    ("clf", "terms"),
    [
        (ERMClassifier(), {"model_loss"}),
        (LfFClassifier(), {"model_loss", "biased_loss", "difficulty"}),
        (GroupDROClassifier(), {"model_loss", "largest_group_weight"}),
        (BiasAdvClassifier(base="erm"), {"model_loss", "biased_loss", "base", "adversarial"}),
        (
            BiasAdvClassifier(base="lff"),
            {"model_loss", "biased_loss", "base", "adversarial", "difficulty"},
        ),
    ],
    ids=["erm", "lff", "group dro", "biasadv of erm", "biasadv of lff"],
)
def test_history_holds_every_term(clf, terms, data):
    history = fit(clf, data.train).history_
    assert set(history) == terms | {"phase", "epoch", "lr", "seconds"}
    assert np.isfinite(history[sorted(terms)]).to_numpy().all()
    if "adversarial" in terms:
        np.testing.assert_allclose(
            history.model_loss, history.base + clf.beta * history.adversarial, rtol=1e-5
        )


def test_history_of_two_phases(data):
    history = fit(JTTClassifier(identification_epochs=2), data.train).history_
    assert history.phase.tolist() == ["identification"] * 2 + ["train"] * 6
    assert history.epoch.tolist() == [1, 2, 1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize("routing", [False, True])
def test_scikit_learn_callbacks_see_every_epoch(data, routing):
    scoring = worst_group_accuracy_scorer if routing else "accuracy"
    with sklearn.config_context(enable_metadata_routing=routing):
        monitor = ScoringMonitor(scoring=scoring)
        clf = fit(ERMClassifier().set_callbacks(monitor, ProgressBar()), data.train)
        last = get_scorer(scoring)(
            clf, data.train.data, data.train.target, **routed(data.train, routing)
        )
    log = monitor.get_logs().data_as_pandas
    scores = log.loc[log["task_name"] == "epoch", "score" if routing else "accuracy"]
    assert len(scores) == FAST["max_epochs"]
    assert scores.iloc[-1] == last


def routed(part, routing):
    return {"bias_labels": part.bias_labels} if routing else {}


def test_a_scikit_learn_callback_stops_the_fit(data):
    class StopAfter:
        def __init__(self, epochs):
            self.epochs = epochs

        def setup(self, estimator, context):
            pass

        def teardown(self, estimator, context):
            pass

        def on_fit_task_begin(self, estimator, context):
            pass

        def on_fit_task_end(self, estimator, context):
            return context.task_name == "epoch" and context.task_id + 1 >= self.epochs

    clf = fit(ERMClassifier().set_callbacks(StopAfter(2)), data.train)
    assert clf.n_iter_ == 2


def test_verbose_prints_a_line_per_epoch(data, capsys):
    fit(ERMClassifier(verbose=1), data.train)
    lines = capsys.readouterr().out.strip().splitlines()
    assert sum(line.strip().startswith(tuple("123456")) for line in lines) == 6
    fit(ERMClassifier(verbose=0), data.train)
    assert capsys.readouterr().out == ""
