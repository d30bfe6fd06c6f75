"""A subclass from elsewhere that returns nonsense from a hook is told which hook."""

from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch

from sklearn_debias.core import Objective, Phase, Role, Step
from sklearn_debias.estimators import BaseDebiasClassifier, Given, fit_method
from sklearn_debias.model_selection import BatchedGridSearchCV
from sklearn_debias.objectives import ERM

rng = np.random.default_rng(0)
y = np.arange(24) % 2
X = rng.normal(size=(24, 3)) + 6 * (y[:, None] - 0.5)
QUICK = {"max_epochs": 2, "batch_size": 8, "lr": 0.1, "random_state": 0}


def outside(**hooks):
    """A classifier from another package, with these hooks instead of its own."""

    @dataclass(kw_only=True, eq=False, repr=False)
    class Outside(BaseDebiasClassifier):
        def _phases(self):
            return (Phase("train", (ERM(),), self.max_epochs),)

    for name, hook in hooks.items():
        setattr(Outside, name, hook)
    return Outside(**QUICK)


def with_step(**methods):
    """The classifier, with an objective that has these methods."""
    objective = type("Odd", (ERM,), methods)()
    return outside(_phases=lambda self: (Phase("train", (objective,), 2),))


def test_it_fits_without_nonsense():
    assert outside().fit(X, y).score(X, y) > 0.8


PHASE = Phase("train", (ERM(),), 2)
HOOKS = {
    "no phases": ({"_phases": lambda self: None}, TypeError, "_phases"),
    "phases in a list": ({"_phases": lambda self: [PHASE]}, TypeError, "_phases"),
    "an empty tuple": ({"_phases": lambda self: ()}, TypeError, "_phases"),
    "objectives for phases": ({"_phases": lambda self: (ERM(),)}, TypeError, "_phases"),
    "steps in a list": ({"_phases": lambda self: (Phase("a", [ERM()], 1),)}, TypeError, "_phases"),
    "one name twice": ({"_phases": lambda self: (PHASE, PHASE)}, ValueError, "_phases"),
    "nothing to continue": (
        {"_phases": lambda self: (replace(PHASE, continues=True),)},
        ValueError,
        "_phases",
    ),
    "no model": (
        {"_phases": lambda self: (Phase("a", (ERM(role="biased"),), 1),)},
        ValueError,
        "_phases",
    ),
    "no epochs": ({"_phases": lambda self: (replace(PHASE, max_epochs=0),)}, ValueError, "_phases"),
    "half an epoch": (
        {"_phases": lambda self: (replace(PHASE, max_epochs=0.5),)},
        ValueError,
        "_phases",
    ),
    "a module for a role": ({"_role": lambda self, name: "linear"}, TypeError, "_role"),
    "a helper that makes none": (
        {"_role": lambda self, name: Role(helper=lambda modules: None)},
        TypeError,
        "_role",
    ),
    "no training set": ({"_training_set": lambda self, training: None}, TypeError, "_training_set"),
    "too few labels": (
        {"_training_set": lambda self, training: replace(training, y=training.y[:3])},
        ValueError,
        "_training_set",
    ),
    "weights of all but one": (
        {
            "_training_set": lambda self, training: replace(
                training, weight=np.ones(len(training) - 1)
            )
        },
        ValueError,
        "_training_set",
    ),
    "no rows": (
        {
            "_training_set": lambda self, training: training.without(
                np.ones(len(training), dtype=bool)
            )
        },
        ValueError,
        "_training_set",
    ),
    "nothing settled": ({"_settle": lambda self, phases, networks: None}, TypeError, "_settle"),
    "fit that fits": (
        {"fit": fit_method(lambda self, X, y, *, bias_labels=None: self)},
        TypeError,
        "fit",
    ),
}


@pytest.mark.parametrize("fault", HOOKS)
def test_a_hook_is_named(fault):
    hooks, error, name = HOOKS[fault]
    clf = outside(**hooks)
    with pytest.raises(error, match=f"`Outside.{name}`"):
        clf.fit(X, y)
    assert not [attribute for attribute in vars(clf) if attribute.endswith("_")]


STEPS = {
    "no step": ({"step": lambda self, nets, batch, state: None}, TypeError, "step"),
    "a loss alone": (
        {"step": lambda self, nets, batch, state: nets["model"](batch.x).sum()},
        TypeError,
        "step",
    ),
    "a loss per row": (
        {"step": lambda self, nets, batch, state: Step({"model": nets["model"](batch.x)[:, 0]})},
        ValueError,
        "step",
    ),
    "a number": (
        {"step": lambda self, nets, batch, state: Step({"model": 1.0})},
        ValueError,
        "step",
    ),
    "a stranger": (
        {"step": lambda self, nets, batch, state: Step({"other": nets["model"](batch.x).sum()})},
        ValueError,
        "step",
    ),
    "a state of none": ({"init": lambda self, nets, data: None}, TypeError, "init"),
    "a state of numbers": ({"init": lambda self, nets, data: {"n": 1}}, TypeError, "init"),
    "visits in a list": ({"visits": lambda self, *given: [0, 1]}, ValueError, "visits"),
    "visits to nobody": (
        {"visits": lambda self, *given: torch.zeros(0, dtype=torch.int64)},
        ValueError,
        "visits",
    ),
    "visits beyond the rows": (
        {"visits": lambda self, *given: torch.tensor([99])},
        ValueError,
        "visits",
    ),
    "an unknown requirement": ({"requires": frozenset({"magic"})}, ValueError, "requires"),
}


