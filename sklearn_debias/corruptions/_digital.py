"""Elastic distortion, coarse pixels and JPEG of "Benchmarking Neural Network Robustness"."""

import numpy as np
import torch
from torch import Tensor

from sklearn_debias.corruptions._draws import Draws
from sklearn_debias.corruptions._jpeg import recompressed
from sklearn_debias.corruptions._sampling import bilinear, gaussian, grid, mirrored, symmetric


def jpeg(x: Tensor, draws: Draws, quality: int) -> Tensor:
    """Encode as JPEG of this quality, and decode."""
    return recompressed(x, [quality] * len(x))


def pixelate(x: Tensor, draws: Draws, share: float) -> Tensor:
    """Shrink to a ``share`` of each side by averaging over boxes, enlarge by repeating pixels."""
    for axis in (2, 3):
        x = _boxes(x, axis, max(1, int(x.shape[axis] * share)))
    return x


def _boxes(x: Tensor, axis: int, n: int) -> Tensor:
    """Cut one axis into n boxes of whole pixels, and make each pixel the mean of its box."""
    size = x.shape[axis]
    box = (2 * np.arange(size) + 1) * n // (2 * size)  # where the middle of each pixel lies
    _, first, count = np.unique(box, return_index=True, return_counts=True)
    out = torch.zeros_like(x)
    along = (-1, 1) if axis == 2 else (1, -1)
    # A box that is shorter by one adds its last pixel once more, with weight 0.
    for k in range(count.max()):
        place = torch.from_numpy(first + np.minimum(k, count - 1))[box].to(x.device)
        weight = torch.from_numpy((k < count) / count)[box].to(x)
        out = out + weight.view(along) * x.index_select(axis, place)
    return out


def elastic(x: Tensor, draws: Draws, amount: float, smooth: float, slant: float) -> Tensor:
    """Slant the image at random, and stretch it like rubber.

    Three points move by U(-slant, slant) each, which fixes an affine map. On top, every pixel moves
    by ``amount`` times noise from U(-1, 1) that is smoothed by a Gaussian of ``smooth``. All three
    strengths are shares of the shorter side.
    """
    height, width = x.shape[2:]
    side = min(height, width)
    affine = draws.tensor(lambda rng: _affine(rng, height, width, slant * side))
    m = affine[:, :, :, None, None]
    push = draws.uniform(-1, 1, 2, height, width)
    if smooth > 0:
        push = gaussian(push, smooth * side, truncate=3.0, edge=symmetric)
    rows, cols = grid(x)
    rows = rows + amount * side * push[:, 0]
    cols = cols + amount * side * push[:, 1]
    down = m[:, 0, 0] * rows + m[:, 0, 1] * cols + m[:, 0, 2]
    along = m[:, 1, 0] * rows + m[:, 1, 1] * cols + m[:, 1, 2]
    return bilinear(x, down, along, mirrored)


def _affine(rng: np.random.Generator, height: int, width: int, reach: float) -> np.ndarray:
    """Return the map (2, 3) from places of the new image, (row, column, 1), to the old one's."""
    middle = np.array([height, width]) // 2
    arm = min(height, width) // 3
    points = middle + arm * np.array([(1, 1), (1, -1), (-1, -1)])
    # From new to old: each new pixel must know where it comes from, or there would be holes.
    away = points + reach * rng.uniform(-1, 1, (3, 2))
    return np.linalg.solve(np.c_[away, np.ones(3)], points).T
