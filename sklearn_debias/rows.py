"""Rows are taken by position; a pandas index that says otherwise is an error."""

from collections.abc import Mapping
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd

__all__ = ["check_same_rows"]


def check_same_rows(parts: Mapping[str, Any]) -> None:
    """Raise a ValueError where two indexes say that rows at one position do not belong together.

    Parameters
    ----------
    parts : mapping of str to Any
        What has one row per sample, by the name of its argument. Only what is a pandas object has
        an index to look at.

    Raises
    ------
    ValueError
        If a label of one index stands at another position in the other. A default index (0 to
        n - 1), as ``reset_index`` and transformers leave it behind, contradicts its permutations
        only.

    Examples
    --------
    >>> import pandas as pd
    >>> from sklearn_debias.rows import check_same_rows
    >>> X = pd.DataFrame({"a": [0.1, 0.2]}, index=["i", "j"])
    >>> check_same_rows({"X": X, "y": pd.Series([0, 1], index=["i", "j"])})
    """
    indexes = {
        name: part.index
        for name, part in parts.items()
        if isinstance(part, pd.Series | pd.DataFrame)
    }
    for (name, index), (other, second) in combinations(indexes.items(), 2):
        if not index.equals(second) and _contradict(index, second):
            raise ValueError(
                f"`{other}` must have its rows in the order of `{name}`, as rows are taken by "
                f"position, but its index has labels of `{name}` at other positions. Pass "
                f"{other}.loc[{name}.index] where the index says which row is which, or "
                f"{other}.to_numpy() where the order does."
            )


def _contradict(index: pd.Index, other: pd.Index) -> bool:
    """Return whether a label of one index stands at another position in the other."""
    # A label that occurs twice has no one position.
    once = ~other.duplicated(keep=False)
    position = dict(zip(other[once], np.flatnonzero(once).tolist(), strict=True))
    found = [position.get(label) for label in index]
    moved = any(there is not None and there != here for here, there in enumerate(found))
    # A permutation is one, whatever its labels.
    whole = None not in found and len(index) == len(other)
    return moved and (whole or not (_is_default(index) or _is_default(other)))


def _is_default(index: pd.Index) -> bool:
    """Return whether an index counts rows from 0, as one that nobody set does."""
    return isinstance(index, pd.RangeIndex) and index.start == 0 and index.step == 1
