"""Random textures: fractal clouds and ice."""

import numpy as np
import torch
from torch import Tensor

from sklearn_debias.corruptions._draws import Draws
from sklearn_debias.corruptions._sampling import gaussian


def clouds(draws: Draws, height: int, width: int, decay: float) -> Tensor:
    """Draw a plasma fractal (diamond-square on a torus) in [0, 1], shape (b, 1, height, width).

    A level's random steps are ``decay ** 2`` times smaller than the ones of the level above: the
    larger, the softer.
    """
    # Each level halves the step: the field needs a side that is a power of two.
    side = 2 ** int(np.ceil(np.log2(max(height, width))))
    levels = int(np.log2(side))
    steps = draws.arrays(lambda rng: rng.uniform(-1, 1, (side, side)))
    field = np.zeros_like(steps)
    for level in range(levels):
        step = side >> level
        half = side >> (level + 1)
        wander = float(decay) ** (-2 * level)
        corners = field[:, ::step, ::step]
        right = np.roll(corners, -1, 2)
        below = np.roll(corners, -1, 1)
        middles = (corners + right + below + np.roll(right, -1, 1)) / 4
        middles = middles + wander * steps[:, half::step, half::step]
        field[:, half::step, half::step] = middles
        flat = (corners + right + middles + np.roll(middles, 1, 1)) / 4
        field[:, ::step, half::step] = flat + wander * steps[:, ::step, half::step]
        steep = (corners + below + middles + np.roll(middles, 1, 2)) / 4
        field[:, half::step, ::step] = steep + wander * steps[:, half::step, ::step]
    field = field - field.min((1, 2), keepdims=True)
    field = field / field.max((1, 2), keepdims=True)
    return draws.like(field[:, None, :height, :width])


def ice(draws: Draws, height: int, width: int) -> Tensor:
    """Draw frost on a window: bright, bluish needles on pale patches.

    It has the shape (b, 3, height, width) and lies in [0, 1]. The texture is our own, where the
    original lays photographs of frost over the image.
    """
    patches = clouds(draws, height, width, 1.6)
    needles = draws.normal(3, height, width)
    out = 0.35 + 0.45 * patches
    growth = ((1, 1), (1, -1), (0, 1))  # directions in which crystals grow
    for i, (down, along) in enumerate(growth):
        streak = needles[:, i : i + 1]
        # Two steps mix four pixels in a row; the root keeps the variance of the noise at 1.
        for step in (1, 2):
            streak = (streak + torch.roll(streak, (step * down, step * along), (2, 3))) / 2**0.5
        out = out + 0.3 * patches * (streak - 1).clamp(0, 1)
    out = gaussian(out, 0.4).clamp(0, 1)
    tint = torch.tensor([0.88, 0.96, 1.0], device=out.device).to(out)
    return out * tint[:, None, None]
