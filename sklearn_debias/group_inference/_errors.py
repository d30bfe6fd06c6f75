"""By the mistakes of a plain model on rows that it was not fitted to, as JTT does on all rows."""

from typing import Any

import numpy as np

from sklearn_debias.group_inference._inference import Inference, Task
from sklearn_debias.group_inference._reference import cross_fit, mean_log_proba, reference

MAKE_MISTAKES = (
    "Regularise `estimator` more, or train it for fewer epochs, until it makes mistakes."
)


class ErrorsInference(Inference):
    """Label 1 for the rows that the reference model gets wrong, 0 for the others."""

    reads = frozenset({"n_splits"})
    n_splits = 5
    advice = MAKE_MISTAKES

    def __init__(self, task: Task) -> None:
        self.classes = task.classes
        self.models, held_out = cross_fit(reference(task), task)
        self.labels = self._judge(held_out, task.codes)
        self.suspicion = 1 - np.exp(held_out[np.arange(len(task.codes)), task.codes])

    def predict(self, X: Any, codes: np.ndarray | None) -> np.ndarray:
        """Return which rows (m,) the models together get wrong."""
        proba = mean_log_proba(self.models, X, self.classes)
        return self._judge(proba, proba.argmax(1) if codes is None else codes)

    @staticmethod
    def _judge(proba: np.ndarray, codes: np.ndarray) -> np.ndarray:
        return (proba.argmax(1) != codes).astype(int)
