"""Modules by name: heads, small CNNs, a CIFAR ResNet, anything in torchvision."""

from sklearn_debias.models._build import build_module, default_name, is_same_network
from sklearn_debias.models._nets import Normalize, cifar_resnet18, linear, mlp, simple_cnn

__all__ = [
    "Normalize",
    "build_module",
    "cifar_resnet18",
    "default_name",
    "is_same_network",
    "linear",
    "mlp",
    "simple_cnn",
]
