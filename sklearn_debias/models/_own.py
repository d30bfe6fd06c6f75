"""The networks of this package, by name."""

from collections.abc import Callable

from torch import nn

from sklearn_debias.models._cifar_resnet import cifar_resnet32
from sklearn_debias.models._nets import cifar_resnet18, linear, mlp, simple_cnn, ule_cnn
from sklearn_debias.models._preactivated import cifar_preact_resnet18, cifar_wide_resnet28_10
from sklearn_debias.models._vgg import cifar_vgg16

OWN: dict[str, Callable[..., nn.Module]] = {
    "linear": linear,
    "mlp": mlp,
    "simple_cnn": simple_cnn,
    "ule_cnn": ule_cnn,
    "cifar_resnet18": cifar_resnet18,
    "cifar_resnet32": cifar_resnet32,
    "cifar_preact_resnet18": cifar_preact_resnet18,
    "cifar_wide_resnet28_10": cifar_wide_resnet28_10,
    "cifar_vgg16": cifar_vgg16,
}
