"""Brightness, saturation and contrast, on images with one or three channels."""

import torch
from torch import Tensor

from sklearn_debias.corruptions._draws import Draws

LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601
FIXED_POINT = 2.0**24  # steps from 0 to 1: what float32 resolves just below 1


def luma(x: Tensor) -> Tensor:
    """Return the grey version of x, shape (b, 1, h, w)."""
    if x.shape[1] == 1:
        return x
    r, g, b = (weight * x[:, i : i + 1] for i, weight in enumerate(LUMA))
    return r + g + b


def brightest(x: Tensor) -> Tensor:
    """Return the largest value of each image, shape (b, 1, 1, 1)."""
    return x.amax((1, 2, 3), keepdim=True)


def brightness(x: Tensor, draws: Draws, more: float) -> Tensor:
    """Raise HSV's value, the largest of the channels, by ``more``; hue and saturation stay."""
    value = x.amax(1, keepdim=True)
    raised = (value + more).clamp(max=1)
    # Black has no hue to keep, and turns grey.
    factor = raised / torch.where(value > 0, value, 1)
    return torch.where(value > 0, x * factor, raised)


def saturate(x: Tensor, draws: Draws, factor: float, more: float) -> Tensor:
    """Make HSV's saturation ``factor`` times itself plus ``more``.

    Grey has the hue 0, and turns red where ``more`` is positive.
    """
    value = x.amax(1, keepdim=True)
    span = value - x.amin(1, keepdim=True)
    saturation = span / torch.where(value > 0, value, 1)
    wanted = (saturation * factor + more).clamp(0, 1)
    # How far each channel lies below the value, as a share: that is the hue.
    share = (value - x) / torch.where(span > 0, span, 1)
    below = torch.where(span > 0, share, _red(x))
    return value * (1 - wanted * below)


def _red(x: Tensor) -> Tensor:
    """Return how far each channel lies below the value at hue 0: (0, 1, 1)."""
    return torch.tensor([0.0, 1.0, 1.0], device=x.device).to(x)[:, None, None]


def contrast(x: Tensor, draws: Draws, factor: float) -> Tensor:
    """Move every value towards the mean of its channel."""
    # An integer sum is the same in any order; a sum of floats may depend on the number of images.
    total = (x * FIXED_POINT).round().long().sum((2, 3), keepdim=True)
    mean = total.to(x) / (FIXED_POINT * x.shape[2] * x.shape[3])
    return (x - mean) * factor + mean
