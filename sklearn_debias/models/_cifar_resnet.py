"""ResNets for CIFAR.

He et al., "Deep Residual Learning for Image Recognition", CVPR 2016; Sec. 4.2.
"""

import torch.nn.functional as F
from torch import Tensor, nn

from sklearn_debias.core import SplitModule


class Block(nn.Module):
    """Two 3x3 convolutions and a shortcut without parameters (option A)."""

    def __init__(self, before: int, width: int) -> None:
        super().__init__()
        self.stride = width // before  # 1, or 2 where the width doubles
        self.conv1 = nn.Conv2d(before, width, 3, self.stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.more = width - before

    def forward(self, x: Tensor) -> Tensor:
        """Return the block's output: half the size, twice the channels where the width grows."""
        out = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        if self.more:
            # Option A: every second position, and channels of zeros on both sides.
            half = self.more // 2
            x = F.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, half, self.more - half))
        return F.relu(out + x)


def cifar_resnet32(in_channels: int, n_classes: int) -> SplitModule:
    """Build ResNet-32, for images of 32 pixels or so.

    Three stages of five blocks, 16, 32 and 64 wide; .46 million parameters.
    """
    layers: list[nn.Module] = [
        nn.Conv2d(in_channels, 16, 3, 1, 1, bias=False),
        nn.BatchNorm2d(16),
        nn.ReLU(),
    ]
    before = 16
    for width in (16, 32, 64):
        for _ in range(5):
            layers.append(Block(before, width))
            before = width
    body = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten())
    for layer in body.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight)
    return SplitModule(body, nn.Linear(64, n_classes))
