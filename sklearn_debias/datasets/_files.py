"""Readers of idx, npz and npy files from anyone: sizes are checked before memory is spent."""

import gzip
import math
import zipfile
import zlib
from collections.abc import Sequence
from io import BufferedIOBase
from pathlib import Path
from tokenize import TokenError

import numpy as np

_CHUNK = 1 << 20  # bytes that are read at a time
# What damaged or hostile archives raise: RuntimeError stands for encryption and unknown
# compression, TokenError and SyntaxError for the header of an array.
_UNREADABLE = (
    *(ValueError, OSError, EOFError, MemoryError, RuntimeError),
    *(zipfile.BadZipFile, zlib.error, TokenError, SyntaxError),
)


def read_idx(path: Path, n_dims: int) -> np.ndarray:
    """Return an array of unsigned bytes with `n_dims` dimensions from an idx file, plain or gzip.

    At most one byte more than the header announces is ever decompressed.
    """
    try:
        with _opened(path) as stream:
            shape = _idx_shape(stream, path, n_dims)
            expected = math.prod(shape)
            content = _read_at_most(stream, expected + 1)  # one more shows a file that goes on
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise ValueError(f"{path} is not a complete gzip file: {error}. Copy it again.") from error
    if len(content) != expected:
        found = f"{len(content)} bytes" if len(content) < expected else "more"
        raise ValueError(
            f"{path} must hold {expected} bytes after its header, for the shape {shape}; found "
            f"{found}. The file is damaged: copy it again."
        )
    return np.frombuffer(content, dtype=np.uint8).reshape(shape)


def _opened(path: Path) -> BufferedIOBase:
    """Return the stream of a file's content, decompressed."""
    return gzip.open(path, "rb") if path.suffix == ".gz" else open(path, "rb")


def _idx_shape(stream: BufferedIOBase, path: Path, n_dims: int) -> tuple[int, ...]:
    """Read the header, and return the shape that it announces."""
    header = stream.read(4 + 4 * n_dims)
    magic = 0x0800 + n_dims  # two zero bytes, 8 for unsigned bytes, the number of dimensions
    found = int.from_bytes(header[:4], "big")
    if found != magic:
        kinds = {0x0801: "labels", 0x0803: "images"}
        hint = f" (that of {kinds[found]})" if found in kinds else ""
        raise ValueError(
            f"{path} must be an idx file of {kinds[magic]}, with the magic number {magic}; found "
            f"{found}{hint}."
        )
    if len(header) < 4 + 4 * n_dims:
        raise ValueError(
            f"{path} must have a header of {4 + 4 * n_dims} bytes, found {len(header)}."
        )
    sizes = [header[start : start + 4] for start in range(4, len(header), 4)]
    return tuple(int.from_bytes(size, "big") for size in sizes)


def _read_at_most(stream: BufferedIOBase, size: int) -> bytearray:
    """Return up to `size` bytes, read in small steps.

    A header that lies cannot make us allocate what it claims.
    """
    content = bytearray()
    while len(content) < size:
        chunk = stream.read(min(_CHUNK, size - len(content)))
        if not chunk:
            break
        content += chunk
    return content


def read_npz(path: Path, names: Sequence[str]) -> list[np.ndarray]:
    """Return the arrays `names` of an npz file; nothing in it is unpickled."""
    try:
        # Not `numpy.load`: it goes by the first bytes, and may find an array or a pickle. Opened
        # here, since old versions of NumPy leave a file open of which they refuse an array.
        with (
            path.open("rb") as file,
            np.lib.npyio.NpzFile(file, allow_pickle=False) as archive,
        ):
            missing = [name for name in names if name not in archive.files]
            if missing:
                raise ValueError(f"it has no {', '.join(missing)}, only {', '.join(archive.files)}")
            return [np.asarray(archive[name]) for name in names]
    except _UNREADABLE as error:
        raise ValueError(
            f"`folder`: {path} must be an npz file with {', '.join(names)}: {error}."
        ) from error


def open_npy(path: Path) -> np.ndarray:
    """Return the array of an npy file as a read-only memory map; nothing in it is unpickled."""
    try:
        return np.lib.format.open_memmap(path, mode="r")
    except _UNREADABLE as error:
        raise ValueError(
            f"{path} must be a whole npy file of numbers: {error}. Copy it again, or save it with "
            "`numpy.save(path, array, allow_pickle=False)`."
        ) from error
