"""Weather of "Benchmarking Neural Network Robustness": snow, frost, fog, and spatter."""

import numpy as np
import torch
from torch import Tensor

from sklearn_debias.corruptions._blurs import direction, smeared
from sklearn_debias.corruptions._colours import brightest, luma
from sklearn_debias.corruptions._draws import Draws
from sklearn_debias.corruptions._sampling import clamped, gaussian, moved, zoomed
from sklearn_debias.corruptions._textures import clouds, ice

WATER = (175 / 255, 238 / 255, 238 / 255)
MUD = (63 / 255, 42 / 255, 20 / 255)


def snow(
    x: Tensor,
    draws: Draws,
    mean: float,
    std: float,
    zoom: float,
    threshold: float,
    radius: int,
    sigma: float,
    kept: float,
) -> Tensor:
    """Whiten the image and let flakes fall at an angle from U(-135, -45) degrees.

    Flakes are values of N(mean, std) above ``threshold``, enlarged by ``zoom`` and smeared. Each
    falls twice, the second time with all flakes turned by 180 degrees.
    """
    flakes = zoomed(mean + std * draws.normal(1, *x.shape[2:]), zoom)
    flakes = torch.where(flakes < threshold, 0, flakes).clamp(0, 1)
    directions = draws.arrays(lambda rng: direction(rng.uniform(-135, -45)))
    flakes = smeared(flakes, directions, radius, sigma)
    pale = torch.maximum(x, luma(x) * 1.5 + 0.5)
    return kept * x + (1 - kept) * pale + flakes + flakes.flip(2, 3)


def frost(x: Tensor, draws: Draws, kept: float, share: float) -> Tensor:
    """Lay a texture of ice over the image: kept x + share ice.

    The texture is drawn, not photographed.
    """
    texture = ice(draws, *x.shape[2:])
    if x.shape[1] == 1:
        texture = luma(texture)
    return kept * x + share * texture


def fog(x: Tensor, draws: Draws, amount: float, decay: float) -> Tensor:
    """Add clouds, and rescale so that the brightest value stays."""
    brightest_value = brightest(x)
    misty = x + amount * clouds(draws, x.shape[2], x.shape[3], decay)
    return misty * brightest_value / (brightest_value + amount)


def spatter(
    x: Tensor,
    draws: Draws,
    mean: float,
    std: float,
    sigma: float,
    threshold: float,
    strength: float,
    mud: int,
) -> Tensor:
    """Let drops of water (pale turquoise) or mud (brown) fall on the image.

    They fall where blurred noise exceeds ``threshold``. Drops of water are lit from the top left,
    which approximates the shading of the original by edges and distances.
    """
    noise = mean + std * draws.normal(1, *x.shape[2:])
    liquid = gaussian(noise, sigma, edge=clamped)
    if mud:
        # For mud the strength is the width of a blur: the recipe has one number for both.
        cover = gaussian((liquid > threshold).to(x), strength, edge=clamped)
        cover = torch.where(cover < 0.8, 0, cover)
        return x * (1 - cover) + cover * _colour(MUD, x)
    drops = torch.where(liquid < threshold, 0, liquid)
    one = torch.ones(len(x), device=x.device)
    lit = (drops - moved(drops, one, one)).clamp(min=0) + 0.5 * drops
    lit = gaussian(lit, 0.5, edge=clamped)
    top = lit.amax((2, 3), keepdim=True)
    return x + strength * lit / torch.where(top > 0, top, 1) * _colour(WATER, x)


def _colour(rgb: tuple[float, float, float], x: Tensor) -> Tensor:
    """Return a colour as (3, 1, 1), or its brightness as (1, 1, 1) for grey images."""
    colour = torch.tensor(np.array(rgb), device=x.device).to(x)[None, :, None, None]
    return (colour if x.shape[1] == 3 else luma(colour))[0]