@pytest.mark.parametrize("fault", STEPS)
def test_a_method_of_an_objective_is_named(fault):
    methods, error, name = STEPS[fault]
    with pytest.raises(error, match=f"`Odd.{name}`"):
        with_step(**methods).fit(X, y)


def test_a_fit_that_diverges_takes_back_what_hooks_have_set():
    """Private attributes of a subclass go as those of the package do."""

    def _training_set(self, training):
        self._mine = "set in a fit"
        self.public_ = 1
        return training

    clf = outside(_training_set=_training_set).fit(X, y)
    assert clf._mine == "set in a fit"
    clf.note = "by its user"
    with pytest.raises(ValueError, match="diverged"):
        clf.set_params(lr=1e30).fit(X, y)
    assert set(vars(clf)) == {*clf.get_params(deep=False), "note"}


def test_a_fit_that_fails_puts_back_what_hooks_have_changed():
    """Neither a parameter nor a user's note may keep what half a fit made of it."""

    def _training_set(self, training):
        self.lr = 1.0
        self._note = "changed"
        self.extra = 1
        return training

    def _finish(self, states, training):
        raise RuntimeError("too late")

    clf = outside(_training_set=_training_set, _finish=_finish)
    clf._note = "by its user"
    before = dict(vars(clf))
    with pytest.raises(RuntimeError, match="too late"):
        clf.fit(X, y)
    assert vars(clf) == before


class Watching:
    """A callback of scikit-learn that must be torn down, whatever happened."""

    def __init__(self):
        self.seen = []

    def setup(self, estimator, context):
        self.seen.append("setup")

    def teardown(self, estimator, context):
        self.seen.append("teardown")

    def on_fit_task_begin(self, estimator, context):
        pass

    def on_fit_task_end(self, estimator, context):
        pass


@pytest.mark.parametrize("lr", [0.1, 1e30])
def test_callbacks_are_torn_down_after_any_fit(lr):
    """The progress bar's would else wait for its end for ever."""
    watching = Watching()
    clf = outside().set_params(lr=lr).set_callbacks(watching)
    if lr > 1:
        with pytest.raises(ValueError, match="diverged|not finite"):
            clf.fit(X, y)
    else:
        clf.fit(X, y)
    assert watching.seen == ["setup", "teardown"]


def test_an_attribute_that_is_a_property_hides_no_error():
    def _finish(self, states, training):
        raise RuntimeError("the real one")

    clf = outside(classes_=property(lambda self: np.arange(2)), _finish=_finish)
    for _ in range(2):
        with pytest.raises(RuntimeError, match="the real one"):
            clf.fit(X, y)


REQUIRED = {
    "meta": "`Outside._training_set` must return a TrainingSet with 'meta'",
    "attention_maps": "`Outside._training_set` must return a TrainingSet with 'attention_maps'",
    "pairs": "`batch_size` must be at least 2 for Outside",
    "every_row": "`net_params` must not set iterator_train__drop_last for Outside",
}


@pytest.mark.parametrize("need", REQUIRED)
def test_what_an_objective_requires_is_checked_before_it_steps(need):
    clf = with_step(
        requires=frozenset({need}), step=lambda self, *given: pytest.fail("a step was taken")
    )
    clf.set_params(batch_size=1, net_params={"iterator_train__drop_last": need == "every_row"})
    with pytest.raises(ValueError, match=REQUIRED[need]):
        clf.fit(X, y)


@pytest.mark.parametrize("fault", ["no step", "a loss per row", "a number"])
def test_a_search_names_a_method_of_an_objective(fault):
    methods, error, name = STEPS[fault]
    search = BatchedGridSearchCV(
        with_step(**methods), {"lr": [0.1, 0.2]}, cv=2, error_score="raise"
    )
    with pytest.raises(error, match=f"`Odd.{name}`"):
        search.fit(X, y)


def test_a_search_names_a_fit_that_it_cannot_open():
    def fit(self, X, y):
        return self

    with pytest.raises(ValueError, match=r"`Outside.fit` must be decorated .* Use GridSearchCV"):
        BatchedGridSearchCV(outside(fit=fit), {"lr": [0.1, 0.2]}, cv=2).fit(X, y)


def test_a_fit_from_elsewhere_says_what_it_was_given():
    @dataclass(kw_only=True, eq=False, repr=False)
    class Weighted(BaseDebiasClassifier):
        def _phases(self):
            return (Phase("train", (ERM(),), self.max_epochs),)

        @fit_method
        def fit(self, X, y, *, trust=None):
            """Fit the classifier.

            Parameters
            ----------
            X, y : array-like
            trust : array-like of shape (n,), default=None
            """
            return Given(X, y, sample_weight=trust)

    trust = np.where(np.arange(24) < 12, 1.0, 0.0)
    clf = Weighted(**QUICK)
    given = Weighted.fit.given(clf, X, y, trust=trust)
    assert given.X is X
    assert given.sample_weight is trust
    assert clf.fit(X, y, trust=trust) is clf
    with pytest.raises(TypeError, match="`weight` is not an argument of Weighted.fit"):
        clf.fit(X, y, weight=trust)


def test_an_objective_from_elsewhere_is_an_objective():
    assert isinstance(with_step()._phases()[0].steps[0], Objective)
