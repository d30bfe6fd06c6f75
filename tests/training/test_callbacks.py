"""skorch's own callbacks: what they find in a fit, and the error of those that find nothing."""

import threading
import warnings

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.metrics import log_loss
from sklearn.model_selection import GridSearchCV, cross_val_score
from skorch.callbacks import (
    BatchScoring,
    Callback,
    Checkpoint,
    EarlyStopping,
    EpochScoring,
    Freezer,
    InputShapeSetter,
    LoadInitState,
    LRScheduler,
    MlflowLogger,
    PassthroughScoring,
    ProgressBar,
    TensorBoard,
    TrainEndCheckpoint,
)

from sklearn_debias import ERMClassifier, LfFClassifier

QUICK = {"lr": 0.05, "max_epochs": 4, "batch_size": 8, "random_state": 0}
rng = np.random.default_rng(0)
y = np.arange(24) % 2
X = rng.normal(size=(24, 3)) + 2 * (y[:, None] - 0.5)
HELD_OUT = (X + 0.1, y)


def fitted(*callbacks, cls=ERMClassifier, validate=False, **params):
    given = {"validation_data": HELD_OUT} if validate else {}
    return cls(**{**QUICK, **params}, callbacks=list(callbacks)).fit(X, y, **given)


def weights(clf):
    return [p.detach().numpy().copy() for p in clf.net_.module_.parameters()]


def equal(one, other):
    return all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


class Writer:
    """As tensorboard's: it holds a lock, and cannot be copied."""

    def __init__(self):
        self.lock = threading.Lock()
        self.logged = []

    def add_scalar(self, tag, scalar_value, global_step):
        self.logged.append((tag, float(scalar_value), global_step))

    def close(self):
        pass


class Client(Writer):
    """As MLflow's: a metric is a number."""

    def log_metric(self, run_id, key, value, step=None):
        self.logged.append((key, float(value), step))

    def log_batch(self, *args, **kwargs):
        raise NotImplementedError

    def log_artifact(self, *args, **kwargs):
        pass

    def set_terminated(self, *args, **kwargs):
        pass


class Run:
    class info:
        run_id = "1"


@pytest.mark.parametrize("cls", [ERMClassifier, LfFClassifier])
def test_the_best_epoch_by_the_validation_loss_is_in_the_checkpoint(cls, tmp_path):
    clf = fitted(Checkpoint(dirname=tmp_path, load_best=True), cls=cls, validate=True)
    losses = clf.history_["valid_loss"]
    stored = torch.load(tmp_path / "params.pt")
    assert equal(weights(clf), [p.numpy() for p in stored.values()])
    assert log_loss(y, clf.predict_proba(HELD_OUT[0])) == pytest.approx(losses.min(), rel=1e-6)


def test_a_checkpoint_may_name_the_last_batch(tmp_path):
    name = "{last_epoch[epoch]}-{last_batch[train_batch_size]}.pt"
    fitted(TrainEndCheckpoint(dirname=tmp_path, f_params=name, fn_prefix=""))
    assert (tmp_path / "4-24.pt").exists()


def test_a_fit_goes_on_from_a_checkpoint(tmp_path):
    end = TrainEndCheckpoint(dirname=tmp_path)
    first = fitted(end, max_epochs=3)
    second = fitted(end, LoadInitState(end), max_epochs=2)
    assert second.n_iter_ == 5
    np.testing.assert_array_equal(second.history_["model_loss"][:3], first.history_["model_loss"])
    assert second.history_["model_loss"][3] < first.history_["model_loss"][2]


def test_early_stopping_looks_at_the_validation_loss():
    clf = fitted(EarlyStopping(patience=2, threshold=10.0, threshold_mode="abs"), validate=True)
    assert clf.n_iter_ == 3


def test_a_progress_bar_counts_the_batches():
    seen = []

    class Bar(ProgressBar):
        def on_epoch_end(self, net, **kwargs):
            seen.append((self.pbar_.n, self.pbar_.total, self._get_postfix_dict(net)))
            super().on_epoch_end(net, **kwargs)

    fitted(Bar(detect_notebook=False), max_epochs=1)
    ((n, total, shown),) = seen
    assert n == total == 3
    assert "train_loss" in shown


def test_a_schedule_by_batches_steps_with_each():
    clf = fitted(LRScheduler("StepLR", step_size=1, gamma=0.5, step_every="batch"))
    np.testing.assert_allclose(clf.history_["lr"], [0.05 * 0.125**epoch for epoch in (1, 2, 3, 4)])


