"""Blurring and resampling of batches, every image with its own kernel or its own coordinates.

An image must not depend on its batch, to the last bit. There are therefore only sums, products and
gathers of single pixels here: torch's convolutions, matrix products and reductions may take another
order of summation for another number of images.
"""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

Edge = Callable[[Tensor, int], Tensor]  # (indices, size) -> indices in 0..size - 1


def clamped(index: Tensor, size: int) -> Tensor:
    """Go on with the pixel at the edge: ``a a | a b c | c c``."""
    return index.clamp(0, size - 1)


def symmetric(index: Tensor, size: int) -> Tensor:
    """Mirror, the pixel at the edge twice: ``b a | a b c | c b``."""
    index = index.remainder(2 * size)
    return torch.where(index < size, index, 2 * size - 1 - index)


def mirrored(index: Tensor, size: int) -> Tensor:
    """Mirror at the pixel at the edge: ``c b | a b c | b a``."""
    period = max(2 * (size - 1), 1)  # a single pixel has no mirror, and a period of 0 no remainder
    index = index.remainder(period)
    return torch.minimum(index, period - index).clamp(max=size - 1)


def gaussian_kernel(sigma: float, radius: int) -> np.ndarray:
    """Return the normal density at -radius..radius, summing to 1, shape (2 radius + 1,).

    A ``sigma`` of 0 is no blur.
    """
    steps = np.arange(-radius, radius + 1)
    kernel = np.exp(-0.5 * (steps / sigma) ** 2) if sigma > 0 else (steps == 0).astype(float)
    return kernel / kernel.sum()


def blur(x: Tensor, kernel: Tensor, edge: Edge = symmetric) -> Tensor:
    """Convolve rows and columns of x (b, c, h, w) with ``kernel`` (b, taps), taps odd."""
    taps = kernel.shape[1]
    for axis in (-2, -1):
        size = x.shape[axis]
        places = torch.arange(size, device=x.device)
        out = torch.zeros_like(x)
        for k in range(taps):
            shifted = x.index_select(axis, edge(places + k - taps // 2, size))
            out = out + kernel[:, k, None, None, None] * shifted
        x = out
    return x


def gaussian(x: Tensor, sigma: float, *, truncate: float = 4.0, edge: Edge = symmetric) -> Tensor:
    """Blur all images of x (b, c, h, w) by one Gaussian, cut at ``truncate`` deviations."""
    kernel = gaussian_kernel(sigma, max(1, int(truncate * sigma + 0.5)))
    return blur(x, torch.from_numpy(kernel).to(x).expand(len(x), -1), edge)


def grid(x: Tensor) -> tuple[Tensor, Tensor]:
    """Return rows (h, 1) and columns (1, w) of the pixels of x (b, c, h, w)."""
    rows, cols = (torch.arange(size, device=x.device, dtype=x.dtype) for size in x.shape[-2:])
    return rows[:, None], cols[None, :]


def taken(x: Tensor, rows: Tensor, cols: Tensor) -> Tensor:
    """Return the pixels of x (b, c, h, w) at whole, valid ``rows`` and ``cols`` (b, h', w')."""
    flat = (rows * x.shape[3] + cols).flatten(1)[:, None].expand(-1, x.shape[1], -1)
    return x.flatten(2).gather(2, flat).unflatten(2, rows.shape[1:])


def bilinear(x: Tensor, rows: Tensor, cols: Tensor, edge: Edge = symmetric) -> Tensor:
    """Return x (b, c, h, w) at any ``rows`` and ``cols``, both (b, h', w')."""
    height, width = x.shape[2:]
    top = rows.floor()
    left = cols.floor()
    down = (rows - top)[:, None]
    along = (cols - left)[:, None]
    west = edge(left.long(), width)
    east = edge(left.long() + 1, width)

    def between(row: Tensor) -> Tensor:
        """Return the mean of a row's two neighbours, weighted by their nearness."""
        return taken(x, row, west) * (1 - along) + taken(x, row, east) * along

    upper = between(edge(top.long(), height))
    lower = between(edge(top.long() + 1, height))
    return upper * (1 - down) + lower * down


def zoomed(x: Tensor, factor: float) -> Tensor:
    """Enlarge the middle of x by ``factor`` >= 1."""
    for axis in (2, 3):
        size = x.shape[axis]
        middle = (size - 1) / 2
        places = (torch.arange(size, device=x.device, dtype=x.dtype) - middle) / factor + middle
        first = places.floor()
        share = (places - first).view((-1, 1) if axis == 2 else (1, -1))
        near = x.index_select(axis, clamped(first.long(), size))
        far = x.index_select(axis, clamped(first.long() + 1, size))
        x = near * (1 - share) + far * share
    return x


def moved(x: Tensor, down: Tensor, along: Tensor) -> Tensor:
    """Shift images by whole pixels of their own, ``down`` and ``along`` (b,); the edge goes on."""
    rows, cols = (torch.arange(size, device=x.device) for size in x.shape[2:])
    rows = clamped(rows - down.to(rows)[:, None], x.shape[2])[:, :, None]
    cols = clamped(cols - along.to(cols)[:, None], x.shape[3])[:, None, :]
    shape = (len(x), *x.shape[2:])
    return taken(x, rows.expand(shape), cols.expand(shape))
