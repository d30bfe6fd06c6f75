"""faults.md, the rows on what goes wrong in a fit: nothing half-fitted is left, nothing hidden."""

import gc
import os
import signal
import threading
import weakref

import numpy as np
import pytest
import torch
from faulty import (
    METHODS,
    NOTHING_LEARNED,
    Late,
    Linear,
    NaNInEval,
    X,
    b,
    erm,
    fitted_names,
    is_finite,
    make,
    y,
)
from sklearn.exceptions import FitFailedWarning
from sklearn.model_selection import GridSearchCV
from skorch.callbacks import Callback, EarlyStopping
from torch import nn

from sklearn_debias.exceptions import DebiasWarning, DivergedError, OutOfMemoryError

STEPS = 3  # of one epoch: 40 rows in batches of 16


def late(method, how, after=STEPS, **params):
    return make(
        method, module=Late, net_params={"module__how": how, "module__after": after}, **params
    )


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("how", ["nan", "nan_gradient"])
def test_divergence_names_epoch_and_phase(method, how):
    estimator = late(method, how)
    words = r"epoch [12] of phase '\w+'. Lower `lr`"
    with pytest.raises(DivergedError, match=words):
        estimator.fit(X, y)
    assert fitted_names(estimator) == []


def test_divergence_in_the_first_phase_of_jtt():
    with pytest.raises(DivergedError, match="epoch 1 of phase 'identification'"):
        late("JTTClassifier", "nan", after=0).fit(X, y)


@pytest.mark.parametrize("method", METHODS)
def test_a_step_too_large_diverges(method):
    estimator = make(method, lr=1e38)
    with pytest.raises(
        DivergedError, match="not finite in epoch 1 of phase .* Lower `lr` \\(1e\\+38\\)"
    ):
        estimator.fit(X, y)
    assert fitted_names(estimator) == []


@pytest.mark.parametrize("method", METHODS)
def test_outputs_that_are_finite_in_training_only(method):
    estimator = make(method, module=NaNInEval)
    with pytest.raises(DivergedError, match=r"`module` are not finite|not finite in epoch \d+ of"):
        estimator.fit(X, y)
    assert fitted_names(estimator) == []


def test_an_augmentation_that_makes_nans_diverges():
    with pytest.raises(DivergedError, match="epoch 1"):
        erm(augment=lambda x: x * float("nan")).fit(X, y)


@pytest.mark.filterwarnings("ignore:One or more of the test scores are non-finite")
@pytest.mark.parametrize(
    ("how", "error"), [("nan", "DivergedError"), ("cuda_memory", "OutOfMemoryError")]
)
def test_a_search_goes_on_without_the_candidate(how, error):
    search = GridSearchCV(late("ERMClassifier", how), {"module__after": [0, 1000]}, cv=2)
    with pytest.warns(FitFailedWarning, match=error):
        search.fit(X, y)
    scores = search.cv_results_["mean_test_score"]
    assert np.isnan(scores[0])
    assert np.isfinite(scores[1])
    assert search.best_params_ == {"module__after": 1000}


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("how", ["cuda_memory", "cpu_memory", "numpy_memory"])
def test_out_of_memory(method, how):
    estimator = late(method, how)
    with pytest.raises(
        OutOfMemoryError, match="Out of memory with `batch_size`=16: .* Lower `batch_size`"
    ):
        estimator.fit(X, y)
    assert fitted_names(estimator) == []
    assert estimator.batch_size == 16


def test_out_of_memory_releases_what_the_fit_held():
    held = []

    class Greedy(Late):
        def forward(self, x):
            activation = torch.zeros(1000) + x.sum()
            held.append(weakref.ref(activation))
            return super().forward(x) + 0 * activation.sum()

    with pytest.raises(OutOfMemoryError) as caught:
        erm(module=Greedy, net_params={"module__how": "cuda_memory"}).fit(X, y)
    assert held[-1]() is None  # even while the error lives
    del caught
    gc.collect()
    assert all(ref() is None for ref in held)


BATCH_NORM = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 2))


@pytest.mark.filterwarnings(
    "ignore:The fitted model predicts"
)  # weights drawn at import, and four epochs
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("loader", [None, {"iterator_train__num_workers": 0}])
def test_a_last_batch_of_one_row_is_merged(method, loader):
    clf = make(method, module=BATCH_NORM, batch_size=13, max_epochs=4, net_params=loader).fit(X, y)
    assert is_finite(clf)


