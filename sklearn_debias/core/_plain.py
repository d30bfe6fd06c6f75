"""Modules that are nothing but a linear layer, and what makes them more."""

from typing import Any

from torch import nn
from torch.nn.modules import module as of_all

from sklearn_debias.core._split import SplitModule

# Torch's names, of one module and of all. They are private: what is not there any more may have
# another name, and counts as used.
OWN = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
GLOBAL = tuple(f"_global{name}" for name in OWN)


def lone_linear(module: nn.Module) -> nn.Linear | None:
    """Return the linear layer that a module is, or None where calling it is more than that.

    The layer may stand alone, or be the head of a `SplitModule` whose body does nothing.

    Parameters
    ----------
    module : nn.Module

    Examples
    --------
    >>> from sklearn_debias.core import SplitModule
    >>> from sklearn_debias.core.internal import lone_linear
    >>> lone_linear(SplitModule(nn.Identity(), nn.Linear(4, 2)))
    Linear(in_features=4, out_features=2, bias=True)
    >>> lone_linear(nn.Sequential(nn.Linear(4, 2), nn.ReLU())) is None
    True
    """
    layer: Any = module
    if type(module) is SplitModule:
        if type(module.body) is not nn.Identity or is_altered(module) or is_altered(module.body):
            return None
        layer = module.head
    return layer if is_plain_linear(layer) else None


def is_plain_linear(part: nn.Module) -> bool:
    """Return whether calling the module is nothing but ``F.linear`` of its own parameters."""
    return is_linear(part) and not is_altered(part)


def is_linear(part: nn.Module | None) -> bool:
    """Return the same but for hooks, which may only watch."""
    # Exactly this type: a subclass may have a forward of its own. Pruning and weight_norm keep
    # parameters of other names.
    plain = type(part) is nn.Linear and "weight" in part._parameters
    return plain and not has_own_forward(part)


def is_altered(part: nn.Module) -> bool:
    """Return whether calling the module is more than the forward of its class."""
    hooked = any(getattr(part, name, True) for name in OWN)
    return hooked or has_own_forward(part) or any(getattr(of_all, name, True) for name in GLOBAL)


def has_own_forward(part: nn.Module | None) -> bool:
    """Return whether a forward was put on the object, as wrappers do that scale its outputs."""
    return part is not None and "forward" in vars(part)
