"""Where embeddings go: memory, a temporary file, the folder of the cache."""

import contextlib
import math
import os
import tempfile
import weakref
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from sklearn_debias.exceptions import warn
from sklearn_debias.feature_extraction._segments import PRIVATE, make_usable

ZEROS = 1 << 20  # bytes that are written at once
VARIABLE = "SKLEARN_DEBIAS_CACHE"


def allocate(shape: tuple[int, int], dtype: str, limit: int) -> np.ndarray:
    """Make room for embeddings (n, d): in memory, or in a file above ``limit`` bytes.

    The file lives as long as the array and its views.
    """
    size = math.prod(shape) * np.dtype(dtype).itemsize
    if size <= limit:
        return np.empty(shape, dtype)
    handle, path = tempfile.mkstemp(prefix="sklearn_debias_", suffix=".embeddings")
    try:
        with open(handle, "wb") as file:
            _reserve(file, size)
        out: Any = np.memmap(path, dtype, mode="r+", shape=shape)
    except BaseException:
        os.unlink(path)
        raise
    # Tied to the map, which views keep alive after the array has gone.
    weakref.finalize(out._mmap, _discard, path)
    return out


def _reserve(file: BinaryIO, size: int) -> None:
    """Take the room of ``size`` bytes; to write to a map without it would end the process."""
    try:
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(file.fileno(), 0, size)
        else:  # zeros that are written take room on every system
            for start in range(0, size, ZEROS):
                file.write(bytes(min(ZEROS, size - start)))
    except OSError as error:
        raise OSError(
            error.errno,
            f"the embeddings take {size} bytes, more than `max_memory`, and there is no room for "
            f"them in the temporary folder {tempfile.gettempdir()!r}: {error.strerror}. Raise "
            "`max_memory`, embed fewer rows at once, or let TMPDIR name a larger folder",
        ) from error


def cache_folder(cache_dir: Any, *, strict: bool) -> Path | None:
    """Return the folder of the cache, which can be written to, or None.

    Parameters
    ----------
    cache_dir : "auto", None or path-like
    strict : bool
        Whether a folder that the user named and that cannot be written to is an error. One that was
        not named is a warning.
    """
    if cache_dir is None:
        return None
    named = cache_dir != "auto"
    folder = Path(cache_dir).expanduser() if named else default_folder()
    try:
        make_usable(folder)
        if not named and not os.environ.get(VARIABLE):  # older versions left it open to all
            with contextlib.suppress(OSError):
                folder.chmod(PRIVATE)
    except OSError as error:
        advice = "Choose another folder, or cache_dir=None for no cache."
        if named and strict:
            raise ValueError(
                f"`cache_dir`={str(cache_dir)!r} cannot be written to: {error}. {advice}"
            ) from error
        warn(
            f"Embeddings are not cached: `cache_dir`={str(folder)!r} cannot be written to: "
            f"{error}. {advice}"
        )
        return None
    return folder


def default_folder() -> Path:
    """Return the folder that SKLEARN_DEBIAS_CACHE names, or one in the user's folder of caches."""
    if named := os.environ.get(VARIABLE):
        return Path(named).expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "sklearn_debias"


def _discard(path: str) -> None:
    with contextlib.suppress(OSError):
        os.unlink(path)
