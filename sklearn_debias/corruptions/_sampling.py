"""Blurring and resampling of batches, every image with its own kernel or its own coordinates.

Sums, products and gathers of single pixels only: torch's convolutions, matrix products and
reductions may take another order of summation for another number of images, and an image must not
depend on its batch to the last bit.
"""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

Edge = Callable[[Tensor, int], Tensor]  # (indices, size) -> indices in 0..size - 1


def clamped(index: Tensor, size: int) -> Tensor:
    """``a a | a b c | c c``: the pixel at the edge goes on."""
    return index.clamp(0, size - 1)


def symmetric(index: Tensor, size: int) -> Tensor:
    """``b a | a b c | c b``: mirrored, the pixel at the edge twice."""
    index = index.remainder(2 * size)
    return torch.where(index < size, index, 2 * size - 1 - index)


def mirrored(index: Tensor, size: int) -> Tensor:
    """``c b | a b c | b a``: mirrored at the pixel at the edge."""
    period = max(2 * (size - 1), 1)
    index = index.remainder(period)
    return torch.minimum(index, period - index).clamp(max=size - 1)


def gaussian_kernel(sigma: float, radius: int) -> np.ndarray:
    """Normal density at -radius..radius, summing to 1, shape (2 radius + 1,); sigma 0 is no blur."""
    steps = np.arange(-radius, radius + 1)
    kernel = np.exp(-0.5 * (steps / sigma) ** 2) if sigma > 0 else (steps == 0).astype(float)
    return kernel / kernel.sum()


def blur(x: Tensor, kernel: Tensor, edge: Edge = symmetric) -> Tensor:
    """Rows and columns of x (b, c, h, w) convolved with ``kernel`` (b, taps), taps odd."""
    for axis in (-2, -1):
        size = x.shape[axis]
        places = torch.arange(size, device=x.device)
        out = torch.zeros_like(x)
        for k in range(kernel.shape[1]):
            taken = x.index_select(axis, edge(places + k - kernel.shape[1] // 2, size))
            out = out + kernel[:, k, None, None, None] * taken
        x = out
    return x


def gaussian(x: Tensor, sigma: float, *, truncate: float = 4.0, edge: Edge = symmetric) -> Tensor:
    """All images of x (b, c, h, w) blurred by one Gaussian, cut at ``truncate`` standard deviations."""
    kernel = gaussian_kernel(sigma, max(1, int(truncate * sigma + 0.5)))
    return blur(x, torch.from_numpy(kernel).to(x).expand(len(x), -1), edge)


def grid(x: Tensor) -> tuple[Tensor, Tensor]:
    """Rows (h, 1) and columns (1, w) of the pixels of x (b, c, h, w)."""
    rows, cols = (torch.arange(size, device=x.device, dtype=x.dtype) for size in x.shape[-2:])
    return rows[:, None], cols[None, :]


def taken(x: Tensor, rows: Tensor, cols: Tensor) -> Tensor:
    """Pixels of x (b, c, h, w) at whole, valid ``rows`` and ``cols``, both (b, h', w')."""
    flat = (rows * x.shape[3] + cols).flatten(1)[:, None].expand(-1, x.shape[1], -1)
    return x.flatten(2).gather(2, flat).unflatten(2, rows.shape[1:])


def bilinear(x: Tensor, rows: Tensor, cols: Tensor, edge: Edge = symmetric) -> Tensor:
    """X (b, c, h, w) at any ``rows`` and ``cols``, both (b, h', w')."""
    top, left = rows.floor(), cols.floor()
    down = (rows - top)[:, None]
    along = (cols - left)[:, None]
    tops, lefts = (
        [edge(first.long() + i, size) for i in (0, 1)]
        for first, size in zip((top, left), x.shape[2:], strict=True)
    )
    upper, lower = (
        taken(x, row, lefts[0]) * (1 - along) + taken(x, row, lefts[1]) * along for row in tops
    )
    return upper * (1 - down) + lower * down


def zoomed(x: Tensor, factor: float) -> Tensor:
    """The middle of x, enlarged by ``factor`` >= 1."""
    for axis in (2, 3):
        size = x.shape[axis]
        middle = (size - 1) / 2
        places = (torch.arange(size, device=x.device, dtype=x.dtype) - middle) / factor + middle
        first = places.floor()
        share = (places - first).view((-1, 1) if axis == 2 else (1, -1))
        near, far = (x.index_select(axis, clamped(first.long() + i, size)) for i in (0, 1))
        x = near * (1 - share) + far * share
    return x


def moved(x: Tensor, down: Tensor, along: Tensor) -> Tensor:
    """Images shifted by whole pixels of their own, ``down`` and ``along`` (b,); the edge goes on."""
    rows, cols = (torch.arange(size, device=x.device) for size in x.shape[2:])
    rows = clamped(rows - down.to(rows)[:, None], x.shape[2])[:, :, None]
    cols = clamped(cols - along.to(cols)[:, None], x.shape[3])[:, None, :]
    shape = (len(x), *x.shape[2:])
    return taken(x, rows.expand(shape), cols.expand(shape))
