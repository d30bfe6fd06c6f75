"""What images are like at a glance: brightness, colour, size, sharpness, borders and corners."""

from typing import Any

import numpy as np
import pandas as pd
from scipy.ndimage import convolve

from sklearn_debias.arguments import in_our_words
from sklearn_debias.fitting import on_own_terms, open_inputs
from sklearn_debias.training import PictureSource, blamed, white

__all__ = ["image_properties"]

LUMINANCE = np.array([0.299, 0.587, 0.114], dtype=np.float32)  # ITU-R BT.601
# Of 30 degrees each, the first from -15 to 15.
HUES = (
    *("red", "orange", "yellow", "lime", "green", "mint"),
    *("cyan", "azure", "blue", "violet", "magenta", "rose"),
)
GREY = "grey"
COLOURLESS = 0.02  # mean chroma, in [0, 1], below which an image or a patch is grey
EDGE = 8  # a border or a corner is this part of a side
LAPLACIAN = np.array([[0, 1, 0], [1, -4, 1], [0, 1, 0]], dtype=np.float32)
VALUES = 1 << 22  # of the images that are looked at together: 16 MB of float32
SLACK = 1e-4  # what arithmetic may leave beyond [0, 1]


@in_our_words
def image_properties(images: Any) -> pd.DataFrame:
    """Return simple properties of images, one row each: what a shortcut may be made of.

    Parameters
    ----------
    images : array-like of shape (n, channels, height, width), list of image paths, or Dataset
        Of 1 (grey), 3 (RGB) or 4 channels (the fourth, alpha, is not looked at): uint8, or floats
        in [0, 1]. Paths and images of Pillow may differ in size; where these are transparent, white
        shows through, as everywhere.

    Returns
    -------
    properties : pandas.DataFrame of shape (n, 17)
        "brightness" (mean luminance, in [0, 1]), "contrast" (its standard deviation), "saturation"
        (mean of HSV, in [0, 1]), "colour" (the dominant hue, of twelve, or "grey"), "height",
        "width" (pixels), "sharpness" (variance of the Laplacian of the luminance [1]_), and the
        brightness and colour of the border and of the four corners ("border_brightness",
        "border_colour", "top_left_brightness", ..., "bottom_right_colour"), each an eighth of the
        sides wide, at least one pixel. Texts and floats.

    Raises
    ------
    TypeError, ValueError
        If the images cannot be read, have another number of channels, or floats beyond [0, 1].

    See Also
    --------
    sklearn_debias.inspection.bias_report : which of them predict the classes.

    References
    ----------
    .. [1] J. Pech-Pacheco et al., "Diatom autofocusing in brightfield microscopy: a comparative
       study", ICPR 2000.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_debias.feature_extraction import image_properties
    >>> images = np.zeros((2, 3, 16, 16))
    >>> images[1, 0, :2, :2] = 1  # a red corner
    >>> image_properties(images)[["colour", "top_left_colour", "height"]].values.tolist()
    [['grey', 'grey', 16.0], ['grey', 'red', 16.0]]
    """
    advice = "Pass images (n, channels, height, width), or a list of paths."
    with on_own_terms(small=True), blamed("images", advice):
        inputs = open_inputs(images, dtype=None)
        if len(inputs.shape) != 3:
            raise ValueError(f"they must be 4-D, got rows of shape {inputs.shape}")
        one_by_one = isinstance(inputs.source, PictureSource)  # they may differ in size
        step = 1 if one_by_one else max(1, VALUES // int(np.prod(inputs.shape)))
        found: list[dict[str, np.ndarray]] = []
        for first in range(0, len(inputs), step):
            index = np.arange(first, min(first + step, len(inputs)))
            rows = inputs.source.take(index).numpy()
            found.append(_properties(_pictures(rows, first)))
    # One frame of all: a frame for each picture costs more than its properties.
    columns = {name: np.concatenate([part[name] for part in found]) for name in found[0]}
    return pd.DataFrame(columns)


def _pictures(rows: np.ndarray, first: int) -> np.ndarray:
    """Return images (b, c, h, w) as RGB floats (b, 3, h, w) in [0, 1]."""
    if rows.shape[1] not in (1, 3, 4):
        raise ValueError(f"they must have 1, 3 or 4 channels, got {rows.shape[1]}")
    pictures = rows[:, :3].astype(np.float32) / np.float32(white(rows))
    low, high = pictures.min(), pictures.max()
    if low < -SLACK or high > 1 + SLACK:
        raise ValueError(
            f"they must be uint8 or floats in [0, 1], got values from {low:g} to {high:g} in row "
            f"{first} or behind it; undo what standardises them"
        )
    pictures = pictures.clip(0, 1)
    return np.repeat(pictures, 3, axis=1) if pictures.shape[1] == 1 else pictures


def _properties(pictures: np.ndarray) -> dict[str, np.ndarray]:
    """Return the properties of pictures (b, 3, h, w), each of shape (b,)."""
    light = np.einsum("bchw,c->bhw", pictures, LUMINANCE)
    top = pictures.max(axis=1)
    chroma = top - pictures.min(axis=1)
    saturation = chroma / np.where(top > 0, top, 1)
    hue = _hues(pictures, top, chroma)
    height, width = light.shape[1:]
    found: dict[str, np.ndarray] = {
        "brightness": light.mean(axis=(1, 2), dtype=float),
        "contrast": light.std(axis=(1, 2), dtype=float),
        "saturation": saturation.mean(axis=(1, 2), dtype=float),
        "colour": _dominant(hue, chroma, np.ones((height, width), dtype=bool)),
        "height": np.full(len(light), float(height)),
        "width": np.full(len(light), float(width)),
        "sharpness": convolve(light, LAPLACIAN[None], mode="nearest").var(axis=(1, 2), dtype=float),
    }
    for name, mask in _edges(height, width).items():
        found[f"{name}_brightness"] = light[:, mask].mean(axis=1, dtype=float)
        found[f"{name}_colour"] = _dominant(hue, chroma, mask)
    return found


def _edges(height: int, width: int) -> dict[str, np.ndarray]:
    """Return the masks (h, w) of the border and of the corners."""
    down = max(1, height // EDGE)
    right = max(1, width // EDGE)
    rows = np.arange(height)[:, None]
    columns = np.arange(width)[None]
    top, bottom = rows < down, rows >= height - down
    left, far = columns < right, columns >= width - right
    return {
        "border": top | bottom | left | far,
        "top_left": top & left,
        "top_right": top & far,
        "bottom_left": bottom & left,
        "bottom_right": bottom & far,
    }


def _hues(pictures: np.ndarray, top: np.ndarray, chroma: np.ndarray) -> np.ndarray:
    """Return the hue of each pixel, as a position in `HUES`, of shape (b, h, w)."""
    red, green, blue = np.moveaxis(pictures, 1, 0)
    span = np.where(chroma > 0, chroma, 1)
    sixth = np.where(
        top == red,
        (green - blue) / span,
        np.where(top == green, (blue - red) / span + 2, (red - green) / span + 4),
    )
    return np.floor(sixth * 2 + 0.5).astype(np.intp) % len(HUES)


def _dominant(hue: np.ndarray, chroma: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Return the name of the hue with most chroma inside a mask (h, w), of shape (b,)."""
    inside = hue[:, mask]
    strength = chroma[:, mask].astype(float)
    rows = np.arange(len(inside))[:, None]
    cells = (rows * len(HUES) + inside).ravel()
    sums = np.bincount(cells, strength.ravel(), minlength=len(inside) * len(HUES))
    named = np.array(HUES, dtype=object)[sums.reshape(-1, len(HUES)).argmax(axis=1)]
    return np.where(strength.mean(axis=1) < COLOURLESS, GREY, named)
