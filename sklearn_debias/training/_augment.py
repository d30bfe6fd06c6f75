"""Augmentations of a batch, on its device."""

import torch
import torch.nn.functional as F
from torch import Tensor


def crop_flip(x: Tensor, generator: torch.Generator | None = None) -> Tensor:
    """Crop at random after zero padding, and flip horizontally at random, per image.

    Padding is 4 pixels on each side (the field's choice at 32 pixels), less on images under 32
    pixels: an eighth of the shorter side, at least 1.

    Parameters
    ----------
    x : Tensor of shape (b, c, h, w)
    generator : torch.Generator, default=None
        On the device of ``x``.

    Returns
    -------
    Tensor like x

    Examples
    --------
    >>> crop_flip(torch.rand(2, 3, 8, 8)).shape
    torch.Size([2, 3, 8, 8])
    """
    b, _, h, w = x.shape
    pad = max(1, min(4, min(h, w) // 8))
    draw = torch.rand(3, b, 1, generator=generator, device=x.device)
    top, left = (draw[:2] * (2 * pad + 1)).long()
    rows = torch.arange(h, device=x.device) + top
    columns = torch.arange(w, device=x.device)
    # The flip is a reversed row of column numbers, so that one indexing does both.
    columns = torch.where(draw[2] < 0.5, columns.flip(0), columns) + left
    padded = F.pad(x, (pad,) * 4)
    image = torch.arange(b, device=x.device)[:, None, None]
    # Indexing puts the channels last; keep them there where they were.
    last = x.is_contiguous(memory_format=torch.channels_last) and not x.is_contiguous()
    layout = torch.channels_last if last else torch.contiguous_format
    cropped = padded[image, :, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)
    return cropped.contiguous(memory_format=layout)
