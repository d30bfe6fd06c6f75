"""A subclass from elsewhere that returns nonsense from a hook is told which hook."""

from dataclasses import dataclass, replace

import numpy as np
import pytest
from elsewhere import QUICK, X, outside, y

from sklearn_debias.core import Phase, Role
from sklearn_debias.estimators import BaseDebiasClassifier, Given, View, fit_method
from sklearn_debias.model_selection import BatchedGridSearchCV
from sklearn_debias.objectives import ERM


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
    "one role to copy to": (phase(snapshots="early"), TypeError, "_phases"),
    "no such copy": (phase(snapshots=("early",)), ValueError, "_phases"),
    "a copy of the model as itself": (phase(snapshots=("model",)), ValueError, "_phases"),
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


def test_what_a_settled_objective_requires_is_known():
    odd = type("Odd", (ERM,), {"requires": frozenset({"magic"})})()
    with pytest.raises(ValueError, match=r"`Odd.requires` must hold names of"):
        outside(**settled(odd)).fit(X, y)


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
