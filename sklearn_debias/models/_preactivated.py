"""Residual networks whose blocks begin with normalisation, for images of 32 pixels or so.

He et al., "Identity Mappings in Deep Residual Networks", ECCV 2016; Zagoruyko and Komodakis, "Wide
Residual Networks", BMVC 2016.
"""

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn

from sklearn_debias.core import SplitModule


class PreactivatedBlock(nn.Module):
    """BN, ReLU and a 3x3 convolution, twice; a 1x1 convolution beside them where sizes change."""

    def __init__(self, before: int, width: int, stride: int, dropout: float) -> None:
        super().__init__()
        self.bn1 = nn.BatchNorm2d(before)
        self.conv1 = nn.Conv2d(before, width, 3, stride, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.dropout = nn.Dropout(dropout)
        self.conv2 = nn.Conv2d(width, width, 3, 1, 1, bias=False)
        self.changes = before != width or stride != 1
        self.shortcut: nn.Module = nn.Identity()
        if self.changes:
            self.shortcut = nn.Conv2d(before, width, 1, stride, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Return the block's output."""
        active = F.relu(self.bn1(x))
        out = self.conv1(active)
        out = self.conv2(self.dropout(F.relu(self.bn2(out))))
        # What is projected is normalised before; what is not passes as it is.
        return out + self.shortcut(active if self.changes else x)


def preactivated(
    in_channels: int,
    n_classes: int,
    *,
    stem: int,
    widths: Sequence[int],
    blocks: int,
    dropout: float = 0.0,
) -> SplitModule:
    """Build a network of one stage for each width, the size halved from one to the next.

    Parameters
    ----------
    in_channels, n_classes : int
    stem : int
        Width of the first convolution.
    widths : sequence of int
        Of the stages.
    blocks : int
        In each stage.
    dropout : float, default=0.0
        Between the convolutions of each block.
    """
    layers: list[nn.Module] = [nn.Conv2d(in_channels, stem, 3, 1, 1, bias=False)]
    before = stem
    for stage, width in enumerate(widths):
        for block in range(blocks):
            stride = 2 if stage and not block else 1
            layers.append(PreactivatedBlock(before, width, stride, dropout))
            before = width
    # What the blocks add up was normalised nowhere yet.
    layers += [nn.BatchNorm2d(before), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()]
    body = nn.Sequential(*layers)
    for layer in body.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
    return SplitModule(body, nn.Linear(before, n_classes))


def cifar_preact_resnet18(in_channels: int, n_classes: int) -> SplitModule:
    """Build PreActResNet-18, for images of 32 pixels or so; 11.2 million parameters.

    Parameters
    ----------
    in_channels, n_classes : int

    Examples
    --------
    >>> cifar_preact_resnet18(in_channels=3, n_classes=10).head
    Linear(in_features=512, out_features=10, bias=True)
    """
    widths = (64, 128, 256, 512)
    return preactivated(in_channels, n_classes, stem=64, widths=widths, blocks=2)


def cifar_wide_resnet28_10(in_channels: int, n_classes: int, dropout: float = 0.0) -> SplitModule:
    """Build Wide ResNet-28-10, for images of 32 pixels or so; 36.5 million parameters.

    Parameters
    ----------
    in_channels, n_classes : int
    dropout : float, default=0.0
        Between the convolutions of each block.

    Examples
    --------
    >>> cifar_wide_resnet28_10(in_channels=3, n_classes=10).head
    Linear(in_features=640, out_features=10, bias=True)
    """
    widths = (160, 320, 640)
    return preactivated(in_channels, n_classes, stem=16, widths=widths, blocks=4, dropout=dropout)
