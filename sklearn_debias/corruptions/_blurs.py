"""Blurs of "Benchmarking Neural Network Robustness": Gaussian, defocus, glass, motion, zoom."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from sklearn_debias.corruptions._draws import Draws
from sklearn_debias.corruptions._sampling import (
    clamped,
    gaussian,
    gaussian_kernel,
    grid,
    mirrored,
    moved,
    taken,
    zoomed,
)


def gaussian_blur(x: Tensor, draws: Draws, sigma: float) -> Tensor:
    """Blur with a standard deviation of ``sigma`` pixels."""
    return gaussian(x, sigma, edge=clamped)


def defocus_blur(x: Tensor, draws: Draws, radius: float, soft: float) -> Tensor:
    """Average over a disc whose edge is softened by a Gaussian of ``soft`` pixels."""
    reach = int(radius) + 1
    steps = np.arange(-reach, reach + 1)
    disc = (steps[:, None] ** 2 + steps**2 <= radius**2).astype(float)
    narrow = gaussian_kernel(soft, 1)
    for axis in (0, 1):
        disc = np.apply_along_axis(np.convolve, axis, disc, narrow, mode="same")
    kernel = disc / disc.sum()
    rows, cols = (places.long() for places in grid(x))
    out = torch.zeros_like(x)
    # Shifted copies, not a convolution: see `_sampling` on the order of sums.
    for (i, j), weight in np.ndenumerate(kernel):
        down = mirrored(rows + i - reach, x.shape[2])
        along = mirrored(cols + j - reach, x.shape[3])
        out = out + float(weight) * x[:, :, down, along]
    return out


def glass_blur(x: Tensor, draws: Draws, sigma: float, reach: int, rounds: int) -> Tensor:
    """Blur, swap pixels, and blur again.

    Each pixel changes places with one up to ``reach`` above and to the left.
    """
    height, width = x.shape[2:]
    x = gaussian(x, sigma, edge=clamped)
    # From the bottom right, as the original does: a pixel may wander far, from swap to swap.
    rows = np.arange(height - reach, reach, -1)
    cols = np.arange(width - reach, reach, -1)
    # Always for two rounds: an image meets the same numbers at every severity.
    shape = (2, 2, len(rows), len(cols))
    steps = draws.arrays(lambda rng: rng.integers(-reach, reach, shape))[:, :rounds]
    # Swaps depend on the ones before: a loop over pixels, for all images of the batch at once.
    order = np.tile(np.arange(height * width), (len(x), 1))
    images = np.arange(len(x))
    for turn in range(rounds):
        for i, row in enumerate(rows):
            for j, col in enumerate(cols):
                here = row * width + col
                there = here + steps[:, turn, 0, i, j] * width + steps[:, turn, 1, i, j]
                kept = order[:, here].copy()
                order[:, here] = order[images, there]
                order[images, there] = kept
    places = torch.from_numpy(order).to(x.device).unflatten(1, (height, width))
    return gaussian(taken(x, places // width, places % width), sigma, edge=clamped)


def motion_blur(x: Tensor, draws: Draws, radius: int, sigma: float) -> Tensor:
    """Smear along a line, at an angle from U(-45, 45) degrees."""
    directions = draws.arrays(lambda rng: direction(rng.uniform(-45, 45)))
    return smeared(x, directions, radius, sigma)


def direction(degrees: float) -> tuple[float, float]:
    """Return the rows and columns that one pixel of way at this angle covers."""
    return np.sin(np.deg2rad(degrees)), np.cos(np.deg2rad(degrees))


def smeared(x: Tensor, directions: np.ndarray, radius: int, sigma: float) -> Tensor:
    """Average each image over its shifts by 0 to 2 ``radius`` pixels.

    ``directions`` (b, 2) has one for each image. The weights are half of a Gaussian: what is near
    counts most, as in ImageMagick's motion blur.
    """
    taps = 2 * radius + 1
    weights = gaussian_kernel(sigma, taps - 1)[taps - 1 :]
    weights = weights / weights.sum()
    out = torch.zeros_like(x)
    for k, weight in enumerate(weights):
        down, along = torch.from_numpy(np.rint(k * directions).astype(int)).unbind(1)
        out = out + float(weight) * moved(x, down, along)
    return out


def zoom_blur(x: Tensor, draws: Draws, factors: Sequence[float]) -> Tensor:
    """Average the image and its middle at growing scales."""
    total = x
    for factor in factors:
        total = total + zoomed(x, factor)
    return total / (len(factors) + 1)
