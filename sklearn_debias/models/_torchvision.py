"""Networks of torchvision by name."""

import os
from enum import Enum
from typing import Any, TypeGuard

from torch import nn

from sklearn_debias.core import SplitModule, split
from sklearn_debias.models._fronts import ToRGB, before
from sklearn_debias.models._structure import WITH_AUXILIARY, is_structure_only, without_weights
from sklearn_debias.models._weights import load_weights


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
    if weights is None:
        module = split(get_model(name, {"num_classes": n_classes, **options}))
    else:
        # Weights come with auxiliary heads, which `split` takes away.
        options.pop("aux_logits", None)
        # They belong to the head's own number of classes: it is replaced after they are loaded.
        whole = get_model(name, {"weights": weights, **options})
        known = set(whole.state_dict())
        module = split(whole)
        if not isinstance(module, SplitModule):
            raise ValueError(
                f"`{parameter}` needs a last linear layer to replace, which {name!r} has not."
            )
        if _is_file(weights) and not is_structure_only():
            load_weights(module.body, weights, known=known, parameter=parameter)
        module.head = nn.Linear(module.head.in_features, n_classes)
    # The stems of torchvision, and their weights, are for three channels.
    return module if channels == 3 else before(ToRGB(channels), module)


def get_model(name: str, options: dict[str, Any]) -> nn.Module:
    """Build a classifier of torchvision as torchvision does; a file is left for others to load."""
    from torchvision import models

    weights = options.get("weights")
    if is_structure_only() or _is_file(weights):
        return models.get_model(name, **without_weights(name, options))
    if name in WITH_AUXILIARY and weights is None:
        options = {"init_weights": True, **options}  # what they do by default, with a warning
    return models.get_model(name, **options)


def _is_file(weights: Any) -> TypeGuard[str | os.PathLike]:
    """Return whether weights are a file; a text without one is a name of torchvision's."""
    return isinstance(weights, (str, os.PathLike)) and os.path.exists(weights)