@pytest.mark.filterwarnings("ignore:The fitted model predicts")
@pytest.mark.parametrize("method", ["ERMClassifier", "LfFClassifier"])
@pytest.mark.parametrize("loader", [None, {"iterator_train__num_workers": 0}])
def test_a_network_sees_the_merged_batch_once(method, loader):
    clf = make(method, module=BATCH_NORM, batch_size=13, max_epochs=4, net_params=loader).fit(X, y)
    assert clf.module_.body[1].num_batches_tracked == 4 * 3


def test_batches_of_one_row_cannot_train_batch_norm():
    with pytest.raises(
        ValueError,
        match="`batch_size`=1 leaves a batch of one row, on which BatchNorm cannot train",
    ):
        erm(module=BATCH_NORM, batch_size=1).fit(X, y)


def test_drop_last_with_fewer_rows_than_a_batch():
    loader = {"iterator_train__drop_last": True}
    with pytest.raises(
        ValueError, match="leaves no training step: 40 rows are fewer than `batch_size`=41"
    ):
        erm(batch_size=41, net_params=loader).fit(X, y)
    assert is_finite(erm(batch_size=39, net_params=loader, max_epochs=5).fit(X, y))


@pytest.mark.parametrize("method", METHODS)
def test_an_interrupt_propagates(method):
    estimator = late(method, "interrupt")
    with pytest.raises(KeyboardInterrupt):
        estimator.fit(X, y)
    assert fitted_names(estimator) == []


def test_an_interrupt_ends_a_search():
    with pytest.raises(KeyboardInterrupt):
        GridSearchCV(late("ERMClassifier", "interrupt"), {"lr": [0.1, 0.2]}, cv=2).fit(X, y)


class Signalled(Linear):
    """Starts a timer at the first training step: imports and checks lie behind it."""

    timer: threading.Timer

    def forward(self, x):
        if self.training and self.timer.ident is None:
            self.timer.start()
        return super().forward(x)


@pytest.mark.usefixtures("interruptible")
@pytest.mark.filterwarnings("ignore::sklearn_debias.exceptions.DebiasWarning")
@pytest.mark.parametrize("method", METHODS)
def test_a_signal_at_any_moment_ends_a_fit(method):
    make(method, module=Linear, max_epochs=1).fit(X, y)  # an interrupted import is Python's affair
    estimator = make(method, module=Signalled, max_epochs=20_000)
    before = threading.active_count()
    timer = Signalled.timer = threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGINT))
    try:
        with pytest.raises(KeyboardInterrupt):
            estimator.fit(X, y)
    finally:
        timer.cancel()  # a fit that failed must not leave a signal to the tests after it
    timer.join()
    assert fitted_names(estimator) == []
    assert threading.active_count() == before


class Raise(Callback):
    def __init__(self, error):
        self.error = error

    def on_epoch_end(self, net, **kwargs):
        raise self.error


def test_errors_of_callbacks_are_their_own():
    estimator = erm(callbacks=[Raise(ZeroDivisionError("boom"))])
    with pytest.raises(ZeroDivisionError, match="boom"):
        estimator.fit(X, y)
    assert fitted_names(estimator) == []


def test_skorchs_way_to_stop_is_a_stop():
    clf = erm(
        max_epochs=50, callbacks=[EarlyStopping(monitor="train_loss", patience=2, threshold=1.0)]
    ).fit(X, y)
    assert clf.n_iter_ < 50


@NOTHING_LEARNED
@pytest.mark.parametrize("method", METHODS)
def test_a_failed_fit_forgets_the_one_before(method):
    clf = make(method).fit(X, y, bias_labels=b)
    with pytest.raises(ValueError, match="NaN"):
        clf.fit(X * np.nan, y)
    assert fitted_names(clf) == []
    with pytest.raises(ValueError, match="not fitted"):
        clf.predict(X)


class Constant(Linear):
    def forward(self, x):
        return 0 * self.linear(x) + self.linear.bias * 0 + torch.tensor([2.0, 0.0])


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.filterwarnings(
    "ignore:The attack moves",
    "ignore:`attention` calls all of the image background",
    "ignore:The two networks agree",
)
def test_a_constant_predictor_is_warned_about(method):
    # a meta set takes eight of them
    words = "predicts '[ab]' for all of (32|40) training rows.*`lr`.*`max_epochs`"
    with pytest.warns(DebiasWarning, match=words) as caught:
        make(method, module=Constant).fit(X, np.array(["a", "b"])[y])
    assert ["The fitted model predicts" in str(w.message) for w in caught].count(True) == 1
    assert caught[0].filename == __file__


def test_sorted_rows_and_a_rare_class_are_no_constant_predictor():
    order = np.argsort(y, kind="stable")
    given = np.r_[X[order].repeat(100, 0)]
    erm(max_epochs=5, lr=0.1).fit(given, y[order].repeat(100))  # warnings are errors
