"""Pickles from anyone, of which only containers, text and numbers are read."""

import io
from collections import defaultdict
from pathlib import Path
from typing import Any

from sklearn_debias.datasets.readers._unpickler import Unpickler

MOST = 1 << 26  # bytes
PLAIN = {
    ("builtins", "dict"): dict,
    ("builtins", "frozenset"): frozenset,
    ("builtins", "list"): list,
    ("builtins", "set"): set,
    ("builtins", "tuple"): tuple,
    ("collections", "defaultdict"): defaultdict,
}


class _Plain(Unpickler):
    known = PLAIN
    refusal = "it names {name}, and only dict, list, set, tuple, text and numbers are read"


def read_plain_pickle(path: Path) -> Any:
    """Return what a pickle of plain containers holds.

    Raises
    ------
    ValueError
        If it is damaged, larger than 64 MiB, or names anything else: no code in it is run.
    """
    if path.stat().st_size > MOST:
        raise ValueError(f"{path} must have at most 64 MiB; it has {path.stat().st_size:,} bytes.")
    try:
        return _Plain(io.BytesIO(path.read_bytes())).load()
    except Exception as error:  # damaged pickles end in errors of nearly any class
        raise ValueError(
            f"{path} must be a pickle of plain containers: {error}. Copy it again from where it "
            "was made."
        ) from error
