"""Where embeddings go: memory, a temporary file, the folder of the cache."""

import contextlib
import math
import os
import re
import tempfile
import weakref
from pathlib import Path
from typing import Any

import numpy as np

from sklearn_debias.estimators._errors import warn
from sklearn_debias.feature_extraction._segments import make_usable

VARIABLE = "SKLEARN_DEBIAS_CACHE"
UNITS = {"B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}


def n_bytes(value: Any, name: str) -> int:
    """Number of bytes of an int or a text such as "2GB"."""
    if isinstance(value, str):
        found = re.fullmatch(r"\s*(\d+(?:\.\d*)?)\s*([KMGT]?B)\s*", value, flags=re.IGNORECASE)
        size = int(float(found[1]) * UNITS[found[2].upper()]) if found else 0
    else:
        size = int(value)
    if size < 1:
        raise ValueError(f"`{name}` must be an int >= 1 (bytes) or a text such as '500MB' or '2GB', got {value!r}.")
    return size


def allocate(shape: tuple[int, int], dtype: str, limit: int) -> np.ndarray:
    """Room for embeddings (n, d): in memory, or in a temporary file where that takes more than ``limit`` bytes.

    The file lives as long as the array and its views.
    """
    if math.prod(shape) * np.dtype(dtype).itemsize <= limit:
        return np.empty(shape, dtype)
    handle, path = tempfile.mkstemp(prefix="sklearn_debias_", suffix=".embeddings")
    os.close(handle)
    try:
        out: Any = np.memmap(path, dtype, mode="w+", shape=shape)
    except BaseException:
        os.unlink(path)
        raise
    weakref.finalize(out._mmap, _discard, path)
    return out


def cache_folder(cache_dir: Any, *, strict: bool) -> Path | None:
    """Folder of the cache, which can be written to, or None.

    Parameters
    ----------
    cache_dir : "auto", None or path-like
    strict : bool
        Whether a folder that the user named and that cannot be written to is an error. One that was not named is a
        warning.
    """
    if cache_dir is None:
        return None
    named = cache_dir != "auto"
    folder = Path(cache_dir).expanduser() if named else default_folder()
    try:
        make_usable(folder)
    except OSError as error:
        advice = "Choose another folder, or cache_dir=None for no cache."
        if named and strict:
            raise ValueError(f"`cache_dir`={str(cache_dir)!r} cannot be written to: {error}. {advice}") from error
        warn(f"Embeddings are not cached: `cache_dir`={str(folder)!r} cannot be written to: {error}. {advice}")
        return None
    return folder


def default_folder() -> Path:
    """The folder in the variable SKLEARN_DEBIAS_CACHE, else sklearn_debias in the user's folder of caches."""
    if named := os.environ.get(VARIABLE):
        return Path(named).expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "sklearn_debias"


def _discard(path: str) -> None:
    with contextlib.suppress(OSError):
        os.unlink(path)