def test_the_loss_of_each_batch_is_what_skorch_averages():
    seen = []

    class Reads(Callback):
        def on_batch_end(self, net, batch=None, **kwargs):
            seen.append(net.history[-1, "batches", -1, ("train_loss", "train_batch_size")])

    clf = fitted(Reads(), PassthroughScoring("train_loss", on_train=True))
    batches = np.array(seen).reshape(4, 3, 2)
    averaged = clf.net_.history[:, "train_loss"]
    np.testing.assert_allclose(averaged, batches[:, :, 0].mean(1))
    np.testing.assert_allclose(averaged, clf.history_["model_loss"], rtol=1e-6)
    assert (batches[:, :, 1] == 8).all()


@pytest.mark.parametrize("searched", [False, True])
def test_a_live_writer_is_the_callers_own(searched):
    writer = Writer()
    estimator = ERMClassifier(**QUICK, callbacks=[TensorBoard(writer)])
    fit = GridSearchCV(estimator, {"lr": [0.1]}, cv=2) if searched else estimator
    fit.fit(X, y)
    tags = {tag for tag, _, _ in writer.logged}
    assert {"Loss/train_loss", "model_loss", "lr"} <= tags
    epochs = [step for tag, _, step in writer.logged if tag == "model_loss"]
    assert epochs == [1, 2, 3, 4] * (3 if searched else 1)


def test_every_value_of_a_row_can_be_logged_as_a_metric():
    client = Client()
    fitted(MlflowLogger(run=Run(), client=client, create_artifact=False), cls=LfFClassifier)
    assert {"train_loss", "lr"} <= {key.split(" ")[0] for key, _, _ in client.logged}


def test_what_a_callback_points_to_is_shared_and_its_state_is_not():
    class Notes(Callback):
        def __init__(self, seen):
            self.seen = seen

        def on_epoch_end(self, net, **kwargs):
            self.epochs_ = getattr(self, "epochs_", 0) + 1
            self.seen.append(self.epochs_)

    notes = Notes([])
    estimator = ERMClassifier(**QUICK, callbacks=[("notes", notes)])
    clone(estimator).fit(X, y)
    estimator.fit(X, y)
    assert notes.seen == [1, 2, 3, 4] * 2
    assert not hasattr(notes, "epochs_")


def test_a_clone_has_the_same_callbacks_in_a_list_of_its_own():
    estimator = ERMClassifier(callbacks=[EarlyStopping()])
    twin = clone(estimator)
    assert twin.callbacks == estimator.callbacks
    assert twin.callbacks is not estimator.callbacks
    assert clone(ERMClassifier(callbacks="disable")).callbacks == "disable"


def test_optuna_prunes_by_what_a_fit_reports():
    optuna = pytest.importorskip("optuna")
    pruning = pytest.importorskip("optuna_integration").SkorchPruningCallback
    optuna.logging.set_verbosity(optuna.logging.ERROR)

    def objective(trial):
        # A rate of 0 nearly: its losses are worse than the first trial's from the start.
        lr = 0.05 if trial.number == 0 else 1e-9
        clf = ERMClassifier(**{**QUICK, "lr": lr}, callbacks=[pruning(trial, "train_loss")])
        return cross_val_score(clf, X, y, cv=2, error_score="raise").mean()

    study = optuna.create_study(pruner=optuna.pruners.MedianPruner(n_startup_trials=1))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of steps that are reported once per fold
        study.optimize(objective, n_trials=2)
    first, second = study.trials
    assert sorted(first.intermediate_values) == [0, 1, 2, 3]
    assert second.state == optuna.trial.TrialState.PRUNED


UNSUITED = {
    "scores of batches": (EpochScoring("accuracy"), "EpochScoring.*Use `validation` and `monitor`"),
    "batch scores": (BatchScoring("accuracy"), "BatchScoring.*Use `validation` and `monitor`"),
    "shapes": (InputShapeSetter(), "InputShapeSetter.*n_features"),
    "a loss of no rows": (EarlyStopping(), "EarlyStopping.*valid_loss.*`validation`"),
    "a best loss of no rows": (
        Checkpoint(dirname="x"),
        "Checkpoint.*valid_loss_best.*`validation`",
    ),
    "an unknown column": (EarlyStopping("loss"), "EarlyStopping.*'loss'.*has.*train_loss"),
    "nothing left to train": (
        Freezer("model.*"),
        "leave 'model' no parameter to train",
    ),
}


@pytest.mark.parametrize("row", UNSUITED)
def test_the_error_names_callbacks_and_what_to_use(row, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    callback, message = UNSUITED[row]
    with pytest.raises(ValueError, match=f"`callbacks`.*{message}"):
        fitted(callback)
