"""What makes calling a module more than the forward of its class."""

from torch import nn
from torch.nn.modules import module as of_all

# Torch's names, of one module and of all. They are private: what is not there any more may have
# another name, and counts as used.
OWN = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
GLOBAL = tuple(f"_global{name}" for name in OWN)


def is_altered(part: nn.Module) -> bool:
    """Return whether calling the module is more than the forward of its class."""
    return has_own(part) or any(getattr(of_all, name, True) for name in GLOBAL)


def has_own(part: nn.Module) -> bool:
    """Return whether a hook or a forward was put on the object itself."""
    return any(getattr(part, name, True) for name in OWN) or has_own_forward(part)


def has_own_forward(part: nn.Module | None) -> bool:
    """Return whether a forward was put on the object, as wrappers do that scale its outputs."""
    return part is not None and "forward" in vars(part)
