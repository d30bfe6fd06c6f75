"""What goes around a network so that it does all that `predict_proba` does, as torch modules."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from sklearn_debias.training import as_seen, resized

TINY = np.finfo(np.float64).tiny  # stands in for a probability of 0, whose logarithm is -inf


class Entrance(nn.Module):
    """Make of raw rows (b, ...) what a network sees: uint8 images in [0, 1], of one size.

    Parameters
    ----------
    seen : torch.dtype
        Type that X has in ``fit``: numbers are rounded to it.
    dtype : torch.dtype
        Of the network.
    size : (height, width) or None
        Images are resized to it; None leaves them.
    """

    def __init__(self, seen: torch.dtype, dtype: torch.dtype, size: Any) -> None:
        super().__init__()
        self.seen = seen
        self.dtype = dtype
        self.size = size

    def forward(self, raw: Tensor) -> Tensor:
        """Return the rows as the network sees them."""
        x = as_seen(raw, self.seen)
        # Images of that size already stay as they are, to the bit.
        return (x if self.size is None else resized(x, self.size)).to(self.dtype)


class Double(nn.Module):
    """Cast to float64, which the parts hand each other."""

    def forward(self, x: Tensor) -> Tensor:
        """Return ``x`` in float64."""
        return x.double()


class Linear(nn.Module):
    """Scores ``x @ weight.T + bias`` in float64."""

    weight: Tensor
    bias: Tensor

    def __init__(self, weight: np.ndarray, bias: np.ndarray) -> None:
        super().__init__()
        self.register_buffer("weight", torch.from_numpy(weight))
        self.register_buffer("bias", torch.from_numpy(bias))

    def forward(self, x: Tensor) -> Tensor:
        """Return scores (b, k)."""
        return nn.functional.linear(x.double(), self.weight, self.bias)


class OneAgainstRest(nn.Module):
    """Scores whose softmax are the sigmoids of other scores, normalised to sum to 1."""

    def forward(self, scores: Tensor) -> Tensor:
        """Return the logarithms of the sigmoids, shape (b, k)."""
        return -softplus(-scores)  # ONNX's log(sigmoid) would be -inf from -709 on


class Scaled(nn.Module):
    """Add the logarithms of `ClassScaling`'s scales to the logarithms of the probabilities."""

    shift: Tensor

    def __init__(self, scale: np.ndarray) -> None:
        super().__init__()
        self.register_buffer("shift", torch.from_numpy(np.log(scale)))

    def forward(self, scores: Tensor) -> Tensor:
        """Return scores (b, k) whose softmax are the scaled probabilities."""
        return torch.log_softmax(scores, 1) + self.shift


class Logarithm(nn.Module):
    """Scores whose softmax are the given probabilities."""

    def forward(self, probabilities: Tensor) -> Tensor:
        """Return the logarithms of probabilities (b, k)."""
        return probabilities.double().clamp(min=TINY).log()


class Exit(nn.Module):
    """The outputs of a classifier: codes and probabilities."""

    def forward(self, scores: Tensor) -> tuple[Tensor, Tensor]:
        """Return codes (b,), int64, and probabilities (b, k), float32, of scores (b, k)."""
        # Codes of the scores, not of the probabilities, which may be equal in float32.
        return scores.argmax(1), torch.softmax(scores, 1).float()


def adaptive_max_pool(x: Tensor, size: Sequence[int]) -> tuple[Tensor, Tensor]:
    """Return the maxima (b, c, *size) of images (b, c, h, w), and no indices.

    The i-th of s windows of n pixels begins at floor(i n / s) and ends before ceil((i + 1) n / s),
    as torch's does. Maxima are the same in any order, rows first and then columns.
    """
    for axis, windows in zip((2, 3), size, strict=True):
        n = x.shape[axis]
        parts = [
            x.narrow(axis, start := i * n // windows, -(-(i + 1) * n // windows) - start)
            for i in range(windows)
        ]
        x = torch.cat([part.amax(axis, keepdim=True) for part in parts], axis)
    return x, torch.zeros_like(x, dtype=torch.int64)
