"""JPEG, really encoded: by Pillow, as torchvision's encoder is deprecated."""

import io
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor


def recompressed(x: Tensor, qualities: Sequence[int]) -> Tensor:
    """Images (b, 1 or 3, h, w) in [0, 1], encoded with a quality (1 to 100) each, and decoded."""
    levels = (x * 255).round().to(torch.uint8).cpu().numpy()
    decoded = [_decoded(image, quality) for image, quality in zip(levels, qualities, strict=True)]
    return torch.from_numpy(np.stack(decoded)).to(x) / 255


def _decoded(levels: np.ndarray, quality: int) -> np.ndarray:
    from PIL import Image

    stream = io.BytesIO()
    picture = Image.fromarray(levels[0] if len(levels) == 1 else levels.transpose(1, 2, 0))
    picture.save(stream, "JPEG", quality=quality)
    with Image.open(stream, formats=("JPEG",)) as found:
        return np.asarray(found).reshape(*levels.shape[1:], len(levels)).transpose(2, 0, 1)
