"""A phase that continues the one before: optimiser and rate go on, alone and in a stack."""

import warnings
from dataclasses import dataclass
from functools import partial

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.exceptions import FitFailedWarning
from sklearn.model_selection import GridSearchCV
from skorch.callbacks import LRScheduler
from torch.optim.lr_scheduler import CosineAnnealingLR, OneCycleLR, StepLR

from sklearn_debias import ERMClassifier, LongTailClassifier
from sklearn_debias.core import Phase
from sklearn_debias.model_selection import BatchedGridSearchCV
from sklearn_debias.model_selection.batched._structure import structure
from sklearn_debias.objectives import ERM

pytestmark = pytest.mark.filterwarnings("ignore:The fitted model predicts")  # these fits are short

# Every batch holds all rows: the phases' names order the rows otherwise, which then is rounding.
FULL = {
    "batch_size": 1000,
    "lr": 0.1,
    "dtype": "float64",
    "module": "mlp",
    "random_state": 0,
    "device": "cpu",
}
FULL |= {"net_params": {"module__hidden": 5}, "weight_decay": 0.01}


@dataclass(kw_only=True, eq=False, repr=False)
class Divided(ERMClassifier):
    """ERM in as many phases as there are numbers of epochs."""

    epochs: tuple = (3, 4)
    continues: bool = True

    _parameter_constraints = {
        **ERMClassifier._parameter_constraints,
        "epochs": [tuple],
        "continues": ["boolean"],
    }

    def _phases(self):
        continues = [False] + [self.continues] * (len(self.epochs) - 1)
        return tuple(
            Phase(f"part {i}", (ERM(),), n, continues=c)
            for i, (n, c) in enumerate(zip(self.epochs, continues, strict=True))
        )


@pytest.fixture(scope="module")
def rows():
    rng = np.random.default_rng(0)
    y = np.arange(60) % 3
    return rng.normal(size=(60, 4)) + 0.5 * y[:, None], y


OPTIMIZERS = {
    "sgd": {"optimizer": "sgd"},
    "momentum": {
        "optimizer": "sgd",
        "net_params": {"optimizer__momentum": 0.9, "optimizer__nesterov": True},
    },
    "adam": {"optimizer": "adam"},
    "amsgrad": {"optimizer": "adamw", "net_params": {"optimizer__amsgrad": True}},
}
SCHEDULES = {
    "none": None,
    "step": partial(StepLR, step_size=2, gamma=0.3),
    "cosine": partial(CosineAnnealingLR, T_max=7),
    "one cycle": partial(OneCycleLR, max_lr=0.2, total_steps=8),
}


def divided(epochs, optimizer, schedule, **options):
    own = OPTIMIZERS[optimizer]
    params = {**FULL, **own, "net_params": {**FULL["net_params"], **own.get("net_params", {})}}
    return Divided(epochs=epochs, lr_schedule=SCHEDULES[schedule], **{**params, **options})


def assert_same_fit(one, other):
    np.testing.assert_allclose(one.history_["lr"], other.history_["lr"], rtol=1e-12)
    np.testing.assert_allclose(one.history_["model_loss"], other.history_["model_loss"], rtol=1e-9)
    for name, value in one.module_.state_dict().items():
        torch.testing.assert_close(other.module_.state_dict()[name], value, rtol=1e-8, atol=1e-9)


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_two_phases_are_one(rows, optimizer, schedule):
    whole = divided((7,), optimizer, schedule).fit(*rows)
    assert_same_fit(whole, divided((3, 4), optimizer, schedule).fit(*rows))


def test_three_phases_are_one(rows):
    whole = divided((7,), "adam", "step").fit(*rows)
    assert_same_fit(whole, divided((1, 5, 1), "adam", "step").fit(*rows))


@pytest.mark.parametrize(
    ("optimizer", "schedule"), [("momentum", "none"), ("adam", "none"), ("sgd", "step")]
)
def test_a_phase_that_does_not_continue_starts_afresh(rows, optimizer, schedule):
    whole = divided((7,), optimizer, schedule).fit(*rows)
    afresh = divided((3, 4), optimizer, schedule, continues=False).fit(*rows)
    assert not np.allclose(
        whole.history_["model_loss"][4:], afresh.history_["model_loss"][4:], rtol=1e-3
    )


