"""Pickles from anyone: what they ask to call is noted, and never called."""

import pickle
import struct
from pathlib import Path
from typing import Any

import numpy as np

from sklearn_debias.datasets.readers._unpickler import Unpickler

# What a wrong or hostile stream of opcodes can end in.
_UNREADABLE = (
    *(pickle.UnpicklingError, struct.error, AssertionError),
    *(ValueError, TypeError, AttributeError, KeyError, IndexError),
    *(EOFError, ImportError, OSError, MemoryError, OverflowError, RecursionError, UnicodeError),
)


class _Note:
    """A call that a pickle asks for: its arguments, and what would be set on its result.

    `__setstate__` takes whatever a pickle wants to set, so that none of it sets an attribute.
    """

    __slots__ = ("args", "state")

    def __init__(self, *args: Any) -> None:
        self.args = args
        self.state: Any = None

    def __setstate__(self, state: Any) -> None:
        self.state = state


class _Array(_Note):
    """``numpy.ndarray``, empty, until its content is set."""

    __slots__ = ()


class _Type(_Note):
    """``numpy.dtype``."""

    __slots__ = ()


class _Class(_Note):
    """The class of arrays, which is named and not called."""

    __slots__ = ()


class _Bytes(_Note):
    """Bytes, which Python 3 writes as text into files of this kind."""

    __slots__ = ()

    def __new__(cls, text: str = "", encoding: str = "") -> Any:
        if not isinstance(text, str) or encoding != "latin1":
            raise pickle.UnpicklingError("it encodes what is no text of bytes")
        return text.encode("latin1")


# The four names in a file of arrays, lists and text; NumPy 2 has moved the first.
_KNOWN: dict[tuple[str, str], type] = {
    ("numpy.core.multiarray", "_reconstruct"): _Array,
    ("numpy._core.multiarray", "_reconstruct"): _Array,
    ("numpy", "ndarray"): _Class,
    ("numpy", "dtype"): _Type,
    ("_codecs", "encode"): _Bytes,
}


class _Unpickler(Unpickler):
    known = _KNOWN
    refusal = "it asks for {name}, which no such file needs"


def read_pickle(path: Path) -> dict[str, Any]:
    """Return the mapping that a pickle of CIFAR's kind holds.

    Nothing in it is run: arrays of bytes are made here, from what it says of them.

    Parameters
    ----------
    path : Path

    Returns
    -------
    content : dict
        Names as str; arrays of uint8, lists, numbers, and bytes.
    """
    try:
        content = _Unpickler(path.read_bytes(), encoding="bytes").load()
        if type(content) is not dict:
            raise ValueError(f"it holds a {type(content).__name__}, and no dict")
        return {_text(name): _value(value) for name, value in content.items()}
    except _UNREADABLE as error:
        raise ValueError(
            f"{path} must be a pickle of CIFAR's, a dict of uint8 arrays and lists: {error}. "
            "Nothing in it was run. Copy it again from the published archive, or take the binary "
            "version."
        ) from error


def _text(name: Any) -> str:
    # Of nothing else: the text of nested lists may be without end.
    if not isinstance(name, bytes | str | int):
        raise ValueError(f"it has a {type(name).__name__} where a name should be")
    return name.decode("utf-8") if isinstance(name, bytes) else str(name)


def _value(value: Any) -> Any:
    """Return an array where one is noted."""
    if not isinstance(value, _Note):
        return value
    if not isinstance(value, _Array):
        raise ValueError("it names what is no array")
    _, shape, kind, in_columns, raw = value.state
    if not isinstance(kind, _Type) or _text(kind.args[0]) not in ("u1", "uint8"):
        raise ValueError("it has an array of another type than uint8")
    flat = np.frombuffer(raw, dtype=np.uint8)
    return flat.reshape(shape, order="F" if in_columns else "C")
