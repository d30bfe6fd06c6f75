"""Drawing a value of the bias into small images of digits."""

import numpy as np

# Told apart by eye, the first pairs also with colour-blindness, and by a linear model on the
# pixels.
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
_MARGIN = (
    2  # black pixels around a digit of 8x8: 12 columns, of which the patches use the first ten
)


def coloured(images, values, bias_noise, image_noise, rng):
    """Strokes in the colour of the bias value: (n, h, w) -> float32 (n, 3, h, w)."""
    palette = np.array(list(PALETTE.values()))
    colours = np.clip(palette[values] + bias_noise * rng.standard_normal((len(values), 3)), 0, 1)
    return _noisy(colours[:, :, None, None] * images[:, None], image_noise, rng)


def patched(images, values, bias_noise, image_noise, rng):
    """A pixel in the column of the bias value, above the digit: (n, h, w) -> float32 (n, 1, h + 4, w + 4)."""
    brightness = np.clip(1 + bias_noise * rng.standard_normal(len(values)), 0, 1)
    margins = ((0, 0), (_MARGIN, _MARGIN), (_MARGIN, _MARGIN))
    data = _noisy(np.pad(images, margins)[:, None], image_noise, rng)
    data[:, 0, 0, :_COLUMNS] = 0
    data[np.arange(len(values)), 0, 0, values] = brightness
    return data


def _noisy(images, std, rng):
    return np.clip(images + std * rng.standard_normal(images.shape), 0, 1).astype(np.float32)
