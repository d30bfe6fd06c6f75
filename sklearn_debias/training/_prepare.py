"""From raw rows to what the networks see, and batches of one shape for prediction."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from sklearn_debias.training._pixels import as_seen
from sklearn_debias.training._sources import Source

INFERENCE_BATCH = {"cpu": 32, "cuda": 256}  # one shape for every predict batch, see `padded`


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


def padded(
    forward: Callable[[Tensor, np.ndarray], Tensor],
    source: Source,
    prepare: Prepare,
    batch_size: int | None = None,
) -> Iterator[Tensor]:
    """Yield outputs of ``forward(x, row_numbers)`` in row order, each batch padded to one shape.

    Kernels sum in an order that depends on the shape of the batch; with one shape a sample's output
    does not depend on its neighbours.
    """
    size = batch_size or INFERENCE_BATCH.get(prepare.device.type, INFERENCE_BATCH["cpu"])
    for start in range(0, len(source), size):
        # The last batch is filled up with the last row.
        index = np.minimum(np.arange(start, start + size), len(source) - 1)
        yield forward(prepare(source.take(index)), index)[: len(source) - start]
