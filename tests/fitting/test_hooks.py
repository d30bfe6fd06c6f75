"""A subclass from elsewhere that returns nonsense from a hook is told which hook."""

from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch

from sklearn_debias.core import Objective, Phase, Role, Step
from sklearn_debias.estimators import BaseDebiasClassifier, Given, View, fit_method
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


def rows(**columns):
    """Hooks that leave these in the training set."""
    return {"_training_set": lambda self, training: replace(training, **columns)}


def roles(**settings):
    """Hooks that build the network of a role with these settings."""
    return {"_role": lambda self, name: Role(self.module, **settings)}


def phase(**settings):
    """Hooks that train a phase with these settings."""
    return {"_phases": lambda self: (replace(PHASE, **settings),)}


def settled(*steps):
    """Hooks that train these steps once the networks are built."""
    return {"_settle": lambda self, phases, networks: (replace(PHASE, steps=steps),)}


def given(**what):
    """Hooks that say what `fit` was given."""
    return {"fit": fit_method(lambda self, X, y: Given(X, y, **what))}


ONES = np.ones(24)
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
    "a phase without a name": (phase(name=""), ValueError, "_phases"),
    "a number for a name": (phase(name=1), TypeError, "_phases"),
    "one part to restart": (phase(restarts="model.head"), TypeError, "_phases"),
    "no such part": (phase(restarts=("model.tail",)), ValueError, "_phases"),
    "a part without a name": (phase(restarts=("",)), ValueError, "_phases"),
    "no such part, settled": (
        {"_settle": lambda self, phases, networks: (replace(PHASE, restarts=("head",)),)},
        ValueError,
        "_settle",
    ),
    "a role that was not built": (settled(ERM(role="late"), ERM()), ValueError, "_settle"),
    "labels in a list": (rows(y=[0, 1] * 12), TypeError, "_training_set"),
    "labels of floats": (rows(y=ONES), TypeError, "_training_set"),
    "labels of 32 bits": (rows(y=y.astype(np.int32)), TypeError, "_training_set"),
    "labels beyond the classes": (rows(y=y + 1), ValueError, "_training_set"),
    "labels below zero": (rows(y=y - 1), ValueError, "_training_set"),
    "weights in a list": (rows(weight=[1.0] * 24), TypeError, "_training_set"),
    "weights of ints": (rows(weight=np.ones(24, dtype=int)), TypeError, "_training_set"),
    "weights below zero": (rows(weight=-ONES), ValueError, "_training_set"),
    "weights of nan": (rows(weight=np.nan * ONES), ValueError, "_training_set"),
    "an index in a list": (rows(index=list(range(24))), TypeError, "_training_set"),
    "a mask for an index": (rows(index=ONES.astype(bool)), TypeError, "_training_set"),
    "rows beyond X": (rows(index=np.arange(24) + 1), ValueError, "_training_set"),
    "rows from the end": (rows(index=np.arange(24) - 1), ValueError, "_training_set"),
    "no index": (rows(index=None), TypeError, "_training_set"),
    "groups of floats": (rows(group=ONES), TypeError, "_training_set"),
    "groups without a name": (rows(group=y, groups=["a"]), ValueError, "_training_set"),
    "a rate in words": (roles(lr="fast"), TypeError, "_role"),
    "a rate of zero": (roles(lr=0.0), ValueError, "_role"),
    "a rate of nan": (roles(lr=float("nan")), ValueError, "_role"),
    "an optimiser by name": (roles(optimizer="adam"), TypeError, "_role"),
    "a module for a helper": (roles(helper="linear"), TypeError, "_role"),
    "no views": (given(views=None), TypeError, "fit"),
    "views without a name": (given(views={0: View(X, "X")}), TypeError, "fit"),
    "rows for a view": (given(views={"biased": X}), TypeError, "fit"),
    "a meta set without labels": (given(meta=X), TypeError, "fit"),
    "extra rows of three parts": (given(extra=(X, y, y)), TypeError, "fit"),
}


@pytest.mark.parametrize("fault", HOOKS)
def test_a_hook_is_named(fault):
    hooks, error, name = HOOKS[fault]
    clf = outside(**hooks)
    with pytest.raises(error, match=f"`Outside.{name}`"):
        clf.fit(X, y)
    assert not [attribute for attribute in vars(clf) if attribute.endswith("_")]


def returns(make):
    """A step that returns what is made of the logits and the loss."""

    def step(self, nets, batch, state):
        logits = nets["model"](batch.x)
        return make(logits, logits.square().mean())

    return {"step": step}


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
    "requirements in a list": ({"requires": ["pairs"]}, TypeError, "requires"),
    "one requirement": ({"requires": "pairs"}, TypeError, "requires"),
    "no requirements": ({"requires": None}, TypeError, "requires"),
    "one role": ({"roles": "model"}, TypeError, "roles"),
    "no roles": ({"roles": None}, TypeError, "roles"),
    "a role by number": ({"roles": ("model", 1)}, TypeError, "roles"),
    "a role with a dot": ({"roles": ("model", "a.b")}, ValueError, "roles"),
    "a role without a name": ({"roles": ("model", "")}, ValueError, "roles"),
    "never": ({"every": 0}, ValueError, "every"),
    "every half batch": ({"every": 0.5}, ValueError, "every"),
    "losses alone": (returns(lambda logits, loss: Step(loss)), TypeError, "step"),
    "no losses": (returns(lambda logits, loss: Step({})), ValueError, "step"),
    "a loss of none": (returns(lambda logits, loss: Step({"model": None})), ValueError, "step"),
    "a loss of ints": (
        returns(lambda logits, loss: Step({"model": loss.int()})),
        ValueError,
        "step",
    ),
    "a detached loss": (
        returns(lambda logits, loss: Step({"model": loss.detach()})),
        ValueError,
        "step",
    ),
    "a log of numbers": (
        returns(lambda logits, loss: Step({"model": loss}, log={"accuracy": 1.0})),
        TypeError,
        "step",
    ),
    "a log per row": (
        returns(lambda logits, loss: Step({"model": loss}, log={"margin": logits[:, 0]})),
        ValueError,
        "step",
    ),
    "no log": (returns(lambda logits, loss: Step({"model": loss}, log=None)), TypeError, "step"),
    "a step's state of none": (
        returns(lambda logits, loss: Step({"model": loss}, None)),
        TypeError,
        "step",
    ),
    "a carry alone": (
        returns(lambda logits, loss: Step({"model": loss}, carry=loss)),
        TypeError,
        "step",
    ),
}


@pytest.mark.parametrize("fault", STEPS)
def test_a_method_of_an_objective_is_named(fault):
    methods, error, name = STEPS[fault]
    with pytest.raises(error, match=f"`Odd.{name}`"):
        with_step(**methods).fit(X, y)


def test_a_step_that_forgets_to_return_later_is_named():
    calls = []

    def step(self, nets, batch, state):
        calls.append(1)
        return ERM.step(self, nets, batch, state) if len(calls) < 3 else None

    with pytest.raises(TypeError, match=r"`Odd.step` must return .* got a NoneType"):
        with_step(step=step).fit(X, y)


def test_what_a_settled_objective_requires_is_known():
    odd = type("Odd", (ERM,), {"requires": frozenset({"magic"})})()
    with pytest.raises(ValueError, match=r"`Odd.requires` must hold names of"):
        outside(**settled(odd)).fit(X, y)


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
