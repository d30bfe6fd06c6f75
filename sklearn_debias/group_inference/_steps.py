"""The steps of a pipeline before the net that an inference trains itself."""

from typing import Any

import numpy as np


class Behind:
    """Unfitted transformers, fitted one after the other."""

    def __init__(self, steps: list[Any]) -> None:
        self.steps = steps

    def fit(self, X: Any, y: np.ndarray) -> Any:
        """Fit them, and return what they make of X."""
        for step in self.steps:
            X = step.fit_transform(X, y)
        return X

    def transform(self, X: Any) -> Any:
        """Return what they make of X."""
        for step in self.steps:
            X = step.transform(X)
        return X
