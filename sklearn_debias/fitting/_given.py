"""What `fit` is given, on its way to the rows."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from sklearn.utils import _safe_indexing, indexable
from sklearn.utils.validation import _num_samples
from torch.utils.data import Dataset, Subset

from sklearn_debias.fitting._inputs import is_dataset
from sklearn_debias.fitting._plain import plain
from sklearn_debias.fitting._tokens import is_hugging_face, is_table


@dataclass(frozen=True)
class View:
    """The rows of X as a role sees them, or what goes with each row, such as a map.

    Parameters
    ----------
    rows : array-like of n rows
        In the order of X.
    argument : str
        Name of the argument of `fit`, for messages.
    aligned : bool, default=False
        Whether these are images of the same size, which are augmented as the rows of X are.
    """

    rows: Any
    argument: str
    aligned: bool = False


@dataclass(frozen=True)
class Given:
    """What `fit` is given, as the user passed it.

    Parameters
    ----------
    X, y : array-like
    bias_labels, validation_data, sample_weight : Any, default=None
        As in the documentation of `fit`.
    views : mapping of str to View, default={}
        By the role that sees them, or by a name that an objective reads in `Batch.inputs`.
    meta : (X_meta, y_meta) or None, default=None
        A meta set.
    extra : (X_extra, y_extra) or None, default=None
        More training rows.
    """

    X: Any
    y: Any
    bias_labels: Any = None
    validation_data: Any = None
    sample_weight: Any = None
    views: Mapping[str, View] = field(default_factory=dict)
    meta: tuple[Any, Any] | None = None
    extra: tuple[Any, Any] | None = None

    def rows(self) -> dict[str, Any]:
        """Return what has one row for each row of X, by the name of its argument."""
        return {
            "X": self.X,
            "y": self.y,
            "bias_labels": self.bias_labels,
            "sample_weight": self.sample_weight,
            **{view.argument: view.rows for view in self.views.values()},
        }


def pair(X: Any, y: Any) -> tuple[Any, Any] | None:
    """Return rows and labels that were given beside X, or None where neither was."""
    return None if X is None and y is None else (X, y)


def indexed(y: np.ndarray, like: Any, index: np.ndarray | None = None) -> Any:
    """Return labels with the pandas index of the rows they are of, where these have one.

    Scorers that are bound to bias labels look rows up by it.

    Parameters
    ----------
    y : ndarray of shape (n,)
    like : Any
        What has the index, if it is a pandas object.
    index : ndarray of shape (n,), default=None
        Numbers of the rows of ``like``; None takes all.
    """
    if not isinstance(like, pd.Series | pd.DataFrame):
        return y
    return pd.Series(y, index=like.index if index is None else like.index[index])


def take_rows(X: Any, index: np.ndarray) -> Any:
    """Return the rows ``index`` of X as it was given: a frame stays one, a Dataset unread."""
    if isinstance(X, Dataset) and not hasattr(X, "iloc"):
        return Subset(X, index.tolist())
    if is_hugging_face(X):
        return X.select(index)
    if is_table(X):
        return X.take(index)
    if isinstance(X, Mapping):
        return {name: _safe_indexing(column, index) for name, column in X.items()}
    return _safe_indexing(X, index)


def count_rows(X: Any) -> int:
    """Return how many rows X has, also in columns by name."""
    return _num_samples(next(iter(X.values()), ()) if isinstance(X, Mapping) else X)


def indexable_rows(X: Any) -> Any:
    """Return the rows of X in a form that `take_rows` can take some of."""
    X = plain(X, "X")
    if not is_dataset(X):
        (X,) = indexable(X)
    return X
