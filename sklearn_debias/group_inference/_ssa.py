"""By a few known bias labels, spread to the other rows by a net that predicts them: SSA."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from sklearn_debias.core import Phase
from sklearn_debias.estimators import BaseDebiasClassifier, ERMClassifier
from sklearn_debias.fitting import take_rows
from sklearn_debias.group_inference._inference import Inference
from sklearn_debias.group_inference._reference import folds
from sklearn_debias.group_inference._steps import Behind
from sklearn_debias.group_inference._xrm import like
from sklearn_debias.objectives.internal import SSA as Spread


@dataclass(kw_only=True, eq=False, repr=False)
class BiasPredictor(BaseDebiasClassifier):
    """The net of SSA: its classes are bias values.

    Parameters
    ----------
    known : ndarray of shape (n,), bool
        Which rows of X have a bias label; ``y`` holds any value for the others.
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
        spread = Spread(
            torch.from_numpy(self.known), label, int(label.max()) + 1, float(self.threshold)
        )
        return (Phase("spread", (spread,), self.max_epochs),)


def forget(net: BiasPredictor) -> None:
    """Take from a fitted net what it was told of its rows: that stays with the fit."""
    told = {"known": None, "label": None}
    net.set_params(**told)
    net._fitted = replace(net._fitted, params={**net._fitted.params, **told})


class SSA(Inference):
    """Keep the labels that are known, and predict the others."""

    def __init__(
        self,
        steps: list[Any],
        erm: ERMClassifier,
        X: Any,
        codes: np.ndarray,
        bias: np.ndarray,
        known: np.ndarray,
        n_splits: int,
        seed: int,
        threshold: float,
    ) -> None:
        self.behind = Behind(steps)
        seen = self.behind.fit(X, codes)
        state = seed if erm.random_state is None else erm.random_state
        self.labels = bias.copy()
        self.values = np.unique(bias[known])
        own = {"random_state": state, "threshold": threshold}
        self.nets = []
        other = np.flatnonzero(~known)
        labelled = np.flatnonzero(known)
        # Where all labels are known, one net learns them, for other rows.
        parts = min(n_splits, len(other)) if len(other) else 1
        for fitted_to, judged in folds(codes[other], parts, seed):
            rows = np.concatenate([labelled, other[fitted_to]])
            filled = np.where(known[rows], bias[rows], self.values[0])
            given = {"known": known[rows], "label": codes[rows], **own}
            net = like(erm, BiasPredictor, **given).fit(take_rows(seen, rows), filled)
            forget(net)
            self.nets.append(net)
            if len(other):
                judged = other[judged]
                self.labels[judged] = net.predict(take_rows(seen, judged))

    def predict(self, X: Any, codes: np.ndarray | None) -> np.ndarray:
        """Return the bias value of each row (m,), as the nets have it together."""
        seen = self.behind.transform(X)
        proba = sum(net.predict_proba(seen) for net in self.nets)
        return self.values[np.asarray(proba).argmax(1)]
