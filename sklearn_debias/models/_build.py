"""Build a fresh module of the right size from what the user calls a module."""

import copy
import inspect
import os
from collections.abc import Callable, Mapping
from enum import Enum
from typing import Any

import torch
from torch import nn
from torch.nn.parameter import is_lazy

from sklearn_debias.core import SplitModule, split
from sklearn_debias.models._nets import Normalize
from sklearn_debias.models._own import OWN
from sklearn_debias.models._structure import is_structure_only, without_weights
from sklearn_debias.models._weights import load_weights

ANY_CLASSES = 2  # outputs of a head that is not used
AUXILIARY = ("AuxLogits", "aux1", "aux2")  # of Inception v3; of GoogLeNet
IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


def default_name(shape: tuple[int, ...]) -> str:
    """Return the name of the default module for inputs of ``shape`` (without the batch)."""
    if len(shape) == 1:
        return "linear"
    side = max(shape[1:])
    if side <= 16:
        return "simple_cnn"
    # The usual stem of a ResNet leaves too few positions of a small image.
    return "cifar_resnet18" if side <= 64 else "resnet18"


def build_module(
    module: Any,
    shape: tuple[int, ...],
    n_classes: int,
    *,
    options: Mapping[str, Any],
    normalize: Any = None,
    auxiliary: bool = False,
    parameter: str = "module",
) -> nn.Module:
    """Build a module for inputs of ``shape``, split into body and head where possible.

    Parameters
    ----------
    module : str, callable, nn.Module or None
        A name, a class or factory, an instance (copied), or None for the default.
    shape : tuple of int
        (features,) or (channels, height, width).
    n_classes : int
    options : mapping
        Arguments for the name's, class's or factory's call.
    normalize : None, "imagenet" or (mean, std)
    auxiliary : bool, default=False
        For a second net: the head of a copied instance is initialised anew, so that the two nets
        differ.
    parameter : str, default="module"
        What the user calls it; for messages.
    """
    module = default_name(shape) if module is None else module
    if isinstance(module, nn.Module):
        if options:
            raise ValueError(
                "`net_params` must not hold module__* when `module` is an instance, got "
                f"{sorted(options)}. Pass the class instead."
            )
        built = split(copy.deepcopy(module))
        if auxiliary:
            _reset_head(built)
    elif isinstance(module, str):
        built = _by_name(module, shape, n_classes, dict(options), parameter)
    else:
        built = split(_call(module, shape, n_classes, dict(options), parameter))
    return built if normalize is None else _normalized(built, normalize)


def bare_module(
    module: Any, shape: tuple[int, ...], *, weights: Any = None, parameter: str = "module"
) -> nn.Module:
    """Build a module as it is known outside: with its own head, and its own number of channels.

    Parameters
    ----------
    module : str, callable, nn.Module or None
        As in `build_module`.
    shape : tuple of int
        (features,) or (channels, height, width).
    weights : torchvision's WeightsEnum or None
        For a classifier of torchvision.
    parameter : str, default="module"
        What the user calls it; for messages.
    """
    module = default_name(shape) if module is None else module
    if isinstance(module, nn.Module):
        return copy.deepcopy(module)
    if not isinstance(module, str):
        return _call(module, shape, ANY_CLASSES, {}, parameter)
    _check_name(module, shape, parameter)
    if module in OWN:
        return _own(module, shape, ANY_CLASSES, {}, parameter)
    return _get_model(module, {"weights": weights})


def is_same_network(one: Any, other: Any) -> bool:
    """Return whether two values of a module parameter make one network.

    Copies of an instance do, too.
    """
    # Clones of an estimator hold copies: identity would take each for another network.
    if isinstance(one, nn.Module) and isinstance(other, nn.Module) and one is not other:
        a = one.state_dict()
        b = other.state_dict()
        if type(one) is not type(other) or a.keys() != b.keys():
            return False
        # What is lazy has no numbers yet to compare.
        if any(map(is_lazy, (*a.values(), *b.values()))):
            return False
        return all(torch.equal(a[k], b[k]) for k in a)
    return one is other or (isinstance(one, str) and one == other)


def _call(
    factory: Callable,
    shape: tuple[int, ...],
    n_classes: int,
    options: dict[str, Any],
    parameter: str,
) -> nn.Module:
    """Call a class or factory with those of our sizes that it takes, and with ``options``."""
    known = {"n_features": _size(shape), "in_channels": shape[0], "n_classes": n_classes}
    try:
        names = set(inspect.signature(factory).parameters)
    except (TypeError, ValueError):  # of builtins and C extensions nothing is known
        names = set()
    try:
        built = factory(**{k: v for k, v in known.items() if k in names} | options)
    except TypeError as error:
        raise TypeError(
            f"`{parameter}` could not be built by {factory!r} with {options}: {error}. Its call is "
            "given module__* of `net_params`, and n_features, in_channels and n_classes where it "
            "accepts them."
        ) from error
    if not isinstance(built, nn.Module):
        raise TypeError(
            f"`{parameter}` must make an nn.Module, but {factory!r} made a {type(built).__name__}."
        )
    return built


