"""By the mistakes of a plain model on rows that it was not fitted to, as JTT does on all rows."""

from typing import Any

import numpy as np

from sklearn_debias.group_inference._inference import Inference
from sklearn_debias.group_inference._reference import cross_fit, mean_log_proba


class Errors(Inference):
    """Label 1 for the rows that the reference model gets wrong, 0 for the others."""

    def __init__(
        self, model: Any, X: Any, codes: np.ndarray, classes: np.ndarray, n_splits: int, seed: int
    ) -> None:
        self.classes = classes
        self.models, held_out = cross_fit(model, X, classes[codes], classes, n_splits, seed)
        self.labels = self._judge(held_out, codes)
        self.suspicion = 1 - np.exp(held_out[np.arange(len(codes)), codes])

    def predict(self, X: Any, codes: np.ndarray | None) -> np.ndarray:
        """Return which rows (m,) the models together get wrong."""
        proba = mean_log_proba(self.models, X, self.classes)
        return self._judge(proba, proba.argmax(1) if codes is None else codes)

    @staticmethod
    def _judge(proba: np.ndarray, codes: np.ndarray) -> np.ndarray:
        return (proba.argmax(1) != codes).astype(int)
