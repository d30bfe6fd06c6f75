"""By the mistakes that two nets make on each other's rows: XRM."""

import copy
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from scipy.special import softmax
from torch import nn

from sklearn_debias.core import Phase
from sklearn_debias.estimators import BaseDebiasClassifier
from sklearn_debias.fitting import TrainingSet
from sklearn_debias.group_inference._inference import Inference, Task
from sklearn_debias.group_inference._nets import Trainer
from sklearn_debias.objectives import XRM
from sklearn_debias.objectives.internal import cross_mistakes


@dataclass(kw_only=True, eq=False, repr=False)
class Twins(BaseDebiasClassifier):
    """The two nets of XRM; ``module_`` is the one that ``answers`` names."""

    answers = "model"
    _predicting_roles = ("model", "twin")

    @property
    def module_(self) -> nn.Module:
        """The module that predicts."""
        return self._network(self.answers)

    def _phases(self) -> tuple[Phase, ...]:
        objective = XRM(seed=self._streams.seed("halves"))
        return (Phase("train", (objective,), self.max_epochs),)

    def _finish(self, states: dict, training: TrainingSet) -> None:
        label = states["train"]["label"].cpu().numpy()
        self.flip_rate_ = float((label != training.y).mean())

    def both(self, X: Any) -> tuple[np.ndarray, np.ndarray]:
        """Return the logits of both nets, (n, k) each."""
        # A copy shares the nets, and asks the other one.
        twin = copy.copy(self)
        twin.answers = "twin"
        return self._logits(X), twin._logits(X)


class XRMInference(Inference):
    """Label 1 for the rows that one of the twins gets wrong, or both, 0 for the others."""

    reads = frozenset[str]()
    advice = "Lower `max_epochs` or `lr` of `estimator`, or raise them where it learns nothing."

    def __init__(self, task: Task) -> None:
        self.trainer = Trainer(task)
        seen = self.trainer.fit_before(task)
        self.twins = self.trainer.net(Twins).fit(seen, task.y)
        first, second = self.twins.both(seen)
        codes = task.codes
        self.labels = self._judge(first, second, codes)
        rows = np.arange(len(codes))
        proba = np.minimum(
            softmax(first, axis=1)[rows, codes], softmax(second, axis=1)[rows, codes]
        )
        self.suspicion = 1 - proba
        # A class that is flipped, or spared, as a whole tells nothing apart.
        told = [len(np.unique(self.labels[codes == c])) for c in range(len(task.classes))]
        self.score = self.twins.flip_rate_ if min(told) == 2 else 0.0

    def predict(self, X: Any, codes: np.ndarray | None) -> np.ndarray:
        """Return which rows (m,) one of the twins gets wrong."""
        first, second = self.twins.both(self.trainer.transform(X))
        if codes is None:
            codes = (softmax(first, axis=1) + softmax(second, axis=1)).argmax(1)
        return self._judge(first, second, codes)

    @staticmethod
    def _judge(first: np.ndarray, second: np.ndarray, codes: np.ndarray) -> np.ndarray:
        a, b, y = torch.from_numpy(first), torch.from_numpy(second), torch.from_numpy(codes)
        return cross_mistakes(a, b, y).long().numpy()
