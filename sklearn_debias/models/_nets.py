"""Small modules, each split into body and head."""

from collections.abc import Iterable, Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from sklearn_debias.core import SplitModule, split


def linear(n_features: int, n_classes: int, std: float | None = 0.01) -> SplitModule:
    """Build a logistic regression: the features are the input.

    The weights start near zero, N(0, ``std``), so that a short fit ends where the data point, not
    where it began. ``std=None`` starts as torch does, uniformly up to 1/sqrt(n_features).
    """
    head = nn.Linear(n_features, n_classes)
    if std is not None:
        nn.init.normal_(head.weight, std=std)
        nn.init.zeros_(head.bias)
    return SplitModule(nn.Identity(), head)


def mlp(
    n_features: int, n_classes: int, hidden: int | Sequence[int] = 100, dropout: float = 0.0
) -> SplitModule:
    """Build a perceptron with ReLU layers of the given widths; images are flattened."""
    widths = [n_features, *(hidden if isinstance(hidden, Iterable) else [hidden])]
    layers: list[nn.Module] = [nn.Flatten()]
    for width, following in pairwise(widths):
        layers += [nn.Linear(width, following), nn.ReLU()]
        if dropout:
            layers.append(nn.Dropout(dropout))
    return SplitModule(nn.Sequential(*layers), nn.Linear(widths[-1], n_classes))


def simple_cnn(in_channels: int, n_classes: int, width: int = 32) -> SplitModule:
    """Build two 3x3 convolutions, pooling to 4x4, and one hidden layer of 128.

    For images of a few pixels up.
    """
    body = nn.Sequential(
        nn.Conv2d(in_channels, width, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(width, 2 * width, 3, padding=1),
        nn.ReLU(),
        nn.AdaptiveMaxPool2d(4),
        nn.Flatten(),
        nn.Linear(32 * width, 128),
        nn.ReLU(),
    )
    return SplitModule(body, nn.Linear(128, n_classes))


def ule_cnn(in_channels: int, n_classes: int, dropout: float = 0.5) -> SplitModule:
    """Build the CNN of ULE's Table 1, for images of 28 pixels.

    3x3 convolutions of 32 and 64, pooling by 2, and a hidden layer of 128, with dropout before and
    after it; 1.2 million parameters. Images of other sizes are pooled to 12x12, too.

    Parameters
    ----------
    in_channels, n_classes : int
    dropout : float, default=0.5
        The rate is torch's default: the paper's is not known to us.

    Examples
    --------
    >>> ule_cnn(in_channels=1, n_classes=10).head
    Linear(in_features=128, out_features=10, bias=True)
    """
    body = nn.Sequential(
        nn.Conv2d(in_channels, 32, 3),
        nn.ReLU(),
        nn.Conv2d(32, 64, 3),
        nn.ReLU(),
        nn.AdaptiveMaxPool2d(12),  # of 24, at 28 pixels: max-pooling by 2
        nn.Dropout(dropout),
        nn.Flatten(),
        nn.Linear(9216, 128),
        nn.ReLU(),
        nn.Dropout(dropout),
    )
    return SplitModule(body, nn.Linear(128, n_classes))


def cifar_resnet18(in_channels: int, n_classes: int) -> nn.Module:
    """Build ResNet-18 with a 3x3 stem of stride 1, no max-pooling: for 32 pixels or so."""
    from torchvision.models import resnet18

    module = resnet18(num_classes=n_classes)
    # The new stem is initialised as torchvision does it, not as Conv2d does.
    module.conv1 = nn.Conv2d(in_channels, 64, 3, padding=1, bias=False)
    nn.init.kaiming_normal_(module.conv1.weight, mode="fan_out", nonlinearity="relu")
    module.maxpool = nn.Identity()
    return split(module)


class Normalize(nn.Module):
    """``(x - mean) / std`` per channel or per feature, inside the module.

    Parameters
    ----------
    mean, std : sequence of float
        One number per channel (images) or per feature, or a single one for all.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, mean: Sequence[float], std: Sequence[float]) -> None:
        super().__init__()
        self.register_buffer("mean", torch.as_tensor(mean).reshape(-1).float())
        self.register_buffer("std", torch.as_tensor(std).reshape(-1).float())

    def forward(self, x: Tensor) -> Tensor:
        """Return the normalised ``x``, of the same shape."""
        shape = [-1] + [1] * (x.ndim - 2)
        return (x - self.mean.view(shape)) / self.std.view(shape)
