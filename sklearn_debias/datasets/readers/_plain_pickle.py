"""Pickles from anyone, of which only containers, text and numbers are read."""

import io
import pickle
from collections import defaultdict
from pathlib import Path
from typing import Any

MOST = 1 << 26  # bytes
PLAIN = {
    ("builtins", "dict"): dict,
    ("builtins", "frozenset"): frozenset,
    ("builtins", "list"): list,
    ("builtins", "set"): set,
    ("builtins", "tuple"): tuple,
    ("collections", "defaultdict"): defaultdict,
}


class _Plain(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        """Return a plain container; nothing else is looked up, or imported."""
        try:
            # Python 2's name of the module; the unpickler renames it only in old protocols.
            return PLAIN[module.replace("__builtin__", "builtins"), name]
        except KeyError:
            raise pickle.UnpicklingError(
                f"it names {module}.{name}, and only dict, list, set, tuple, text and numbers are "
                "read"
            ) from None


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
