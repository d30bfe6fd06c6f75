"""What a saved model cannot hold as plain data: networks that are instances, functions, others."""

import copy
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from types import BuiltinFunctionType, FunctionType, MethodType
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from sklearn_debias.plain import NotPlainError, pack

CODE = (type, FunctionType, BuiltinFunctionType)


@dataclass(frozen=True)
class Dropped:
    """Stands for a parameter that a slim model is without; no fit takes it.

    Parameters
    ----------
    of : str
        Class of what was there.
    network : bool
        Whether it was a network, or was built around one.
    """

    of: str
    network: bool

    def __repr__(self) -> str:
        return f"<{self.of}, dropped by slim>"


class Apart:
    """A value that pickle stores as it is, and that skops refuses in our words.

    Parameters
    ----------
    value : Any
    words : str
        What the error says.
    """

    def __init__(self, value: Any, words: str) -> None:
        self.value = value
        self.words = words

    # Pickle, joblib, cloudpickle and copy ask this one first; skops asks the other.
    def __reduce_ex__(self, protocol: Any) -> Any:
        return itself, (self.value,)

    def __reduce__(self) -> Any:
        raise ValueError(self.words)


def itself(value: Any) -> Any:
    """Return the value; pickle files name this function."""
    return value


def for_skops(value: Any, path: str, dropped: Mapping[str, str] | None = None) -> Any:
    """Return a value as a saved model holds it: as it is, or `Apart` where skops cannot say no.

    skops would store a network piece by piece, and a function that has no name as if it had one.

    Parameters
    ----------
    value : Any
    path : str
        Where it is in the model.
    dropped : mapping of str to str, default=None
        Classes of the parameters that a slim model is without: its network is known by them.
    """
    name = path.removeprefix("_fitted.params.").removeprefix("params.").partition(".")[0]
    name = "module" if name == "net_" else name
    if isinstance(value, nn.Module):
        # Of a fit, a network is wrapped in classes of ours, which users never wrote.
        of = (dropped or {}).get(name, type(value).__name__)
        return Apart(
            value,
            f"`{name}` is an instance of {of}, which cannot be rebuilt from its "
            "name, and is not stored by skops. Pass its class or a factory, with its arguments as "
            f"{name}__* in `net_params`; or keep the model for yourself, by joblib.",
        )
    if isinstance(value, CODE) and not is_importable(value):
        return Apart(
            value,
            f"`{name}` is {value!r}, which no other process can import by its name. Define it at "
            "the top of a module, and pass that.",
        )
    return value


def is_importable(value: Any) -> bool:
    """Return whether a class or function is found again by its module and its name."""
    home = sys.modules.get(getattr(value, "__module__", None) or "builtins")
    return getattr(home, getattr(value, "__name__", ""), None) is value


def described(value: Any) -> str:
    """Return by which name a value is known, so that another one in its place is noticed."""
    if isinstance(value, Apart):
        return described(value.value)
    if isinstance(value, partial):
        return f"partial of {described(value.func)}"
    if isinstance(value, MethodType):
        return f"{value.__name__} of {described(value.__self__)}"
    if isinstance(value, CODE):
        return _full_name(value)
    return f"a {_full_name(type(value))}"


def _full_name(code: Any) -> str:
    # A class made in a function comes out of cloudpickle as one that was made outside.
    return f"{code.__module__}.{code.__qualname__.rpartition('<locals>.')[2]}"


def holds_module(value: Any) -> bool:
    """Return whether a parameter is a network, or is built around one."""
    if isinstance(value, Dropped):
        return value.network
    if isinstance(value, partial):
        return any(map(holds_module, (value.func, *value.args, *value.keywords.values())))
    if isinstance(value, MethodType):
        return holds_module(value.__self__)
    if hasattr(value, "get_params") and not isinstance(value, type):
        return any(map(holds_module, value.get_params(deep=False).values()))
    return isinstance(value, nn.Module)


def without_networks(value: Any) -> Any:
    """Return a parameter as a slim model has it: networks, and what is not plain, are dropped.

    Code stays, which networks are built by; estimators stay, which have parameters of their own.
    """
    if hasattr(value, "get_params") and not isinstance(value, type):
        return value
    of = type(value).__name__
    if isinstance(value, nn.Module | partial | MethodType) and holds_module(value):
        return Dropped(of, network=True)
    if callable(value) or isinstance(value, np.random.RandomState | torch.device):
        return value
    try:
        pack(value, {}, "", keep=_keep_code)
    except NotPlainError:
        return Dropped(of, network=False)
    return value


def _keep_code(pack: Any, value: Any, path: str) -> list[Any] | None:
    return [path] if isinstance(value, CODE) else None


def taken_apart(module: nn.Module) -> tuple[nn.Module, dict[str, Tensor]] | None:
    """Return a copy of a network without numbers, and its tensors by name.

    None where it cannot be copied.
    """
    # Tensors of a class of their own stay with the module.
    plain = {n: t for n, t in tensors_of(module).items() if type(t) in (Tensor, nn.Parameter)}
    memo: dict[int, Any] = {}
    for tensor in plain.values():
        empty = torch.empty_like(tensor, device="meta")
        if isinstance(tensor, nn.Parameter):
            empty = nn.Parameter(empty, requires_grad=tensor.requires_grad)
        memo[id(tensor)] = empty
    try:
        return copy.deepcopy(module, memo), plain
    except Exception:
        return None


def put_together(skeleton: nn.Module, tensors: Mapping[str, Tensor]) -> nn.Module:
    """Return the network of a copy without numbers, and of its tensors; the copy is changed."""
    made: dict[int, Any] = {}
    for path, part in skeleton.named_modules():
        for held in (part._parameters, part._buffers):
            for name, empty in held.items():
                if empty is None or not empty.is_meta:
                    continue
                if id(empty) not in made:  # tied tensors stay tied
                    tensor = tensors[f"{path}.{name}" if path else name]
                    if isinstance(empty, nn.Parameter):
                        tensor = nn.Parameter(tensor, requires_grad=empty.requires_grad)
                    # Keeps the empty one alive, whose number is the key.
                    made[id(empty)] = (tensor, empty)
                held[name] = made[id(empty)][0]
    return skeleton


def tensors_of(module: nn.Module) -> dict[str, Tensor]:
    """Return all parameters and buffers by name, those that are no part of a state_dict as well.

    Those that have no shape yet are left out.
    """
    named: list[tuple[str, Tensor]] = [*module.named_parameters(remove_duplicate=False)]
    named += module.named_buffers(remove_duplicate=False)
    return {name: tensor for name, tensor in named if not is_lazy(tensor)}
