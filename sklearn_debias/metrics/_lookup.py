"""Bias labels found by index, for users without metadata routing."""

from typing import Any

import pandas as pd

from sklearn_debias.metrics._names import shorten

__all__ = ["BiasLookup"]


class BiasLookup:
    """A Series or DataFrame of bias labels, looked up by the pandas index of y or X."""

    def __init__(self, bias_labels: pd.Series | pd.DataFrame) -> None:
        if not isinstance(bias_labels, pd.Series | pd.DataFrame):
            raise TypeError(
                "`bias_labels` must be a pandas Series or DataFrame to bind it to a scorer, whose "
                f"index says which sample each label belongs to, got {type(bias_labels).__name__}."
            )
        twice = bias_labels.index[bias_labels.index.duplicated()].unique()
        if len(twice):
            raise ValueError(
                "`bias_labels` must have a unique index, but these occur more than once: "
                f"{shorten(twice)}. Give every sample an index value of its own."
            )
        # A copy: the caller may go on and change the labels, or their index.
        self._bias_labels = bias_labels.copy()

    def __repr__(self) -> str:
        return f"<{type(self._bias_labels).__name__} of {len(self._bias_labels)}>"

    def find(self, X: Any, y: Any) -> pd.Series | pd.DataFrame:
        """Return the bias labels of the samples, by ``y.index``, or else by ``X.index``."""
        index = _index_of(X, y)
        # By position: `loc` raises a KeyError of pandas for what is missing, which names no remedy.
        positions = self._bias_labels.index.get_indexer(index)
        if (positions < 0).any():
            lacking = index[positions < 0]
            raise ValueError(
                "`bias_labels` must have a label for every scored sample, but its index lacks "
                f"{len(lacking)} of them: {shorten(lacking)}. Bind the labels of all samples, with "
                "the index of y."
            )
        return self._bias_labels.iloc[positions]


def _index_of(X: Any, y: Any) -> pd.Index:
    """Return the index of y, or else of X."""
    indexes = [part.index for part in (y, X) if isinstance(part, pd.Series | pd.DataFrame)]
    if not indexes:
        raise ValueError(
            "`bias_labels` bound to a scorer need a pandas y or X, whose index tells which samples "
            f"are scored, got {type(y).__name__} and {type(X).__name__}. Pass y as a Series, or "
            "use metadata routing: sklearn.set_config(enable_metadata_routing=True)."
        )
    # Two indexes that differ: one of them was reset, and nothing tells which still names samples.
    if len(indexes) == 2 and not indexes[0].equals(indexes[1]):
        raise ValueError(
            "`y` and `X` must have the same index for a scorer bound to bias labels, got two."
        )
    return indexes[0]
