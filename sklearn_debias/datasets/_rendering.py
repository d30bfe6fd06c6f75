"""Small images of digits with a value of the bias drawn into them."""

import numpy as np

# Colours that eyes tell apart, the first pairs also with colour-blindness, and that a linear model
# on the pixels tells apart as well.
PALETTE = {
    "orange": (1.0, 0.55, 0.1),
    "blue": (0.25, 0.45, 1.0),
    "green": (0.2, 0.85, 0.3),
    "magenta": (1.0, 0.3, 0.9),
    "yellow": (1.0, 1.0, 0.3),
    "cyan": (0.2, 0.95, 0.95),
    "red": (0.95, 0.1, 0.15),
    "purple": (0.55, 0.2, 0.85),
    "white": (1.0, 1.0, 1.0),
    "brown": (0.6, 0.4, 0.25),
}
_COLUMNS = len(PALETTE)
# Black pixels around a digit of 8x8: 12 columns, of which the patches use the first ten.
_MARGIN = 2


def coloured(
    images: np.ndarray,
    values: np.ndarray,
    bias_noise: float,
    image_noise: float,
    rng: np.random.Generator,
) -> np.ndarray:
    """Return the strokes in the colour of the bias value: (n, h, w) -> float32 (n, 3, h, w)."""
    palette = np.array(list(PALETTE.values()))
    colours = np.clip(palette[values] + bias_noise * rng.standard_normal((len(values), 3)), 0, 1)
    return _noisy(colours[:, :, None, None] * images[:, None], image_noise, rng)


def patched(
    images: np.ndarray,
    values: np.ndarray,
    bias_noise: float,
    image_noise: float,
    rng: np.random.Generator,
) -> np.ndarray:
    """Light a pixel in the column of the bias value, above the digit.

    Images of shape (n, h, w) become float32 of shape (n, 1, h + 4, w + 4).
    """
    brightness = np.clip(1 + bias_noise * rng.standard_normal(len(values)), 0, 1)
    margins = ((0, 0), (_MARGIN, _MARGIN), (_MARGIN, _MARGIN))
    # The noise comes first: it must not blur the shortcut, which has a noise of its own.
    data = _noisy(np.pad(images, margins)[:, None], image_noise, rng)
    data[:, 0, 0, :_COLUMNS] = 0
    data[np.arange(len(values)), 0, 0, values] = brightness
    return data


def _noisy(images: np.ndarray, std: float, rng: np.random.Generator) -> np.ndarray:
    """Return the images with noise on every pixel, float32 in [0, 1]."""
    return np.clip(images + std * rng.standard_normal(images.shape), 0, 1).astype(np.float32)
