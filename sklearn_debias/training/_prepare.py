"""From raw rows to what the networks see, and batches of one shape for prediction."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from sklearn_debias.training._pixels import as_seen
from sklearn_debias.training._sources import Source

LARGE = 50_000  # values of a row, from which on a CPU gains nothing by larger batches
ALIGNED = 64  # bytes; tensors of torch begin at a multiple


@dataclass(frozen=True)
class Prepare:
    """Turn raw rows into what the modules see: on the device, floating, uint8 scaled to [0, 1]."""

    device: torch.device
    dtype: torch.dtype
    size: tuple[int, int] | None = None

    def __call__(self, raw: Tensor) -> Tensor:
        """Prepare raw rows (b, ...)."""
        x = raw.to(self.device, non_blocking=True)
        x = as_seen(x, self.dtype)
        if self.size is not None and x.shape[-2:] != self.size:
            x = resized(x, self.size)
        # The layout that the modules have on CUDA.
        if x.ndim == 4 and self.device.type == "cuda":
            x = x.contiguous(memory_format=torch.channels_last)
        return x


def resized(x: Tensor, size: tuple[int, int]) -> Tensor:
    """Return images (b, c, h, w) in another size (height, width)."""
    # Rounding may lead out of the range of the image, and so out of [0, 1].
    low = x.amin((1, 2, 3), keepdim=True)
    high = x.amax((1, 2, 3), keepdim=True)
    return F.interpolate(x, size, mode="bilinear", antialias=True).clamp(low, high)


def inference_rows(device: torch.device, shape: tuple[int, ...]) -> int:
    """Return the rows of a long batch of rows of this shape, for prediction: see `padded`."""
    if device.type == "cuda":
        return 256
    return 32 if math.prod(shape) <= LARGE else 8


def padded(
    forward: Callable[[Tensor, np.ndarray], Tensor],
    source: Source,
    prepare: Prepare,
    n_rows: int,
    size: Callable[[Tensor], int] | None = None,
) -> Iterator[Tensor]:
    """Yield outputs of ``forward(x, row_numbers)`` in row order, each batch padded to one shape.

    Kernels sum in an order that depends on the shape of the batch; with one shape a sample's output
    does not depend on its neighbours.

    Parameters
    ----------
    forward : callable
    source : Source
    prepare : Prepare
    n_rows : int
        Rows of a batch.
    size : callable, default=None
        ``size(x)`` is how many rows the last batch is filled up to, where ``x`` has fewer than
        ``n_rows``; None fills it up to ``n_rows``.
    """
    at_once = n_rows * source.batches_at_once
    for start in range(0, len(source), at_once):
        index = np.arange(start, min(start + at_once, len(source)))
        found = source.groups(source.take(index))
        parts = [
            _batch(forward, prepare(raw), index[at], n_rows, size)
            for places, rows in found
            for at, raw in zip(_parts(places, n_rows), rows.split(n_rows), strict=True)
        ]
        if len(parts) == 1:
            yield parts[0]
            continue
        places = torch.from_numpy(np.concatenate([places for places, _ in found]))
        yield torch.cat(parts)[places.argsort()]


def _parts(places: np.ndarray, n: int) -> list[np.ndarray]:
    """Return an array in parts of n entries."""
    return [places[start : start + n] for start in range(0, len(places), n)]


def _batch(
    forward: Callable[[Tensor, np.ndarray], Tensor],
    x: Tensor,
    index: np.ndarray,
    n_rows: int,
    size: Callable[[Tensor], int] | None,
) -> Tensor:
    """Return outputs of a batch of prepared rows of one shape, filled up as in `padded`."""
    full = len(x) == n_rows or size is None
    n = n_rows if full or size is None else size(x)
    # Filled up with the last row, which is read and prepared once.
    numbers = index[np.minimum(np.arange(n), len(index) - 1)]
    return forward(filled(x, n), numbers)[: len(index)]


def filled(x: Tensor, n: int) -> Tensor:
    """Return rows (b, ...) as n rows, filled up with the last one, in memory as torch aligns it."""
    # Some kernels begin otherwise where memory does.
    if len(x) == n and x.data_ptr() % ALIGNED == 0:
        return x
    cuda_images = x.ndim == 4 and x.device.type == "cuda"
    layout = torch.channels_last if cuda_images else torch.contiguous_format
    out = torch.empty((n, *x.shape[1:]), dtype=x.dtype, device=x.device, memory_format=layout)
    out[: len(x)] = x
    out[len(x) :] = x[-1]
    return out
