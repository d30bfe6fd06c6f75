"""Pass over the rows once: read what is known, embed the others in batches of one shape."""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor, nn

from sklearn_debias.core.internal import is_tokens
from sklearn_debias.feature_extraction._cache import RowCache
from sklearn_debias.feature_extraction._network import run
from sklearn_debias.training import ArraySource, ImageSource, Prepare, Source, padded

CHUNK = 16 << 20  # bytes of rows that are looked at together


@dataclass
class Waiting:
    """Rows that are not known yet: their numbers, content and digests."""

    at: np.ndarray
    raw: Tensor
    digests: list[bytes]

    def __add__(self, other: "Waiting") -> "Waiting":
        return Waiting(
            np.concatenate([self.at, other.at]),
            torch.cat([self.raw, other.raw]),
            self.digests + other.digests,
        )

    def split(self, n: int) -> tuple["Waiting", "Waiting"]:
        """Split into the first ``n`` rows and the rest."""
        first = Waiting(self.at[:n], self.raw[:n], self.digests[:n])
        return first, Waiting(self.at[n:], self.raw[n:], self.digests[n:])


@dataclass
class Embedding:
    """Embeddings of the rows of a source.

    Parameters
    ----------
    source : Source
    network : nn.Module
        Maps prepared rows (b, ...) to embeddings (b, d).
    prepare : Prepare
    batch_size : int
        All batches are padded to it, so that an embedding does not depend on the other rows.
    cache : RowCache or None
    shape : tuple of int or None
        That rows must have; None takes that of the first.
    row_bytes : int
        Size of a row, about.
    report : callable
        ``report(done, computed)``, called after every few rows.
    """

    source: Source
    network: nn.Module
    prepare: Prepare
    batch_size: int
    cache: RowCache | None
    shape: tuple[int, ...] | None
    row_bytes: int
    report: Callable[[int, int], None]
    done: int = field(default=0, init=False)
    computed: int = field(default=0, init=False)

    def fill(self, out: np.ndarray) -> None:
        """Write the embeddings to ``out`` (n, d)."""
        waiting: dict[tuple[int, ...], Waiting] = {}  # by the shape of a row
        for at in self._chunks():
            for new in self._unknown(at, out):
                shape = tuple(new.raw.shape[1:])
                rows = waiting[shape] + new if shape in waiting else new
                whole = len(rows.at) // self.batch_size * self.batch_size
                full, waiting[shape] = rows.split(whole)
                self._compute(full, out)
            self.report(self.done, self.computed)
        for rows in waiting.values():
            self._compute(rows, out)

    def _chunks(self) -> Iterator[np.ndarray]:
        step = max(1, CHUNK // self.row_bytes)
        for start in range(0, len(self.source), step):
            yield np.arange(start, min(start + step, len(self.source)))

    def _unknown(self, at: np.ndarray, out: np.ndarray) -> Iterator[Waiting]:
        """Fill in the rows ``at`` that the cache knows, and yield the others by their shape."""
        if isinstance(self.source, ImageSource) and self.cache is not None:
            # Files that are known are not even decoded.
            digests = self._file_digests(at)
            new = self._known(self.cache, at, digests, out)
            if len(new):
                yield Waiting(at[new], self._take(at[new]), [digests[i] for i in new])
            return
        for places, raw in self.source.groups(self._take(at)):
            rows = at[places]
            if self.cache is None:
                yield Waiting(rows, raw, [b""] * len(rows))
                continue
            digests = row_digests(raw)
            new = self._known(self.cache, rows, digests, out)
            if len(new):
                yield Waiting(rows[new], raw[new], [digests[i] for i in new])

    def _known(
        self, cache: RowCache, at: np.ndarray, digests: list[bytes], out: np.ndarray
    ) -> np.ndarray:
        """Fill in the rows ``at`` that the cache knows; return which of them it does not."""
        known, values = cache.get(digests)
        out[at[known]] = values
        self.done += len(values)
        return np.flatnonzero(~known)

    def _take(self, at: np.ndarray) -> Tensor:
        raw = self.source.take(at)
        if self.shape is not None and is_tokens(self.shape):
            return raw
        self.shape = self.shape or tuple(raw.shape[1:])
        if raw.shape[1:] != self.shape:
            raise ValueError(
                f"`image_size` must be given where images differ in size: `X[{at[0]}]` is of shape "
                f"{tuple(raw.shape[1:])}, expected is {self.shape}."
            )
        return raw

    def _file_digests(self, at: np.ndarray) -> list[bytes]:
        """Return digests of the files' bytes."""
        from PIL import __version__ as version

        person = f"pil{version}".encode()[:16]  # another Pillow may decode to other pixels
        digests = []
        for i in at:
            try:
                with open(self.source.items[i], "rb") as file:
                    content = file.read()
            except OSError:
                self.source.take(np.array([i]))  # which says what is wrong with the file
                raise
            digests.append(hashlib.blake2b(content, digest_size=16, person=person).digest())
        return digests

    def _compute(self, waiting: Waiting, out: np.ndarray) -> None:
        """Put rows through the network."""
        if not len(waiting.at):
            return
        start = 0
        source = ArraySource(waiting.raw.numpy())

        def forward(x: Tensor, index: np.ndarray) -> Tensor:
            return self._forward(x, waiting.at[index])

        for values in padded(forward, source, self.prepare, self.batch_size):
            part = slice(start, start + len(values))
            array = values.numpy()
            out[waiting.at[part]] = array
            if self.cache is not None:
                self.cache.put(waiting.digests[part], array)
            start = part.stop
            self.done += len(values)
            self.computed += len(values)
            self.report(self.done, self.computed)

    @torch.inference_mode()
    def _forward(self, x: Tensor, numbers: np.ndarray) -> Tensor:
        values = run(self.network, x).to(self.prepare.dtype).cpu()
        finite = torch.isfinite(values).all(1)
        if not finite.all():
            first = numbers[int((~finite).nonzero()[0])]
            raise ValueError(
                f"`module` gives embeddings that are not finite, `X[{first}]` being the first. "
                f"Check its weights and the range of X, or use dtype='float64'."
            )
        return values


def is_constant(out: np.ndarray) -> bool:
    """Tell whether several embeddings are all equal."""
    # In parts, since a memory map may be larger than memory.
    parts = (out[start : start + 1024] for start in range(0, len(out), 1024))
    return len(out) > 1 and all((part == out[0]).all() for part in parts)


def differ(source: Source) -> bool:
    """Tell whether some rows differ."""
    first = source.take(np.zeros(1, dtype=int))
    return any(not torch.equal(source.take(np.array([i])), first) for i in range(1, len(source)))


def row_digests(raw: Tensor) -> list[bytes]:
    """Return digests of rows (n, ...) by type, shape and content, 16 bytes each."""
    rows = np.ascontiguousarray(raw.numpy()).reshape(len(raw), -1)
    begun = hashlib.blake2b(f"{raw.dtype} {tuple(raw.shape[1:])}".encode(), digest_size=16)
    digests = []
    for row in rows:
        digest = begun.copy()
        digest.update(row.data)
        digests.append(digest.digest())
    return digests
