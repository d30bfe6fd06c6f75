"""Modules by name: heads, small CNNs, networks for CIFAR, anything in torchvision and timm."""

from sklearn_debias.models._build import (
    IMAGENET,
    bare_module,
    build_module,
    default_name,
    is_same_network,
)
from sklearn_debias.models._cifar_resnet import cifar_resnet32
from sklearn_debias.models._fronts import ToRGB
from sklearn_debias.models._heads import NormalizedLinear, with_normalized_head
from sklearn_debias.models._nets import (
    Normalize,
    cifar_resnet18,
    linear,
    mlp,
    simple_cnn,
    ule_cnn,
)
from sklearn_debias.models._preactivated import cifar_preact_resnet18, cifar_wide_resnet28_10
from sklearn_debias.models._prototypes import PrototypeEnsemble, Prototypes
from sklearn_debias.models._structure import structure_only
from sklearn_debias.models._vgg import cifar_vgg16
from sklearn_debias.models._weights import load_weights

__all__ = [
    "IMAGENET",
    "Normalize",
    "NormalizedLinear",
    "PrototypeEnsemble",
    "Prototypes",
    "ToRGB",
    "bare_module",
    "build_module",
    "cifar_preact_resnet18",
    "cifar_resnet18",
    "cifar_resnet32",
    "cifar_vgg16",
    "cifar_wide_resnet28_10",
    "default_name",
    "is_same_network",
    "linear",
    "load_weights",
    "mlp",
    "simple_cnn",
    "structure_only",
    "ule_cnn",
    "with_normalized_head",
]
