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
    """Shrink by averaging over boxes to a ``share`` of each side, and enlarge by repeating pixels."""
    for axis in (2, 3):
        x = _boxes(x, axis, max(1, int(x.shape[axis] * share)))
    return x


def _boxes(x: Tensor, axis: int, n: int) -> Tensor:
    """One axis cut into n boxes of whole pixels, each pixel the mean of its box."""
    size = x.shape[axis]
    box = (2 * np.arange(size) + 1) * n // (2 * size)  # where the middle of each pixel lies
    _, first, count = np.unique(box, return_index=True, return_counts=True)
    out = torch.zeros_like(x)
    for k in range(count.max()):
        place = torch.from_numpy(first + np.minimum(k, count - 1))[box].to(x.device)
        weight = torch.from_numpy((k < count) / count)[box].to(x)
        out = out + weight.view((-1, 1) if axis == 2 else (1, -1)) * x.index_select(axis, place)
    return out


def elastic(x: Tensor, draws: Draws, amount: float, smooth: float, slant: float) -> Tensor:
    """Slant the image at random, and stretch it like rubber. All three strengths are shares of the shorter side.

    Three points move by U(-slant, slant) each, which fixes an affine map; on top, every pixel moves
    by ``amount`` times noise from U(-1, 1) that is smoothed by a Gaussian of ``smooth``.
    """
    height, width = x.shape[2:]
    side = min(height, width)
    affine = draws.tensor(lambda rng: _affine(rng, height, width, slant * side))[
        :, :, :, None, None
    ]
    push = draws.uniform(-1, 1, 2, height, width)
    if smooth > 0:
        push = gaussian(push, smooth * side, truncate=3.0, edge=symmetric)
    rows, cols = grid(x)
    rows = rows + amount * side * push[:, 0]
    cols = cols + amount * side * push[:, 1]
    down, along = (
        affine[:, i, 0] * rows + affine[:, i, 1] * cols + affine[:, i, 2] for i in (0, 1)
    )
    return bilinear(x, down, along, mirrored)


def _affine(rng: np.random.Generator, height: int, width: int, reach: float) -> np.ndarray:
    """Map (2, 3) from places of the new image to places of the old one, both (row, column, 1)."""
    middle = np.array([height, width]) // 2
    arm = min(height, width) // 3
    points = middle + arm * np.array([(1, 1), (1, -1), (-1, -1)])
    away = points + reach * rng.uniform(-1, 1, (3, 2))
    return np.linalg.solve(np.c_[away, np.ones(3)], points).T
