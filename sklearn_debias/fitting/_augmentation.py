"""What `augment` does to a batch of images."""

from typing import Any

import torch
from torch import Tensor

from sklearn_debias.training import Noise, blamed, crop_flip


def augmentation(augment: Any, shape: tuple[int, ...], noise: Noise) -> Any:
    """Return a function of a batch and a generator, or None.

    A callable's own random numbers come from ``noise``.
    """
    if augment is None:
        return None
    if isinstance(augment, str) and len(shape) != 3:
        raise ValueError(
            f"`augment`={augment!r} needs 4-D images, got 2-D X. Use augment=None or a callable."
        )
    if augment == "crop-flip":
        return crop_flip

    advice = "It is called with a batch, and must return one of the same shape and dtype."

    def from_callable(x: Tensor, _: torch.Generator) -> Tensor:
        with noise, blamed("augment", advice):
            out = augment(x)
            found = (tuple(out.shape), out.dtype) if isinstance(out, Tensor) else type(out).__name__
            if found != (tuple(x.shape), x.dtype):
                raise TypeError(f"it returned {found} for {(tuple(x.shape), x.dtype)}")
        return out

    return from_callable
