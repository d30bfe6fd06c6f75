"""What an inference is given, and what it is once it is fitted."""

import copy
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from sklearn_debias.group_inference._known import Known
from sklearn_debias.plain import Plain


@dataclass(frozen=True)
class Task:
    """What an inference is fitted to.

    Parameters
    ----------
    X : array-like of n rows
    codes : ndarray of shape (n,)
        Class codes.
    classes : ndarray of shape (k,)
        Labels that the codes stand for.
    known : Known or None
        Bias labels of some rows.
    table : bool
        Whether rows are vectors of features.
    params : mapping of str to Any
        Parameters of the GroupInferrer; "n_splits" is a number.
    seed : int
        In the range of scikit-learn's seeds.
    """

    X: Any
    codes: np.ndarray
    classes: np.ndarray
    known: Known | None
    table: bool
    params: Mapping[str, Any]
    seed: int

    @property
    def y(self) -> np.ndarray:
        """Class labels (n,)."""
        return self.classes[self.codes]

    @property
    def width(self) -> int:
        """Columns of an array of features; of other rows 1, which never are too many at once."""
        return self.X.shape[1] if isinstance(self.X, np.ndarray) and self.table else 1


class Inference(Plain, ABC):
    """What tells the rows of a class apart; a subclass is fitted by its constructor.

    Attributes
    ----------
    labels : ndarray of shape (n,) or (n, attributes)
        Of the rows that it was fitted to.
    suspicion : ndarray of shape (n,) or None
        How much a row looks like the minority of its class; None where the method has no such
        number.
    score : float or None
        How well the inference went by its own lights; None where the method cannot tell.
    sampling_weights : ndarray of shape (n,) or None
        By which rows are to be drawn, where the method says so.
    """

    reads: ClassVar[frozenset[str]]  # parameters of GroupInferrer that only some methods look at
    n_splits: ClassVar[int] = 1  # folds, where the user does not say
    advice: ClassVar[str]  # what to do where rows are not told apart
    labels: np.ndarray
    suspicion: np.ndarray | None = None
    score: float | None = None
    sampling_weights: np.ndarray | None = None

    @abstractmethod
    def __init__(self, task: Task) -> None: ...

    def slim(self, slimmed: Callable[[Any], Any]) -> "Inference":
        """Return what predicts, without what is told of the rows of the fit."""
        twin = copy.copy(self)
        for name in ("suspicion", "sampling_weights"):
            vars(twin).pop(name, None)
        for name, value in vars(twin).items():
            setattr(twin, name, slimmed(value))
        return twin

    @abstractmethod
    def predict(self, X: Any, codes: np.ndarray | None) -> np.ndarray:
        """Return the labels of other rows (m,); codes None takes the classes as predicted."""
