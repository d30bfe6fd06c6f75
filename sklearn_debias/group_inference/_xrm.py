"""By the mistakes that two nets make on each other's rows: XRM."""

import copy
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from sklearn_debias.core import Phase
from sklearn_debias.estimators import BaseDebiasClassifier, ERMClassifier
from sklearn_debias.fitting import TrainingSet
from sklearn_debias.group_inference._inference import Inference
from sklearn_debias.group_inference._steps import Behind
from sklearn_debias.objectives import XRM as CrossRisk
from sklearn_debias.objectives.internal import cross_mistakes


@dataclass(kw_only=True, eq=False, repr=False)
class Twins(BaseDebiasClassifier):
    """The two nets of XRM; ``module_`` is the one that ``answers`` names."""

    answers = "model"

    @property
    def module_(self) -> nn.Module:
        """The module that predicts."""
        return self._network(self.answers)

    def _phases(self) -> tuple[Phase, ...]:
        seed = self._streams.seed("halves")
        return (Phase("train", (CrossRisk(seed=seed),), self.max_epochs),)

    def _finish(self, states: dict, training: TrainingSet) -> None:
        label = states["train"]["label"].cpu().numpy()
        self.flip_rate_ = float((label != training.y).mean())

    def both(self, X: Any) -> tuple[np.ndarray, np.ndarray]:
        """Return the logits of both nets, (n, k) each."""
        twin = copy.copy(self)
        twin.answers = "twin"
        return self._logits(X), twin._logits(X)


def like(erm: ERMClassifier, cls: type, **own: Any) -> Any:
    """Return a classifier of the class that is trained as the given one is, on all rows."""
    shared = BaseDebiasClassifier._get_param_names()
    params = {name: getattr(erm, name) for name in shared}
    return cls(**{**params, "validation": None, "monitor": None, **own})


class XRM(Inference):
    """Label 1 for the rows that one of the twins gets wrong, or both, 0 for the others."""

    def __init__(
        self,
        steps: list[Any],
        erm: ERMClassifier,
        X: Any,
        codes: np.ndarray,
        classes: np.ndarray,
        seed: int,
    ) -> None:
        self.behind = Behind(steps)
        state = seed if erm.random_state is None else erm.random_state
        seen = self.behind.fit(X, classes[codes])
        self.twins = like(erm, Twins, random_state=state).fit(seen, classes[codes])
        first, second = self.twins.both(seen)
        self.labels = self._judge(first, second, codes)
        rows = np.arange(len(codes))
        least = np.minimum(_proba(first)[rows, codes], _proba(second)[rows, codes])
        self.suspicion = 1 - least
        # A class that is flipped, or spared, as a whole tells nothing apart.
        told = [len(np.unique(self.labels[codes == c])) for c in range(len(classes))]
        self.score = self.twins.flip_rate_ if min(told) == 2 else 0.0

    def predict(self, X: Any, codes: np.ndarray | None) -> np.ndarray:
        """Return which rows (m,) one of the twins gets wrong."""
        first, second = self.twins.both(self.behind.transform(X))
        if codes is None:
            codes = (_proba(first) + _proba(second)).argmax(1)
        return self._judge(first, second, codes)

    @staticmethod
    def _judge(first: np.ndarray, second: np.ndarray, codes: np.ndarray) -> np.ndarray:
        a, b, y = torch.from_numpy(first), torch.from_numpy(second), torch.from_numpy(codes)
        return cross_mistakes(a, b, y).long().numpy()


def _proba(logits: np.ndarray) -> np.ndarray:
    return torch.from_numpy(logits).softmax(1).numpy()
