"""JPEG, encoded by Pillow: torchvision's encoder is deprecated."""

import io
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor


def recompressed(x: Tensor, qualities: Sequence[int]) -> Tensor:
    """Encode images (b, 1 or 3, h, w) in [0, 1] with a quality (1 to 100) each, and decode them."""
    levels = (x * 255).round().to(torch.uint8).cpu().numpy()
    decoded = [_decoded(image, quality) for image, quality in zip(levels, qualities, strict=True)]
    return torch.from_numpy(np.stack(decoded)).to(x) / 255


def _decoded(levels: np.ndarray, quality: int) -> np.ndarray:
    """Encode one image (c, h, w) of bytes, and return what is decoded."""
    from PIL import Image

    stream = io.BytesIO()
    picture = Image.fromarray(levels[0] if len(levels) == 1 else levels.transpose(1, 2, 0))
    picture.save(stream, "JPEG", quality=quality)
    with Image.open(stream, formats=("JPEG",)) as found:
        # A grey image comes back as (h, w): the reshape gives it its channel again.
        pixels = np.asarray(found).reshape(*levels.shape[1:], len(levels))
    return pixels.transpose(2, 0, 1)