def _by_name(
    name: str, shape: tuple[int, ...], n_classes: int, options: dict[str, Any], parameter: str
) -> nn.Module:
    """Build the module of a name: ours, or torchvision's."""
    _check_name(name, shape, parameter)
    if name in OWN:
        return _own(name, shape, n_classes, options, parameter)
    return _torchvision(name, shape[0], n_classes, options, f"{parameter}__weights")


def _check_name(name: str, shape: tuple[int, ...], parameter: str) -> None:
    """Raise unless there is a module of this name, for inputs of this shape."""
    if name not in OWN:
        from torchvision import models

        if name not in models.list_models(module=models):
            raise ValueError(
                f"`{parameter}` must be one of {sorted(OWN)}, a classifier of torchvision.models, "
                f"an nn.Module or a factory of one, got {name!r}."
            )
    if len(shape) == 1 and name not in ("linear", "mlp"):
        raise ValueError(
            f"`{parameter}`={name!r} needs 4-D images (n, c, h, w), got 2-D X. Use 'linear' or "
            "'mlp'."
        )


def _own(
    name: str, shape: tuple[int, ...], n_classes: int, options: dict[str, Any], parameter: str
) -> nn.Module:
    """Build one of `OWN`; "linear" flattens images first."""
    if len(shape) == 3 and name == "linear":
        return SplitModule(nn.Flatten(), nn.Linear(_size(shape), n_classes))
    return split(_call(OWN[name], shape, n_classes, options, parameter))


def _torchvision(
    name: str, channels: int, n_classes: int, options: dict[str, Any], parameter: str
) -> nn.Module:
    """Build a classifier of torchvision, with weights of torchvision's or from a file if asked."""
    weights = options.pop("weights", None)
    if not isinstance(weights, str | os.PathLike | Enum | None):  # torchvision takes any for yes
        raise TypeError(
            f"`{parameter}` must be a file, or the name of weights of torchvision, got a "
            f"{type(weights).__name__}. Save a state_dict by torch.save, or pass the module itself."
        )
    # A text is a file where there is one, else a name of torchvision's weights.
    path = weights if isinstance(weights, (str, os.PathLike)) and os.path.exists(weights) else None
    if weights is not None and is_structure_only():
        module = split(_without_auxiliary(_get_model(name, {"weights": weights, **options})))
        own: Any = module
        own.head = nn.Linear(own.head.in_features, n_classes)
    elif weights is None:
        whole = _get_model(name, {"num_classes": n_classes, **options})
        module = split(_without_auxiliary(whole))
    else:
        # Weights belong to the head's own number of classes: it is replaced after they are loaded.
        whole = _get_model(name, {"weights": None if path else weights, **options})
        known = set(whole.state_dict())
        module = split(_without_auxiliary(whole))
        if not isinstance(module, SplitModule):
            raise ValueError(
                f"`{parameter}` needs a last linear layer to replace, which {name!r} has not."
            )
        if path:
            load_weights(module.body, path, known=known, parameter=parameter)
        module.head = nn.Linear(module.head.in_features, n_classes)
    # The stems of torchvision, and their weights, are for three channels.
    return module if channels == 3 else _before(ToRGB(channels), module)


def _get_model(name: str, options: dict[str, Any]) -> nn.Module:
    """Build a classifier of torchvision as torchvision does."""
    from torchvision import models

    if is_structure_only():
        return models.get_model(name, **without_weights(name, options))
    if name in ("inception_v3", "googlenet") and options.get("weights") is None:
        options = {"init_weights": True, **options}  # what they do by default, with a warning
    return models.get_model(name, **options)


def _without_auxiliary(module: nn.Module) -> nn.Module:
    """Take away the heads whose logits a network of torchvision returns beside its own."""
    if getattr(module, "aux_logits", False):
        own: Any = module
        own.aux_logits = False
        for head in AUXILIARY:
            if hasattr(module, head):
                setattr(module, head, None)
    return module


def _before(layer: nn.Module, module: nn.Module) -> nn.Module:
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


def _normalized(module: nn.Module, normalize: Any) -> nn.Module:
    """Put the normalisation inside, so that attacks and their radii are in the units of X."""
    mean, std = IMAGENET if isinstance(normalize, str) else normalize
    return _before(Normalize(mean, std), module)


def _reset_head(module: nn.Module) -> None:
    """Initialise anew the last layer that can be."""
    # The last layer to be registered is taken for the head's.
    resets = [m.reset_parameters for m in module.modules() if hasattr(m, "reset_parameters")]
    if not resets:
        raise ValueError(
            "`module` is an instance without a layer that can be initialised anew, so that the "
            "biased net would start equal to the model. Pass a class or factory, or another "
            "`biased_module`."
        )
    reset: Any = resets[-1]
    reset()


def _size(shape: tuple[int, ...]) -> int:
    """Return the number of entries of one input."""
    return int(torch.Size(shape).numel())
