"""Names of the splits, and what other files call them."""

from collections.abc import Iterable, Mapping

import numpy as np
import pandas as pd

from sklearn_debias.datasets.readers._gaps import is_gap
from sklearn_debias.datasets.readers._shown import shown

SPLITS = ("train", "validation", "test", "deployment")  # in this order, and then any others
CODES = {0: "train", 1: "validation", 2: "test", 3: "deployment"}
WORDS = {
    **dict.fromkeys(["train", "training", "tr"], "train"),
    **dict.fromkeys(["validation", "val", "valid", "va", "dev"], "validation"),
    **dict.fromkeys(["test", "testing", "te"], "test"),
    **dict.fromkeys(["deploy", "deployment", "zero_shot"], "deployment"),
}


def split_names(found: pd.Series, source: str, known: Mapping | None = None) -> np.ndarray:
    """Return the names of the splits of rows, (n,).

    Parameters
    ----------
    found : Series of n codes, 0 to 3, or words
    source : str
        What they were read from, for errors.
    known : mapping, default=None
        What the file calls a split, where that is not the field's custom.
    """
    names = {**CODES, **{str(code): name for code, name in CODES.items()}, **WORDS, **(known or {})}
    distinct = found.unique().tolist()
    if any(str(value).lower() in ("true", "false") for value in distinct):
        raise ValueError(
            f"{source}: the splits must be 0 to 3 or words; found {some(distinct)}, which do not "
            "say which split they mean. Write words in a copy of the file, as by "
            f"np.where({found.name or 'is_train'}, 'train', 'test')."
        )
    blank = int(is_gap(found).sum())
    if blank:
        raise ValueError(
            f"{source}: each row must have a split; {blank:,} have none. Fill them in, or leave "
            "these rows out."
        )
    called = {value: value.lower() if isinstance(value, str) else value for value in distinct}
    unknown = [value for value in called.values() if value not in names]
    if unknown:
        raise ValueError(
            f"{source}: the splits must be 0 (train), 1 (validation), 2 (test), 3 (deployment), or "
            f"these words; found {some(unknown)}. Rename them in a copy of the file."
        )
    meant = {value: names[word] for value, word in called.items()}
    return found.map(meant).to_numpy(dtype=str)


def some(values: Iterable, most: int = 3) -> str:
    """Return the first of some values, and how many more there are."""
    values = list(values)
    first = ", ".join(shown(value) for value in values[:most])
    more = len(values) - most
    return first if more <= 0 else f"{first} and {more:,} more"
