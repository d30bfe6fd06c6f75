"""Networks of timm by name, which is imported when one is asked for."""

import os
from difflib import get_close_matches
from typing import Any

from torch import nn

from sklearn_debias.core import SplitModule, split
from sklearn_debias.models._structure import is_structure_only
from sklearn_debias.models._weights import load_weights

PREFIX = "timm:"


def is_timm(name: str) -> bool:
    """Return whether a name is one of timm: "timm:resnet18"."""
    return name.startswith(PREFIX)


def of_timm(
    name: str, channels: int, n_classes: int, options: dict[str, Any], parameter: str
) -> nn.Module:
    """Build a classifier of timm, with weights from a file if asked, split where it can be."""
    weights = options.pop("weights", None)
    network = _create(name, channels, {"num_classes": n_classes, **options}, parameter)
    known = {f"{head}.{kind}" for head in heads_of_timm(network) for kind in ("weight", "bias")}
    module = split(network)
    if weights is None or is_structure_only():
        return module
    if not isinstance(weights, str | os.PathLike):
        raise TypeError(
            f"`{parameter}__weights` must be a file for a network of timm, got a "
            f"{type(weights).__name__}. {parameter}__pretrained=True downloads timm's own."
        )
    if not isinstance(module, SplitModule):
        raise ValueError(
            f"`{parameter}__weights` needs a last linear layer to leave as it is drawn, which "
            f"{name!r} has not."
        )
    load_weights(module.body, weights, known=known, parameter=f"{parameter}__weights")
    return module


def bare_timm(name: str, channels: int, parameter: str) -> nn.Module:
    """Build a network of timm that ends in its features."""
    return _create(name, channels, {"num_classes": 0}, parameter)


def heads_of_timm(network: nn.Module) -> list[str]:
    """Return the names of the last layers of a network of timm, also where they are left out."""
    config: Any = getattr(network, "pretrained_cfg", None) or {}
    named = config.get("classifier") or ()
    return [named] if isinstance(named, str) else list(named)


def _create(name: str, channels: int, options: dict[str, Any], parameter: str) -> nn.Module:
    try:
        import timm
    except ImportError as error:
        raise ImportError(
            f"`{parameter}`={name!r} needs the package timm. Install it: pip install "
            "'sklearn-debias[timm]'."
        ) from error
    inner = name.removeprefix(PREFIX)
    if not timm.is_model(inner):
        close = get_close_matches(inner, timm.list_models())
        hint = (
            f": did you mean {' or '.join(repr(PREFIX + found) for found in close)}?"
            if close
            else "."
        )
        raise ValueError(
            f"`{parameter}` must name a model of timm, of timm.list_models(), got {name!r}{hint}"
        )
    if is_structure_only():
        options = {**options, "pretrained": False}
    return timm.create_model(inner, **{"in_chans": channels, **options})
