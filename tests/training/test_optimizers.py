"""Optimisers and schedules from elsewhere: they work, or the error says what is missing."""

from functools import partial

import numpy as np
import pytest
import torch
from sklearn.model_selection import GridSearchCV
from torch.optim.lr_scheduler import StepLR

from sklearn_debias import ERMClassifier, LfFClassifier, MetaWeightNetClassifier
from sklearn_debias.exceptions import OutOfMemoryError
from sklearn_debias.model_selection import BatchedGridSearchCV

QUICK = {"lr": 0.05, "max_epochs": 4, "batch_size": 8, "random_state": 0}
rng = np.random.default_rng(0)
y = np.arange(24) % 2
X = rng.normal(size=(24, 3)) + 2 * (y[:, None] - 0.5)


def fitted(cls=ERMClassifier, **params):
    return cls(**{**QUICK, **params}).fit(X, y)


class TwoFaced(torch.optim.SGD):
    """As schedulefree's: it predicts with the mean of the points that it has visited."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.training = False
        self.visited = []

    def train(self):
        if not self.training and self.visited:
            self._put(self.visited[-1])
        self.training = True

    def eval(self):
        if self.training:
            self._put([torch.stack(each).mean(0) for each in zip(*self.visited, strict=True)])
        self.training = False

    def step(self, closure=None):
        assert self.training
        super().step()
        self.visited.append([p.detach().clone() for p in self.param_groups[0]["params"]])

    def _put(self, values):
        for parameter, value in zip(self.param_groups[0]["params"], values, strict=True):
            parameter.data.copy_(value)


def test_an_optimiser_with_modes_trains_in_one_and_predicts_in_the_other():
    made = []

    def make(*args, **kwargs):
        made.append(TwoFaced(*args, **kwargs))
        return made[-1]

    clf = fitted(optimizer=make)
    plain = fitted(optimizer=torch.optim.SGD)
    visited = made[-1].visited
    assert len(visited) == 12
    for mean, found in zip(zip(*visited, strict=True), clf.module_.parameters(), strict=True):
        torch.testing.assert_close(torch.stack(mean).mean(0), found.detach())
    for last, found in zip(visited[-1], plain.module_.parameters(), strict=True):
        torch.testing.assert_close(last, found.detach())


@pytest.mark.parametrize("cls", [LfFClassifier, MetaWeightNetClassifier])
def test_schedulefree(cls):
    schedulefree = pytest.importorskip("schedulefree")
    assert fitted(cls, optimizer=schedulefree.AdamWScheduleFree).score(X, y) > 0.9


class ByEpoch:
    """As timm's schedules: step(epoch) sets the rate of the epoch that comes."""

    def __init__(self, optimizer, by_metric=False):
        self.optimizer = optimizer
        self.by_metric = by_metric

    def step(self, epoch, metric=None):
        for group in self.optimizer.param_groups:
            group["lr"] = metric if self.by_metric else 1 / epoch


def test_a_schedule_that_asks_for_the_epoch_is_told_which_comes():
    clf = fitted(lr_schedule=ByEpoch)
    np.testing.assert_allclose(clf.history_["lr"], [0.05, 1, 1 / 2, 1 / 3])


def test_a_schedule_that_asks_for_a_metric_is_told_the_training_loss():
    clf = fitted(lr_schedule=partial(ByEpoch, by_metric=True))
    np.testing.assert_allclose(clf.history_["lr"][1:], clf.history_["model_loss"][:3])


def test_stacks_step_such_schedules_as_fits_do():
    clf = ERMClassifier(max_epochs=4, lr=0.05, lr_schedule=ByEpoch, dtype="float64", random_state=0)
    grid = {"weight_decay": [0.0, 0.1]}
    one, other = (
        search(clf, grid, cv=2).fit(X, y).cv_results_["mean_test_score"]
        for search in (GridSearchCV, BatchedGridSearchCV)
    )
    np.testing.assert_array_equal(one, other)


def test_a_lack_of_memory_in_a_step_is_one():
    class Hungry(torch.optim.SGD):
        def step(self, closure=None):
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried 9 bytes")

    with pytest.raises(OutOfMemoryError, match="Out of memory with `batch_size`"):
        fitted(optimizer=Hungry)


def test_timm_agrees_with_torch():
    scheduler = pytest.importorskip("timm.scheduler")
    schedule = partial(scheduler.StepLRScheduler, decay_t=1, decay_rate=0.5)
    ours = fitted(lr_schedule=schedule)
    torchs = fitted(lr_schedule=partial(StepLR, step_size=1, gamma=0.5))
    np.testing.assert_allclose(ours.history_["lr"], torchs.history_["lr"])
    np.testing.assert_array_equal(ours.predict_proba(X), torchs.predict_proba(X))


def test_an_optimiser_without_weight_decay():
    assert fitted(optimizer=torch.optim.Rprop, weight_decay=0).score(X, y) > 0.9
    with pytest.raises(ValueError, match="`weight_decay` must be 0 with `optimizer`=Rprop"):
        fitted(optimizer=torch.optim.Rprop)


class Updates(ByEpoch):
    t_in_epochs = False


REFUSED = {
    "closures": ({"optimizer": torch.optim.LBFGS, "weight_decay": 0}, "`optimizer`.*a closure"),
    "sparse gradients": (
        {"optimizer": torch.optim.SparseAdam, "weight_decay": 0},
        "`optimizer` failed.*dense",
    ),
    "updates": ({"lr_schedule": Updates}, "`lr_schedule` failed.*t_in_epochs=True"),
}
if hasattr(torch.optim, "Muon"):
    REFUSED["matrices only"] = ({"optimizer": torch.optim.Muon}, "`optimizer` failed.*2D")


@pytest.mark.parametrize("row", REFUSED)
def test_the_error_names_what_is_missing(row):
    params, message = REFUSED[row]
    with pytest.raises((TypeError, ValueError), match=message):
        fitted(**params)
