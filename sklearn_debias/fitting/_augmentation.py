"""What `augment` does to a batch of images."""

from typing import Any

import torch
from torch import Tensor

from sklearn_debias.training import Noise, blamed, crop_flip


def augmentation(estimator: Any, noise: Noise) -> Any:
    """Function of a batch and a generator, or None; a callable's own random numbers come from ``noise``."""
    augment = estimator.augment
    if augment is None:
        return None
    if isinstance(augment, str) and len(estimator.input_shape_) != 3:
        raise ValueError(
            f"`augment`={augment!r} needs 4-D images, got 2-D X. Use augment=None or a callable."
        )
    if augment == "crop-flip":
        return crop_flip

    def from_callable(x: Tensor, _: torch.Generator) -> Tensor:
        with (
            noise,
            blamed(
                "augment",
                "It is called with a batch, and must return one of the same shape and dtype.",
            ),
        ):
            out = augment(x)
            found = (tuple(out.shape), out.dtype) if isinstance(out, Tensor) else type(out).__name__
            if found != (tuple(x.shape), x.dtype):
                raise TypeError(f"it returned {found} for {(tuple(x.shape), x.dtype)}")
        return out

    return from_callable
