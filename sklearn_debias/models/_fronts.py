"""Layers in front of a network."""

import torch
from torch import nn

from sklearn_debias.core import SplitModule


def before(layer: nn.Module, module: nn.Module) -> nn.Module:
    """Return ``module`` with ``layer`` in front of it."""
    body = getattr(module, "body", None)
    head = getattr(module, "head", None)
    if isinstance(body, nn.Module) and isinstance(head, nn.Module):
        return SplitModule(nn.Sequential(layer, body), head)
    return nn.Sequential(layer, module)


class ToRGB(nn.Module):
    """Grey images as RGB; other channel counts through a 1x1 convolution."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.mix = nn.Identity() if channels == 1 else nn.Conv2d(channels, 3, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return ``x`` with three channels."""
        x = self.mix(x)
        return x.expand(-1, 3, -1, -1) if x.shape[1] == 1 else x
