"""Embeddings on disk, one entry per row, shared by processes that know nothing of each other."""

import contextlib
import os
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from sklearn_debias.exceptions import warn
from sklearn_debias.feature_extraction._segments import (
    Segment,
    are_sound,
    open_segment,
    remove,
    trim,
    write_segment,
)
from sklearn_debias.feature_extraction._storage import cache_folder

FLUSH = 64 << 20  # bytes of embeddings that are held before they are written
TIER = 16  # so many segments of one size class become one


@contextmanager
def open_cache(
    cache_dir: Any, name: str | None, shape: tuple[int, int], dtype: str, limit: int
) -> Iterator["RowCache | None"]:
    """Open the cache of the network ``name`` for embeddings of ``shape``; None for no cache.

    Whatever happens inside, what was stored until then is kept.
    """
    folder = None if name is None else cache_folder(cache_dir, strict=False)
    if name is None or folder is None:
        yield None
        return
    cache = RowCache(folder, name, shape[1], dtype, limit)
    try:
        yield cache
    finally:
        cache.close()
    for problem in cache.problems(shape[0]):
        warn(problem)


class RowCache:
    """Embeddings of one network by the digest of the row.

    Parameters
    ----------
    root : Path
        Folder shared by all networks.
    network : str
        Name of the network, see `fingerprint`.
    width : int
        Length of an embedding.
    dtype : str
        Of the embeddings.
    limit : int
        Bytes that ``root`` may hold; the segments that were not used for longest are removed first.
    """

    def __init__(self, root: Path, network: str, width: int, dtype: str, limit: int) -> None:
        self.root = root
        self.folder = root / network
        self.limit = limit
        self.width = width
        self.dtype = np.dtype(dtype)
        self.n_damaged = 0
        self.failure: OSError | None = None
        self.pending: dict[bytes, np.ndarray] = {}
        self.flush_at = max(1, min(FLUSH, limit // 8) // (width * self.dtype.itemsize))
        self.used: set[Path] = set()
        self.written = False
        self.segments: list[Segment] = []
        self.where: dict[bytes, tuple[int, int]] = {}
        for path in self._paths():
            self._show(path)

    def get(self, digests: list[bytes]) -> tuple[np.ndarray, np.ndarray]:
        """Return which of the rows are known, a boolean mask, and their embeddings."""
        values = np.empty((len(digests), self.width), self.dtype)
        known = np.zeros(len(digests), dtype=bool)
        wanted: dict[int, list[tuple[int, int]]] = defaultdict(list)
        for i, digest in enumerate(digests):
            if digest in self.pending:
                values[i] = self.pending[digest]
                known[i] = True
            elif digest in self.where:
                number, j = self.where[digest]
                wanted[number].append((i, j))
        for number, pairs in wanted.items():
            at, rows = np.array(pairs).T
            segment = self.segments[number]
            values[at] = segment.rows[rows]
            known[at] = are_sound(segment.keys[rows], values[at])  # others are computed again
            self.used.add(segment.path)
            if not known[at].all():
                self._salvage(segment)
        return known, values[known]

    def put(self, digests: list[bytes], values: np.ndarray) -> None:
        """Store embeddings; they reach the disk in large pieces."""
        for digest, value in zip(digests, values, strict=True):
            if digest not in self.where:
                self.pending[digest] = value
        if len(self.pending) >= self.flush_at:
            self._flush()

    def close(self) -> None:
        """Write what is held, mark what was used, keep the folder within its limit."""
        self._flush()
        for path in self.used:  # `trim` goes by these times
            with contextlib.suppress(OSError):
                os.utime(path)
        if self.written:
            with contextlib.suppress(OSError):
                self._merge()
                trim(self.root, self.limit)

    def problems(self, n: int) -> Iterator[str]:
        """Say what the user should know after ``n`` rows."""
        if self.n_damaged:
            yield (
                f"{self.n_damaged} damaged files in the cache {str(self.folder)!r} were dropped; "
                f"what they held is computed again."
            )
        if self.failure is not None:
            yield (
                f"Embeddings could not be stored in the cache {str(self.folder)!r}: {self.failure}."
            )
        if self.written and n * self.width * self.dtype.itemsize > self.limit:
            yield (
                f"The embeddings of {n} rows take more than `cache_size`={self.limit} bytes, so "
                f"that some are computed in every call. Raise `cache_size`."
            )

    def _paths(self) -> list[Path]:
        return sorted(self.folder.glob("*.keys.npy"))

    def _open(self, path: Path) -> Segment | None:
        """Open a segment; remove a damaged one."""
        try:
            return open_segment(path, self.width, self.dtype)
        except ValueError:
            self.n_damaged += 1
            remove(path)
            return None

    def _show(self, path: Path) -> None:
        """Make the rows of a segment known."""
        segment = self._open(path)
        if segment is not None:
            number = len(self.segments)
            self.where |= {digest: (number, j) for j, digest in enumerate(segment.digests())}
            self.segments.append(segment)

    def _salvage(self, segment: Segment) -> None:
        """Take the sound rows of a damaged segment into a new one."""
        self.n_damaged += 1
        remove(segment.path)
        for good, digest, row in zip(segment.sound(), segment.digests(), segment.rows, strict=True):
            self.where.pop(digest, None)
            if good:
                self.pending[digest] = np.array(row)

    def _flush(self) -> None:
        """Write what is held as a segment, unless that has failed before, and let it go."""
        if self.pending and self.failure is None:
            values = np.stack(list(self.pending.values()))
            try:
                path = write_segment(self.folder, list(self.pending), values)
            except OSError as error:
                self.failure = error
            else:
                self.written = True
                self._show(path)
        self.pending.clear()

    def _merge(self) -> None:
        """Make one segment of many small ones of about a size."""
        tiers: dict[int, list[Segment]] = defaultdict(list)
        for path in self._paths():
            segment = self._open(path)
            if segment is not None and segment.rows.nbytes < FLUSH:
                # A class ends at 16 times the rows at which it begins.
                tiers[len(segment.keys).bit_length() // 4].append(segment)
        for tier in tiers.values():
            if len(tier) >= TIER:
                rows: dict[bytes, np.ndarray] = {}
                for segment in tier:
                    entries = zip(segment.digests(), segment.rows, segment.sound(), strict=True)
                    rows |= {digest: row for digest, row, good in entries if good}
                write_segment(self.folder, list(rows), np.stack(list(rows.values())))
                for segment in tier:
                    remove(segment.path)
