"""The eight corruptions that BiasAdv's models are tried on: Section D.3 of its supplement [1]_.

Every image draws its own parameters. Strengths are the paper's; what it leaves open follows the
defaults of the library that it used (imgaug 0.4: one noise for all channels, salt and pepper in
greys, the width and the edges of the blur, sizes of the dropped rectangles, how corners move, the
JPEG quality that a compression strength means). That library rounds to whole grey levels after
each corruption; here nothing is rounded.

References
----------
.. [1] J. Lim et al., "BiasAdv: Bias-Adversarial Augmentation for Model Debiasing", CVPR 2023.
"""

import numpy as np
import torch
from torch import Tensor

from sklearn_debias.corruptions._draws import Draws
from sklearn_debias.corruptions._jpeg import recompressed
from sklearn_debias.corruptions._sampling import (
    bilinear,
    blur,
    gaussian_kernel,
    grid,
    mirrored,
    symmetric,
)

# Strengths, as in Section D.3.
NOISE = 0.01  # largest standard deviation
SALT_AND_PEPPER = 0.001  # share of the pixels
SQUARES = 2
SQUARE_SIDE = 0.2  # of the shorter side
GREY = 128 / 255
DROPPED = 0.05  # largest share of the pixels
ANGLE = 30.0  # degrees
COMPRESSION = (80.0, 95.0)
SIGMA = (1.0, 3.0)  # pixels
WIDTH = 3.3  # of the blur's kernel, in standard deviations
FEWEST_TAPS = 5
CORNERS = (0.05, 0.15)  # standard deviation of the corners, in sides
# Sizes of the dropped rectangles, from imgaug's documentation: the paper does not state them.
CELLS = (0.02, 0.25)  # cells per pixel of a side
FEWEST_CELLS = 3

SQUARE = np.array([(0, 0), (1, 0), (1, 1), (0, 1)])  # corners as (x, y), clockwise


def gaussian_noise(x: Tensor, draws: Draws) -> Tensor:
    """Add N(0, s) to every pixel, the same to all channels, s from U(0, .01)."""
    s = draws.uniform(0, NOISE, 1, 1, 1)
    return x + s * draws.normal(1, *x.shape[2:])


def salt_and_pepper(x: Tensor, draws: Draws) -> Tensor:
    """Make each pixel grey with probability .001, all channels together.

    The grey is from Beta(.5, .5): mostly near black or near white.
    """
    hit = draws.uniform(0, 1, 1, *x.shape[2:]) < SALT_AND_PEPPER
    # A second draw for the grey: the numbers that hit are all below .001.
    grey = draws.tensor(lambda rng: rng.beta(0.5, 0.5, (1, *x.shape[2:])))
    return torch.where(hit, grey, x)


def cutout(x: Tensor, draws: Draws) -> Tensor:
    """Lay two grey squares anywhere, of 20 % of the shorter side.

    The part of a square that reaches beyond the image is cut off.
    """
    height, width = x.shape[2:]
    side = max(1, round(SQUARE_SIDE * min(height, width)))
    rows, cols = grid(x)
    for _ in range(SQUARES):
        middle = draws.uniform(0, 1, 2, 1, 1)
        top = (middle[:, 0] * height - side / 2).round()
        left = (middle[:, 1] * width - side / 2).round()
        inside = (rows >= top) & (rows < top + side) & (cols >= left) & (cols < left + side)
        x = torch.where(inside[:, None], x.new_tensor(GREY), x)
    return x


def coarse_dropout(x: Tensor, draws: Draws) -> Tensor:
    """Make rectangles black: cells of a coarse lattice, each with probability p from U(0, .05)."""
    kept = draws.tensor(lambda rng: _kept(rng, *x.shape[2:]))
    return x * kept[:, None]


