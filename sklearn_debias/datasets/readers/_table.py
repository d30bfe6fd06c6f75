"""From a table of rows to a Bunch of sets."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from sklearn.utils import Bunch

from sklearn_debias.datasets.readers._splits import SPLITS

MANY = 100_000  # codes beyond are no indices, but numbers of something


def bunch_of(
    rows: pd.DataFrame,
    data: Callable[[np.ndarray], Any],
    *,
    bias: str | Sequence[str] | None,
    target_names: Mapping[Any, str] | None = None,
    bias_names: Any = None,
    descr: str = "",
    **more: Any,
) -> Bunch:
    """Return the sets of a table, one for each split that has rows.

    Parameters
    ----------
    rows : DataFrame
        One row each, in the order of the file. "split" holds `SPLITS` or others, "y" the classes,
        the column(s) ``bias`` the bias values, "file" a name that tells rows apart. All columns are
        kept as `metadata`.
    data : callable
        ``data(index)`` gives the rows by number.
    bias : str, sequence of str or None
        The column(s) of bias values. None: there are none.
    target_names, bias_names : mapping of value to name, default=None
        None are the values themselves. Of several bias columns: a sequence of mappings.
    descr : str, default=""
    **more
        Further entries.
    """
    names = _names(rows["y"], target_names)
    bunch = Bunch(target_names=names, fingerprint=fingerprint(rows, bias), DESCR=descr, **more)
    if isinstance(bias, str):
        bunch.bias_names = _names(rows[bias], bias_names)
    elif bias is not None:
        given = bias_names or [None] * len(bias)
        bunch.bias_names = [_names(rows[c], own) for c, own in zip(bias, given, strict=True)]
    split = rows["split"].to_numpy()
    others = [name for name in dict.fromkeys(split.tolist()) if name not in SPLITS]
    for name in [*SPLITS, *others]:
        index = np.flatnonzero(split == name)
        if not len(index):
            continue
        own = rows.iloc[index]
        part = Bunch(
            data=data(index),
            target=own["y"].to_numpy(),
            index=index,
            metadata=own.reset_index(drop=True),
        )
        if bias is not None:
            part.bias_labels = own[bias if isinstance(bias, str) else list(bias)].to_numpy()
        bunch[name] = part
    return bunch


def _names(values: pd.Series, names: Mapping[Any, str] | None) -> np.ndarray:
    """Return the names of the values, which are its indices where they are whole numbers."""
    known = dict(names or {})
    found = sorted({*np.unique(values.to_numpy()).tolist(), *known})
    if all(isinstance(value, int) and 0 <= value < MANY for value in found):
        found = list(range(found[-1] + 1))
    return np.array([str(known.get(value, value)) for value in found])


def fingerprint(rows: pd.DataFrame, bias: str | Sequence[str] | None) -> str:
    """Return what tells this copy from others: the SHA-256 of the sorted rows.

    Of each row counts: file, class, bias value(s) and split. Images are not opened.
    """
    columns = ["file", "y", *([bias] if isinstance(bias, str) else bias or []), "split"]
    lines = rows["file"].astype(str)
    for column in columns[1:]:
        lines = lines + "\t" + rows[column].astype(str)
    content = "\n".join(sorted(lines.tolist()))
    return hashlib.sha256(content.encode("utf-8")).hexdigest()
