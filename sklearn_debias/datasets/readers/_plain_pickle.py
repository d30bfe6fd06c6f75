"""Pickles from anyone, of which only containers, text and numbers are read."""

import pickle
from pathlib import Path
from typing import Any

from sklearn_debias.datasets.readers._unpickler import Unpickler, check_keys

MOST = 1 << 26  # bytes


class _Named:
    """What is only named, as what a defaultdict makes of a key that it lacks."""

    def __new__(cls, *args: Any) -> Any:
        raise pickle.UnpicklingError("it calls what such files only name")


class _Set:
    def __new__(cls, values: Any = ()) -> Any:
        check_keys(values)
        return set(values)


class _DefaultDict:
    def __new__(cls, factory: Any = None) -> Any:
        return {}


PLAIN: dict[tuple[str, str], type] = {
    ("builtins", "dict"): _Named,
    ("builtins", "frozenset"): _Set,
    ("builtins", "list"): _Named,
    ("builtins", "set"): _Set,
    ("builtins", "tuple"): _Named,
    ("collections", "defaultdict"): _DefaultDict,
}


class _Plain(Unpickler):
    known = PLAIN
    refusal = "it names {name}, and only dict, list, set, tuple, text and numbers are read"


def read_plain_pickle(path: Path) -> Any:
    """Return what a pickle of plain containers holds.

    A defaultdict is a dict, and a frozenset may be a set.

    Raises
    ------
    ValueError
        If it is damaged, larger than 64 MiB, or names anything else: no code in it is run.
    """
    if path.stat().st_size > MOST:
        raise ValueError(f"{path} must have at most 64 MiB; it has {path.stat().st_size:,} bytes.")
    try:
        return _Plain(path.read_bytes()).load()
    except Exception as error:  # damaged pickles end in errors of nearly any class
        raise ValueError(
            f"{path} must be a pickle of plain containers: {error}. Copy it again from where it "
            "was made."
        ) from error
