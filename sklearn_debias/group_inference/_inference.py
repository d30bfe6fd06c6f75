"""What an inference is, once it is fitted."""

from abc import ABC, abstractmethod
from typing import Any

import numpy as np


class Inference(ABC):
    """What tells the rows of a class apart; a subclass fits it in its constructor.

    Attributes
    ----------
    labels : ndarray of shape (n,)
        Of the rows that it was fitted to.
    suspicion : ndarray of shape (n,) or None
        How much a row looks like the minority of its class; None where the method has no such
        number.
    score : float or None
        How well the inference went by its own lights; None where the method cannot tell.
    drawn : ndarray of shape (n,) or None
        Weights by which rows are to be drawn, where the method says so.
    """

    labels: np.ndarray
    suspicion: np.ndarray | None = None
    score: float | None = None
    drawn: np.ndarray | None = None

    @abstractmethod
    def predict(self, X: Any, codes: np.ndarray | None) -> np.ndarray:
        """Return the labels of other rows (m,); codes None takes the classes as predicted."""
