"""VGG for small images.

Simonyan and Zisserman, "Very Deep Convolutional Networks for Large-Scale Image Recognition", ICLR
2015.
"""

from torch import nn

from sklearn_debias.core import SplitModule

# Widths of the convolutions of each stage, which a pooling ends.
STAGES = ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512))


def cifar_vgg16(in_channels: int, n_classes: int) -> SplitModule:
    """Build VGG-16 with BatchNorm and one linear layer, for images of 32 pixels or so.

    14.7 million parameters; the images must have 32 pixels a side at least.

    Parameters
    ----------
    in_channels, n_classes : int

    Examples
    --------
    >>> cifar_vgg16(in_channels=3, n_classes=10).head
    Linear(in_features=512, out_features=10, bias=True)
    """
    layers: list[nn.Module] = []
    before = in_channels
    for widths in STAGES:
        for width in widths:
            layers += [nn.Conv2d(before, width, 3, padding=1), nn.BatchNorm2d(width), nn.ReLU()]
            before = width
        layers.append(nn.MaxPool2d(2))
    body = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten())
    for layer in body.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
    return SplitModule(body, nn.Linear(before, n_classes))
