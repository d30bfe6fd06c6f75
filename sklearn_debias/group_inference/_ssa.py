"""By a few known bias labels, spread to the other rows by a net that predicts them: SSA."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from sklearn_debias.core import Phase
from sklearn_debias.estimators import BaseDebiasClassifier
from sklearn_debias.fitting import take_rows
from sklearn_debias.group_inference._inference import Inference, Task
from sklearn_debias.group_inference._nets import Trainer
from sklearn_debias.group_inference._reference import folds
from sklearn_debias.objectives.internal import SSA


@dataclass(kw_only=True, eq=False, repr=False)
class BiasPredictor(BaseDebiasClassifier):
    """The net of SSA: its classes are codes of bias values.

    Parameters
    ----------
    known : ndarray of shape (n,), bool
        Which rows of X have a bias label; ``y`` holds any code for the others.
    label : ndarray of shape (n,)
        Class codes.
    threshold : float
        tau_min.
    """

    known: Any = None
    label: Any = None
    threshold: float = 0.95

    def _phases(self) -> tuple[Phase, ...]:
        label = torch.from_numpy(self.label)
        known = torch.from_numpy(self.known)
        spread = SSA(known, label, int(label.max()) + 1, float(self.threshold))
        return (Phase("spread", (spread,), self.max_epochs),)


def forget(net: BiasPredictor) -> BiasPredictor:
    """Take from a fitted net what it was told of its rows: that stays with the fit."""
    told = {"known": None, "label": None}
    net.set_params(**told)
    net._fitted = replace(net._fitted, params={**net._fitted.params, **told})
    return net


class SSAInference(Inference):
    """Keep the labels that are known, and predict the others."""

    reads = frozenset({"n_splits", "threshold"})
    n_splits = 3
    advice = "Give it `bias_labels` of both parts of each class."

    def __init__(self, task: Task) -> None:
        assert task.known is not None
        self.values = task.known.values
        self.trainer = Trainer(task)
        seen = self.trainer.fit_before(task)
        self.nets: list[BiasPredictor] = []
        bias = task.known.codes.copy()
        labelled = np.flatnonzero(task.known.mask)
        other = np.flatnonzero(~task.known.mask)
        # Where all labels are known, one net learns them, for other rows.
        n_splits = min(task.params["n_splits"], len(other)) if len(other) else 1
        for fitted_to, judged in folds(task.codes[other], n_splits, task.seed):
            net = self._fit(task, seen, np.concatenate([labelled, other[fitted_to]]))
            self.nets.append(net)
            if len(other):
                rows = other[judged]
                bias[rows] = net.predict(take_rows(seen, rows))
        self.labels = self.values[bias]

    def _fit(self, task: Task, seen: Any, rows: np.ndarray) -> BiasPredictor:
        """Return a net that is fitted to some rows."""
        assert task.known is not None
        known = task.known.mask[rows]
        own = {"known": known, "label": task.codes[rows], "threshold": task.params["threshold"]}
        # Any code stands for what is not known.
        filled = np.where(known, task.known.codes[rows], task.known.codes[task.known.mask][0])
        net = self.trainer.net(BiasPredictor, **own).fit(take_rows(seen, rows), filled)
        return forget(net)

    def predict(self, X: Any, codes: np.ndarray | None) -> np.ndarray:
        """Return the bias value of each row (m,), as the nets have it together."""
        seen = self.trainer.transform(X)
        proba = np.sum([net.predict_proba(seen) for net in self.nets], axis=0)
        return self.values[self.nets[0].classes_[proba.argmax(1)]]
