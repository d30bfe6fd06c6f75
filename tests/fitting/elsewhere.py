"""A classifier from another package, small data, and what it is asked in tests."""

from dataclasses import dataclass

import numpy as np

from sklearn_debias.core import Phase
from sklearn_debias.estimators import BaseDebiasClassifier
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
