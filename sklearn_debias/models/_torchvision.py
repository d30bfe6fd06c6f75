"""Networks of torchvision by name."""

import os
from enum import Enum
from typing import Any

from torch import nn

from sklearn_debias.core import SplitModule, split
from sklearn_debias.models._fronts import ToRGB, before
from sklearn_debias.models._structure import is_structure_only, without_weights
from sklearn_debias.models._weights import load_weights

AUXILIARY = ("AuxLogits", "aux1", "aux2")  # of Inception v3; of GoogLeNet


def of_torchvision(
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
        module = split(_without_auxiliary(get_model(name, {"weights": weights, **options})))
        own: Any = module
        own.head = nn.Linear(own.head.in_features, n_classes)
    elif weights is None:
        whole = get_model(name, {"num_classes": n_classes, **options})
        module = split(_without_auxiliary(whole))
    else:
        # Weights belong to the head's own number of classes: it is replaced after they are loaded.
        whole = get_model(name, {"weights": None if path else weights, **options})
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
    return module if channels == 3 else before(ToRGB(channels), module)


def get_model(name: str, options: dict[str, Any]) -> nn.Module:
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
