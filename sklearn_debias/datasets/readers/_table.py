"""From a table of rows to a Bunch of sets."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from sklearn.utils import Bunch

from sklearn_debias.datasets.readers._splits import SPLITS, some
from sklearn_debias.exceptions import warn

MANY = 100_000  # codes beyond are no indices, but numbers of something


def bunch_of(
    rows: pd.DataFrame,
    data: Callable[[np.ndarray], Any],
    *,
    source: str,
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
    source : str
        What the rows were read from, for warnings.
    bias : str, sequence of str or None
        The column(s) of bias values. None: there are none.
    target_names, bias_names : mapping of value to name, default=None
        None are the values themselves. Of several bias columns: a sequence of mappings.
    descr : str, default=""
    **more
        Further entries.

    Warns
    -----
    DebiasWarning
        Where only other sets than `train` have rows of a class.
    """
    target, names = _coded(rows["y"], target_names)
    bunch = Bunch(target_names=names, fingerprint=fingerprint(rows, bias), DESCR=descr, **more)
    bias_labels = None
    if isinstance(bias, str):
        bias_labels, bunch.bias_names = _coded(rows[bias], bias_names)
    elif bias is not None:
        given = bias_names or [None] * len(bias)
        coded = [_coded(rows[c], own) for c, own in zip(bias, given, strict=True)]
        bias_labels = np.column_stack([values for values, _ in coded])
        bunch.bias_names = [own for _, own in coded]
    split = rows["split"].to_numpy()
    _warn_of_untrained(target[split == "train"], target, names, source)
    others = [name for name in dict.fromkeys(split.tolist()) if name not in SPLITS]
    for name in [*SPLITS, *others]:
        index = np.flatnonzero(split == name)
        if not len(index):
            continue
        own = rows.iloc[index]
        part = Bunch(
            data=data(index),
            target=target[index],
            index=index,
            metadata=own.reset_index(drop=True),
        )
        if bias_labels is not None:
            part.bias_labels = bias_labels[index]
        bunch[name] = part
    return bunch


def _coded(values: pd.Series, names: Mapping[Any, str] | None) -> tuple[np.ndarray, np.ndarray]:
    """Return values as codes (n,), and the names that these index.

    Whole numbers from 0 are codes already; others, and text, are numbered in sorted order.
    """
    known = dict(names or {})
    found = sorted({*pd.unique(values.to_numpy()).tolist(), *known})
    if all(isinstance(value, int) and 0 <= value < MANY for value in found):
        found = list(range(found[-1] + 1))
        codes = values.to_numpy(dtype=np.int64)
    else:
        codes = values.map({value: i for i, value in enumerate(found)}).to_numpy(dtype=np.int64)
    return codes, np.array([str(known.get(value, value)) for value in found])


def _warn_of_untrained(
    train: np.ndarray, every: np.ndarray, names: np.ndarray, source: str
) -> None:
    """Warn of classes that no training row has, where there are training rows."""
    if not len(train):
        return
    sizes, of_train = (np.bincount(target, minlength=len(names)) for target in (every, train))
    alone = names[(sizes > 0) & (of_train == 0)].tolist()
    if alone:
        warn(
            f"{source}: train has no rows of the classes {some(alone)}, which other sets have: "
            "nothing learns them. See whether they are spelt otherwise there."
        )


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
