"""What has a plain form, and how its kinds are named."""

from collections import Counter, OrderedDict
from collections.abc import Callable
from dataclasses import is_dataclass
from typing import Any

import torch

OURS = __name__.partition(".")[0]
AS_TEXT = (type(None), bool, int, str)
SEQUENCES: dict[str, type] = {
    "list": list,
    "tuple": tuple,
    "set": set,
    "frozenset": frozenset,
    "torch.Size": torch.Size,
}
MAPPINGS: dict[str, type] = {"dict": dict, "OrderedDict": OrderedDict, "Counter": Counter}
# NumPy has no such numbers: their bits are kept.
BITS = {torch.bfloat16: torch.int16}

# ``keep(pack, value, path)`` returns what stands for a value, or None for the usual way.
Keep = Callable[[Callable[[Any, str], Any], Any, str], Any]
Kept = Callable[..., Any]  # ``kept(unpack, *what keep returned)``


class Plain:
    """Base of classes of this package that are no dataclasses, and hold plain values only."""


class NotPlainError(TypeError):
    """A value holds something that has no plain form; ``path`` says where."""

    def __init__(self, path: str, value: Any) -> None:
        self.path = path
        self.value = value
        super().__init__(f"{path} holds a {type(value).__module__}.{type(value).__qualname__}")


def is_ours(value: Any) -> bool:
    """Return whether a value is made again by its fields: a dataclass of this package, or `Plain`.

    Examples
    --------
    >>> from sklearn_debias.objectives import ERM
    >>> from sklearn_debias.plain import is_ours
    >>> is_ours(ERM()), is_ours(ERM), is_ours("ERM")
    (True, False, False)
    """
    return not isinstance(value, type) and is_made_again(type(value))


def is_made_again(kind: type) -> bool:
    """Return whether values of a class are made again by their fields."""
    here = kind.__module__.partition(".")[0] == OURS
    # Estimators have a state of their own, with a checksum.
    fields_only = is_dataclass(kind) and not hasattr(kind, "get_params")
    return here and (fields_only or issubclass(kind, Plain))
