"""Bias labels and memberships found by index, for users without metadata routing."""

from typing import Any, Protocol

import pandas as pd

from sklearn_debias.metrics._names import shorten

__all__ = ["Finder", "Lookup"]


class Finder(Protocol):
    """What is bound to a scorer: it knows the groups of the rows that are scored."""

    def find(self, X: Any, y: Any) -> Any:
        """Return the bias labels or memberships of rows; X is None where only y is at hand."""


class Lookup:
    """A Series or DataFrame beside the samples, looked up by the pandas index of y or X.

    Parameters
    ----------
    values : pandas.Series or pandas.DataFrame
        With an index that names each sample once.
    name : {"bias_labels", "membership"}
        The argument of the metric that they are.
    """

    def __init__(self, values: pd.Series | pd.DataFrame, name: str) -> None:
        is_frame = isinstance(values, pd.DataFrame)
        if not is_frame and (name == "membership" or not isinstance(values, pd.Series)):
            kinds = "DataFrame" if name == "membership" else "Series or DataFrame"
            raise TypeError(
                f"`{name}` must be a pandas {kinds} to bind it to a scorer, whose index says which "
                f"sample each row belongs to, got {type(values).__name__}."
            )
        twice = values.index[values.index.duplicated()].unique()
        if len(twice):
            raise ValueError(
                f"`{name}` must have a unique index, but these occur more than once: "
                f"{shorten(twice)}. Give every sample an index value of its own."
            )
        # A copy: the caller may go on and change the values, or their index.
        self._values = values.copy()
        self._name = name

    def __repr__(self) -> str:
        return f"<{type(self._values).__name__} of {len(self._values)}>"

    def find(self, X: Any, y: Any) -> pd.Series | pd.DataFrame:
        """Return the rows of the samples, by ``y.index``, or else by ``X.index``."""
        index = self._index_of(X, y)
        # By position: `loc` raises a KeyError of pandas for what is missing, which names no remedy.
        positions = self._values.index.get_indexer(index)
        if (positions < 0).any():
            lacking = index[positions < 0]
            raise ValueError(
                f"`{self._name}` must have a row for every scored sample, but its index lacks "
                f"{len(lacking)} of them: {shorten(lacking)}. Bind those of all samples, with the "
                "index of y."
            )
        return self._values.iloc[positions]

    def _index_of(self, X: Any, y: Any) -> pd.Index:
        """Return the index of y, or else of X."""
        indexes = [part.index for part in (y, X) if isinstance(part, pd.Series | pd.DataFrame)]
        if not indexes:
            got = " and ".join(type(part).__name__ for part in (y, X) if part is not None)
            raise ValueError(
                f"`{self._name}` bound to a scorer need a pandas y or X, whose index tells which "
                f"samples are scored, got {got}. Pass y as a Series, or use metadata routing: "
                "sklearn.set_config(enable_metadata_routing=True)."
            )
        # Two indexes that differ: one of them was reset, and nothing tells which still names
        # samples.
        if len(indexes) == 2 and not indexes[0].equals(indexes[1]):
            raise ValueError(
                "`y` and `X` must have the same index for a scorer bound to "
                f"`{self._name}`, got two."
            )
        return indexes[0]
