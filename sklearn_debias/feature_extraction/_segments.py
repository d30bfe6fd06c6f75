"""Files of the cache: a matrix of embeddings, and per row the digest of its content and a checksum.

Segments are never changed, only added (the keys last, by a rename) and removed (the keys first), so
that there is nothing to lock: a process that dies leaves no half segment, and two that compute the
same rows store them twice.
"""

import contextlib
import os
import re
import stat
import time
import uuid
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

KEYS = np.dtype([("digest", "V16"), ("check", "<u4")])
OURS = re.compile(r"[0-9a-f]{32}\.(keys|rows)\.(npy|tmp)")
FOLDER = re.compile(r"[0-9a-f]{32}")
PRIVATE = 0o700  # the mode of folders
ABANDONED = 3600  # seconds after which nobody will finish a file that belongs to no segment


@dataclass(frozen=True)
class Segment:
    """One matrix of embeddings, a memory map, and its keys.

    Parameters
    ----------
    path : Path
        Of the keys.
    keys : ndarray of shape (n,)
    rows : ndarray of shape (n, d)
    """

    path: Path
    keys: np.ndarray
    rows: np.ndarray

    def digests(self) -> list[bytes]:
        """Return the digests of the rows whose embeddings these are."""
        return _digests(self.keys)

    def sound(self) -> np.ndarray:
        """Return a mask of the rows that are what was stored."""
        return are_sound(self.keys, self.rows)


def open_segment(path: Path, width: int, dtype: np.dtype) -> Segment | None:
    """Open the segment with the keys ``path``: None where it is gone, an error where damaged."""
    for file in (path, _rows(path)):
        # Asked once: another process may remove it between two questions.
        with contextlib.suppress(FileNotFoundError, PermissionError):
            if not stat.S_ISREG(file.stat().st_mode):  # a pipe would be waited for
                raise ValueError(f"{file} is no file")
    try:
        keys = np.array(np.load(path, mmap_mode="r"))  # in memory: all are looked at, few rows are
        segment = Segment(path, keys, np.load(_rows(path), mmap_mode="r"))
    except FileNotFoundError:
        if path.exists() and not _rows(path).exists():
            raise ValueError(f"{path} has no rows") from None
        return None
    except PermissionError:
        return None
    except Exception as error:  # a damaged header may look like anything
        raise ValueError(str(error)) from error
    types = (segment.keys.dtype, segment.rows.dtype)
    if types != (KEYS, dtype) or segment.rows.shape != (len(segment.keys), width):
        raise ValueError(f"{path} holds another type or shape")
    return segment


def write_segment(folder: Path, digests: list[bytes], values: np.ndarray) -> Path:
    """Store embeddings as a new segment."""
    keys = np.empty(len(digests), KEYS)
    keys["digest"] = np.frombuffer(b"".join(digests), "V16")
    keys["check"] = _checks(keys, values)
    folder.mkdir(mode=PRIVATE, exist_ok=True)
    path = folder / f"{uuid.uuid4().hex}.keys.npy"
    try:
        for file, array in ((_rows(path), values), (path, keys)):  # the keys last
            with open(file.with_suffix(".tmp"), "xb") as stream:
                np.save(stream, array)
            os.replace(file.with_suffix(".tmp"), file)
    except BaseException:
        for file in (path, _rows(path)):
            _unlink(file.with_suffix(".tmp"))
        remove(path)
        raise
    return path


def remove(keys: Path) -> None:
    """Remove a segment."""
    _unlink(keys)
    _unlink(_rows(keys))


def trim(root: Path, limit: int) -> None:
    """Remove what was not used for longest from ``root`` until it holds at most ``limit`` bytes.

    Files of others are neither counted nor touched.
    """
    segments = []
    total = 0
    for folder in root.iterdir():
        for file in folder.iterdir() if FOLDER.fullmatch(folder.name) and folder.is_dir() else ():
            if not OURS.fullmatch(file.name):
                continue
            with contextlib.suppress(OSError):
                found = file.stat()
                total += found.st_size
                if file.name.endswith(".keys.npy"):
                    size = found.st_size + _rows(file).stat().st_size
                    segments.append((found.st_mtime, file, size))
                elif time.time() - found.st_mtime > ABANDONED and not _belongs(file):
                    _unlink(file)
                    total -= found.st_size
    for _, file, size in sorted(segments):
        if total <= limit:
            break
        remove(file)
        total -= size
        with contextlib.suppress(OSError):
            file.parent.rmdir()


def make_usable(folder: Path) -> None:
    """Make ``folder`` where it is not there; raise OSError unless files can be written to it.

    What is made is the user's alone: embeddings tell of the rows that they are of.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    folder.mkdir(mode=PRIVATE, exist_ok=True)
    probe = folder / f"{uuid.uuid4().hex}.tmp"
    probe.touch()
    probe.unlink()


def are_sound(keys: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Return a mask of the rows whose checksum is that of their keys."""
    return _checks(keys, rows) == keys["check"]


def _checks(keys: np.ndarray, rows: np.ndarray) -> np.ndarray:
    pairs = zip(_digests(keys), rows, strict=True)
    return np.fromiter(
        (zlib.crc32(np.ascontiguousarray(row).data, zlib.crc32(d)) for d, row in pairs),
        "<u4",
        len(keys),
    )


def _digests(keys: np.ndarray) -> list[bytes]:
    joined = keys["digest"].tobytes()
    return [joined[i : i + 16] for i in range(0, len(joined), 16)]


def _rows(keys: Path) -> Path:
    return keys.with_name(keys.name.replace(".keys.", ".rows."))


def _belongs(file: Path) -> bool:
    keys = file.with_name(file.name.replace(".rows.", ".keys."))
    return file.name.endswith(".rows.npy") and keys.exists()


def _unlink(path: Path) -> None:
    """Remove a file that others may have removed, or may be reading."""
    with contextlib.suppress(OSError):
        path.unlink()