def _kept(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    """Return 1 where a pixel stays, 0 where its cell is dropped: (height, width)."""
    p = rng.uniform(0, DROPPED)
    cells = rng.uniform(*CELLS)
    n_rows, n_cols = (min(size, max(FEWEST_CELLS, round(cells * size))) for size in (height, width))
    stays = rng.uniform(size=(n_rows, n_cols)) >= p
    row_of_pixel = np.arange(height) * n_rows // height
    col_of_pixel = np.arange(width) * n_cols // width
    return stays[np.ix_(row_of_pixel, col_of_pixel)].astype(float)


def rotation(x: Tensor, draws: Draws) -> Tensor:
    """Turn about the middle by an angle from U(-30, 30) degrees.

    The image goes on mirrored beyond its edges.
    """
    turn = draws.tensor(lambda rng: _turn(rng.uniform(-ANGLE, ANGLE)))
    cos = turn[:, 0, None, None]
    sin = turn[:, 1, None, None]
    mid_row, mid_col = ((size - 1) / 2 for size in x.shape[2:])
    rows, cols = grid(x)
    down = rows - mid_row
    along = cols - mid_col
    from_rows = down * cos + along * sin + mid_row
    from_cols = along * cos - down * sin + mid_col
    return bilinear(x, from_rows, from_cols, symmetric)


def _turn(degrees: float) -> tuple[float, float]:
    """Return cosine and sine of an angle."""
    # By NumPy, on the CPU: a GPU's sine may differ in the last bit.
    return np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))


def perspective(x: Tensor, draws: Draws) -> Tensor:
    """Stretch a quadrangle inside of the image over all of it.

    Its corners lie |N(0, s)| of a side away from the image's, s from U(.05, .15).
    """
    m = draws.tensor(lambda rng: _homography(_corners(rng), *x.shape[2:]))[:, :, None, None]
    rows, cols = grid(x)
    scale = m[:, 6] * cols + m[:, 7] * rows + 1
    along = (m[:, 0] * cols + m[:, 1] * rows + m[:, 2]) / scale
    down = (m[:, 3] * cols + m[:, 4] * rows + m[:, 5]) / scale
    return bilinear(x, down, along)


def _corners(rng: np.random.Generator) -> np.ndarray:
    """Return corners (4, 2) as (x, y) in [0, 1], clockwise from the top left."""
    # Below half a side: corners that pass each other would turn the quadrangle inside out.
    shift = np.abs(rng.normal(0, rng.uniform(*CORNERS), (4, 2))) % 0.5
    return np.abs(SQUARE - shift)


def _homography(corners: np.ndarray, height: int, width: int) -> np.ndarray:
    """Return eight numbers that map the pixels of the image's corners to `corners`.

    The ninth number of a homography is free, and is 1 here.
    """
    size = np.array([width - 1, height - 1])
    rows = []
    values = []
    for (x, y), (u, v) in zip(SQUARE * size, corners * size, strict=True):
        # u = (a x + b y + c) / (g x + h y + 1), times the denominator; v alike.
        rows.append((x, y, 1, 0, 0, 0, -u * x, -u * y))
        rows.append((0, 0, 0, x, y, 1, -v * x, -v * y))
        values.append(u)
        values.append(v)
    return np.linalg.solve(np.array(rows, dtype=float), np.array(values))


def jpeg(x: Tensor, draws: Draws) -> Tensor:
    """Encode as JPEG and decode.

    The compression strength is from U(80, 95): the quality goes from 22 down to 7.
    """
    strengths = draws.arrays(lambda rng: rng.uniform(*COMPRESSION))
    return recompressed(x, [quality(strength) for strength in strengths])


def quality(compression: float) -> int:
    """Return the JPEG quality of a compression strength in 0..100, as imgaug maps them."""
    return round(1 + 99 * (1 - compression / 101))


def gaussian_blur(x: Tensor, draws: Draws) -> Tensor:
    """Blur with a standard deviation from U(1, 3) pixels.

    The kernel is narrow: about 3.3 standard deviations in all, and at least five pixels.
    """
    return blur(x, draws.tensor(lambda rng: _narrow_kernel(_width_drawn(rng))), mirrored)


def _width_drawn(rng: np.random.Generator) -> float:
    """Return the standard deviation of an image's blur, in pixels."""
    return rng.uniform(*SIGMA)


def _narrow_kernel(sigma: float) -> np.ndarray:
    """Return a Gaussian kernel as wide as imgaug has it, in the middle of zeros."""
    # Kernels of one length make one tensor.
    widest = _radius(SIGMA[1])
    radius = _radius(sigma)
    return np.pad(gaussian_kernel(sigma, radius), widest - radius)


def _radius(sigma: float) -> int:
    """Return the pixels that the kernel reaches to either side, for ``sigma`` up to 3."""
    return int(max(WIDTH * sigma, FEWEST_TAPS)) // 2
