"""Build a fresh module of the right size from what the user calls a module."""

import copy
import inspect
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import nn
from torch.nn.parameter import is_lazy

from sklearn_debias.core import SplitModule, split
from sklearn_debias.core.internal import is_of_transformers, is_tokens, split_for_tokens
from sklearn_debias.models._fronts import before
from sklearn_debias.models._nets import Normalize
from sklearn_debias.models._own import OWN
from sklearn_debias.models._timm import bare_timm, is_timm, of_timm
from sklearn_debias.models._torchvision import get_model, of_torchvision

ANY_CLASSES = 2  # outputs of a head that is not used
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
        (features,), (channels, height, width), or that of rows of tokens: `is_tokens`.
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
    module = _named(module, shape, parameter)
    if isinstance(module, nn.Module):
        if options:
            raise ValueError(
                "`net_params` must not hold module__* when `module` is an instance, got "
                f"{sorted(options)}. Pass the class instead."
            )
        built = _split(copy.deepcopy(module), shape)
        if auxiliary:
            _reset_head(built)
    elif isinstance(module, str):
        built = _by_name(module, shape, n_classes, dict(options), parameter)
    else:
        built = _split(_call(module, shape, n_classes, dict(options), parameter), shape)
    return built if normalize is None else _normalized(built, normalize)


def bare_module(
    module: Any, shape: tuple[int, ...], *, weights: Any = None, parameter: str = "module"
) -> nn.Module:
    """Build a module as it is known outside: with its own head, and its own number of channels.

    Networks of transformers, and those that take tokens, are split: their outputs have names.

    Parameters
    ----------
    module : str, callable, nn.Module or None
        As in `build_module`.
    shape : tuple of int
        (features,), (channels, height, width), or that of rows of tokens: `is_tokens`.
    weights : torchvision's WeightsEnum, file or None
        Of a classifier of torchvision. A file is left for others to load: it says how to build.
    parameter : str, default="module"
        What the user calls it; for messages.
    """
    module = _named(module, shape, parameter)
    if not isinstance(module, str):
        is_built = isinstance(module, nn.Module)
        built = (
            copy.deepcopy(module) if is_built else _call(module, shape, ANY_CLASSES, {}, parameter)
        )
        by_name = is_tokens(shape) or is_of_transformers(built)
        return _split(built, shape) if by_name else built
    _check_name(module, shape, parameter)
    if module in OWN:
        return _own(module, shape, ANY_CLASSES, {}, parameter)
    if is_timm(module):
        return bare_timm(module, shape[0], parameter)
    return get_model(module, {"weights": weights})


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


def _named(module: Any, shape: tuple[int, ...], parameter: str) -> Any:
    """Return a module as it was given, or the default's name; raise where rows are tokens."""
    if not is_tokens(shape):
        return default_name(shape) if module is None else module
    if module is None or isinstance(module, str):
        raise ValueError(
            f"`{parameter}` must be a module for rows of tokens, or a factory of one, which is "
            f"called with input_ids and attention_mask, got {module!r}. Pass a "
            "*ForSequenceClassification of transformers, say."
        )
    return module


def _split(module: nn.Module, shape: tuple[int, ...]) -> nn.Module:
    return split_for_tokens(module) if is_tokens(shape) else split(module)


def _call(
    factory: Callable,
    shape: tuple[int, ...],
    n_classes: int,
    options: dict[str, Any],
    parameter: str,
) -> nn.Module:
    """Call a class or factory with those of our sizes that it takes, and with ``options``."""
    known = {"n_classes": n_classes}
    if not is_tokens(shape):
        known |= {"n_features": _size(shape), "in_channels": shape[0]}
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
    if is_timm(name):
        return of_timm(name, shape[0], n_classes, options, parameter)
    return of_torchvision(name, shape[0], n_classes, options, f"{parameter}__weights")


def _check_name(name: str, shape: tuple[int, ...], parameter: str) -> None:
    """Raise unless there is a module of this name, for inputs of this shape."""
    if name not in OWN and not is_timm(name):
        from torchvision import models

        if name not in models.list_models(module=models):
            raise ValueError(
                f"`{parameter}` must be one of {sorted(OWN)}, a classifier of torchvision.models, "
                f"'timm:' and a name of timm, an nn.Module or a factory of one, got {name!r}."
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


def _normalized(module: nn.Module, normalize: Any) -> nn.Module:
    """Put the normalisation inside, so that attacks and their radii are in the units of X."""
    mean, std = IMAGENET if isinstance(normalize, str) else normalize
    return before(Normalize(mean, std), module)


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
