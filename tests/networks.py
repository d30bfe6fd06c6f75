"""Networks that the maps are tried on."""

import torch
from torch import nn

torch.set_num_threads(1)


def cnn(in_channels=3, n_classes=4, *, inplace=False, seed=0):
    """A small network with BatchNorm, dropout and pooling, in float64."""
    torch.manual_seed(seed)
    module = nn.Sequential(
        nn.Conv2d(in_channels, 6, 3, padding=1),
        nn.BatchNorm2d(6),
        nn.ReLU(inplace=inplace),
        nn.MaxPool2d(2),
        nn.Conv2d(6, 8, 3, padding=1),
        nn.ReLU(inplace=inplace),
        nn.AdaptiveAvgPool2d(2),
        nn.Flatten(),
        nn.Dropout(0.5),
        nn.Linear(32, n_classes),
    ).double()
    module[1].running_mean += torch.randn(6, dtype=torch.float64)
    return module.eval()


class Residual(nn.Module):
    """A block whose sum is in place, as in torchvision's ResNets."""

    def __init__(self, width, *, inplace):
        super().__init__()
        self.conv1 = nn.Conv2d(width, width, 3, padding=1)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1)
        self.relu = nn.ReLU(inplace=inplace)
        self.inplace = inplace

    def forward(self, x):
        out = self.conv2(self.relu(self.conv1(x)))
        if self.inplace:
            out += x
        else:
            out = out + x
        return self.relu(out)


def residual(*, inplace, seed=0):
    torch.manual_seed(seed)
    blocks = [Residual(5, inplace=inplace) for _ in range(2)]
    tail = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(5, 3)]
    return (
        nn.Sequential(nn.Conv2d(1, 5, 3), nn.ReLU(inplace=inplace), *blocks, *tail).double().eval()
    )


def images(n=5, channels=3, height=8, width=10, seed=1):
    return torch.rand(
        n,
        channels,
        height,
        width,
        generator=torch.Generator().manual_seed(seed),
        dtype=torch.float64,
    )
