"""Reading idx and npz files from anyone: sizes are checked before memory is spent."""

import gzip
import math
import zipfile
import zlib
from tokenize import TokenError

import numpy as np

_CHUNK = 1 << 20
# What damaged or hostile archives raise: RuntimeError stands for encryption and unknown
# compression, TokenError and SyntaxError for the header of an array.
_UNREADABLE = (
    *(ValueError, OSError, EOFError, MemoryError, RuntimeError),
    *(zipfile.BadZipFile, zlib.error, TokenError, SyntaxError),
)


def read_idx(path, n_dims):
    """Array of unsigned bytes with `n_dims` dimensions from an idx file, plain or gzip.

    At most one byte more than the header announces is ever decompressed.
    """
    opener = gzip.open if path.suffix == ".gz" else open
    try:
        with opener(path, "rb") as stream:
            shape = _idx_shape(stream, path, n_dims)
            expected = math.prod(shape)
            content = _read_at_most(stream, expected + 1)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise ValueError(f"{path} is not a complete gzip file: {error}. Copy it again.") from error
    if len(content) != expected:
        found = f"{len(content)} bytes" if len(content) < expected else "more"
        raise ValueError(
            f"{path} must hold {expected} bytes after its header, for the shape {shape}; found "
            f"{found}. The file is damaged: copy it again."
        )
    return np.frombuffer(content, dtype=np.uint8).reshape(shape)


def _idx_shape(stream, path, n_dims):
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
    return tuple(int.from_bytes(header[4 + 4 * i : 8 + 4 * i], "big") for i in range(n_dims))


def _read_at_most(stream, size):
    """Up to `size` bytes in small steps: a header that lies cannot make us allocate what it claims."""
    content = bytearray()
    while len(content) < size and (chunk := stream.read(min(_CHUNK, size - len(content)))):
        content += chunk
    return content


def read_npz(path, names):
    """Arrays `names` of an npz file; nothing in it is unpickled."""
    try:
        with np.lib.npyio.NpzFile(path, allow_pickle=False) as archive:
            missing = [name for name in names if name not in archive.files]
            if missing:
                raise ValueError(f"it has no {', '.join(missing)}, only {', '.join(archive.files)}")
            return [np.asarray(archive[name]) for name in names]
    except _UNREADABLE as error:
        raise ValueError(f"{path} must be an npz file with {', '.join(names)}: {error}.") from error