def test_the_epochs_of_each_phase_are_its_own(rows):
    history = divided((3, 4), "adam", "step").fit(*rows).history_
    assert history["phase"].tolist() == ["part 0"] * 3 + ["part 1"] * 4
    assert history["epoch"].tolist() == [1, 2, 3, 1, 2, 3, 4]


def test_callbacks_begin_anew(rows):
    callbacks = [LRScheduler("StepLR", step_size=2, gamma=0.5)]
    history = divided((3, 3), "sgd", "none", callbacks=callbacks).fit(*rows).history_
    np.testing.assert_allclose(history["lr"], [0.1, 0.1, 0.05, 0.05, 0.05, 0.025])


def test_nothing_of_the_schedule_is_kept(rows):
    clf = divided((3, 4), "adam", "step").fit(*rows)
    assert clf.net_.schedule is None
    assert not clf.net_.optimizer_.state


def test_continuing_is_part_of_the_structure():
    kinds = [(Phase("a", (ERM(),), 1), Phase("b", (ERM(),), 1, continues=c)) for c in (False, True)]
    assert structure(kinds[0], exact=False) != structure(kinds[1], exact=False)


def searches(estimator, grid, X, y, **options):
    found = []
    for kind in (GridSearchCV, BatchedGridSearchCV):
        seen = []

        def score(fitted, X, y, seen=seen):
            seen.append(fitted)
            return fitted.score(X, y)

        found.append((kind(clone(estimator), grid, scoring=score, cv=3, **options).fit(X, y), seen))
    return found


def assert_same_searches(found):
    (one, expected), (other, actual) = found
    np.testing.assert_array_equal(
        one.cv_results_["mean_test_score"], other.cv_results_["mean_test_score"]
    )
    assert len(expected) == len(actual)
    for mine, theirs in zip(expected, actual, strict=True):
        assert_same_fit(mine, theirs)


@pytest.mark.parametrize(
    ("optimizer", "schedule"), [("momentum", "cosine"), ("adam", "step"), ("amsgrad", "none")]
)
def test_a_stack_continues_as_a_fit_alone(rows, optimizer, schedule):
    estimator = divided((3, 4), optimizer, schedule, batch_size=16)
    assert_same_searches(
        searches(estimator, {"lr": [0.01, 0.1], "weight_decay": [0.0, 0.1]}, *rows, refit=False)
    )


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_in_a_stack_two_phases_are_one(rows, optimizer):
    grid = {"lr": [0.01, 0.1]}
    (_, whole), (_, stacked) = (
        searches(divided(epochs, optimizer, "step"), grid, *rows, refit=False)[i]
        for i, epochs in enumerate([(7,), (3, 4)])
    )
    for one, other in zip(whole, stacked, strict=True):
        assert_same_fit(one, other)


def test_deferred_ldam_in_a_stack_is_that_of_grid_search(rows):
    X, y = rows
    X, y = X[10:], np.where(y[10:] == 2, np.arange(50) % 7 == 0, y[10:])
    drw = LongTailClassifier(
        loss="ldam",
        beta=0.999,
        deferred=0.6,
        max_epochs=5,
        **{**FULL, "batch_size": 16},
        lr_schedule=SCHEDULES["step"],
    ).set_params(optimizer="sgd", optimizer__momentum=0.9)
    grid = {"lr": [0.05, 0.2], "max_margin": [0.2, 0.5], "beta": [0.9, 0.999]}
    assert_same_searches(searches(drw, grid, X, y, refit=False))


def test_a_member_that_diverged_before_takes_no_slots_along(rows):
    estimator = divided((3, 4), "momentum", "step", batch_size=16)
    grid = {"lr": [0.1, 1e300, 0.01, 1e200, 0.05]}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FitFailedWarning)
        warnings.simplefilter("ignore", UserWarning)  # of scores that are not finite
        found = searches(estimator, grid, *rows, refit=False)
    assert np.isnan(found[1][0].cv_results_["mean_test_score"]).tolist() == [
        False,
        True,
        False,
        True,
        False,
    ]
    assert_same_searches(found)
