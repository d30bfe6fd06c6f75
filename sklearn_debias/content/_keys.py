"""Names of settings by content, the same in every process: what a fit is found again by."""

import json
from collections.abc import Mapping
from functools import partial
from types import BuiltinFunctionType, FunctionType, MethodType
from typing import Any

import numpy as np
import torch
from torch import nn

from sklearn_debias.content._fingerprint import fingerprint

# By name: their versions are those of the environment, which a study does not outlive.
KNOWN = ("sklearn_debias", "sklearn", "torch", "torchvision", "numpy", "scipy", "builtins")
PLAIN = (type(None), bool, int, float, str, bytes, torch.dtype, torch.device, slice, range)
# They change what is said, and how fast, and not what is fitted.
WITHOUT_EFFECT = ("verbose", "n_jobs", "random_state")


def key_of(*values: Any) -> str:
    """Return a name of 32 hexadecimal digits for settings of any kind.

    Raises
    ------
    TypeError
        Where a value has no content to name it by, such as an open file.
    """
    return fingerprint(json.dumps([describe(value) for value in values]))


def describe(value: Any) -> Any:
    """Return a value as plain data: estimators by class and parameters, arrays by content."""
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, PLAIN):
        return [type(value).__name__, repr(value)]
    if isinstance(value, Mapping):
        return ["mapping", [[describe(key), describe(value[key])] for key in value]]
    if isinstance(value, list | tuple):
        return [type(value).__name__, *map(describe, value)]
    if isinstance(value, set | frozenset):
        return [type(value).__name__, *sorted(map(repr, map(describe, value)))]
    if isinstance(value, partial):
        return ["partial", describe(value.func), describe(value.args), describe(value.keywords)]
    if isinstance(value, MethodType):
        return ["method", value.__name__, describe(value.__self__)]
    if isinstance(value, type | FunctionType | BuiltinFunctionType):
        return ["code", _code(value)]
    if isinstance(value, nn.Module):
        return ["module", _code(type(value)), repr(value), _weights(value), _plain_parts(value)]
    if hasattr(value, "get_params"):
        return [_code(type(value)), describe(_settings(value)), describe(_learned(value))]
    state = value.__getstate__() if _is_known(type(value)) else None
    if isinstance(state, Mapping):
        return [_code(type(value)), describe(state)]
    return fingerprint(value)


def _settings(estimator: Any) -> dict[str, Any]:
    """Return the parameters that decide what is fitted; seeds are part of a fit."""
    parameters = estimator.get_params(deep=False)
    return {name: value for name, value in parameters.items() if name not in WITHOUT_EFFECT}


def _learned(estimator: Any) -> dict[str, Any]:
    """Return what a fitted estimator has beside its parameters, such as a frozen one."""
    if isinstance(getattr(type(estimator), "module_", None), property):
        # Of a net there are times and callbacks, too; what predicts are its weights.
        return {"module": estimator.module_} if hasattr(estimator, "classes_") else {}
    parameters = estimator.get_params(deep=False)
    return {
        name: value
        for name, value in vars(estimator).items()
        if name not in parameters and not name.startswith(("__", "_skl", "_sklearn", "_metadata"))
    }


def _weights(module: nn.Module) -> list[Any]:
    return [fingerprint(tensor) for tensor in module.state_dict().values()]


def _plain_parts(module: nn.Module) -> list[Any]:
    """Return plain attributes of a module and its parts, which no weight and no text shows."""
    return [
        [path, name, repr(value)]
        for path, part in module.named_modules()
        for name, value in vars(part).items()
        if isinstance(value, PLAIN) and name != "training"
    ]


def _code(value: Any) -> str:
    """Return the name of a class or function; of one of the user's its content, too."""
    name = f"{value.__module__}.{value.__qualname__}"
    return name if _is_known(value) else f"{name} {fingerprint(value)}"


def _is_known(value: Any) -> bool:
    return str(getattr(value, "__module__", "")).partition(".")[0] in KNOWN
