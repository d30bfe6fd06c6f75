"""Modules that are nothing but a linear layer, and what makes them more."""

from typing import Any

from torch import nn

from sklearn_debias.core._hooks import has_own_forward, is_altered
from sklearn_debias.core._split import SplitModule


def lone_linear(module: nn.Module, *, hooked: bool = False) -> nn.Linear | None:
    """Return the linear layer that a module is, or None where calling it is more than that.

    The layer may stand alone, or be the head of a `SplitModule` whose body does nothing.

    Parameters
    ----------
    module : nn.Module
    hooked : bool, default=False
        Whether hooks may be on it: they may only watch.

    Examples
    --------
    >>> from sklearn_debias.core import SplitModule
    >>> from sklearn_debias.core.internal import lone_linear
    >>> lone_linear(SplitModule(nn.Identity(), nn.Linear(4, 2)))
    Linear(in_features=4, out_features=2, bias=True)
    >>> lone_linear(nn.Sequential(nn.Linear(4, 2), nn.ReLU())) is None
    True
    """
    altered = has_own_forward if hooked else is_altered
    layer: Any = module
    if type(module) is SplitModule:
        if type(module.body) is not nn.Identity or altered(module) or altered(module.body):
            return None
        layer = module.head
    return layer if is_linear(layer) and not altered(layer) else None


def is_plain_linear(part: nn.Module) -> bool:
    """Return whether calling the module is nothing but ``F.linear`` of its own parameters."""
    return is_linear(part) and not is_altered(part)


def is_linear(part: nn.Module | None) -> bool:
    """Return the same but for hooks, which may only watch."""
    # Exactly this type: a subclass may have a forward of its own. Pruning and weight_norm keep
    # parameters of other names.
    plain = type(part) is nn.Linear and "weight" in part._parameters
    return plain and not has_own_forward(part)
