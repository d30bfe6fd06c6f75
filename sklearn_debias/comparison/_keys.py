"""Names of settings by content, the same in every process: what a fit is found again by."""

import json
from collections.abc import Mapping
from functools import partial
from types import FunctionType, MethodType
from typing import Any

import numpy as np
import torch
from torch import nn

from sklearn_debias.feature_extraction.internal import fingerprint

# By name: their versions are those of the environment, which a study does not outlive.
KNOWN = ("sklearn_debias", "sklearn", "torch", "torchvision", "numpy", "scipy", "builtins")
PLAIN = (type(None), bool, int, float, str)


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
        return value if isinstance(value, str | None) else repr(value)
    if isinstance(value, Mapping):
        return {"items": [[describe(key), describe(value[key])] for key in value]}
    if isinstance(value, list | tuple | set | frozenset):
        items = sorted(value, key=repr) if isinstance(value, set | frozenset) else value
        return [type(value).__name__, *map(describe, items)]
    if isinstance(value, partial):
        return ["partial", describe(value.func), describe(value.args), describe(value.keywords)]
    if isinstance(value, torch.dtype | torch.device | slice | range):
        return repr(value)
    if _is_known(value) and hasattr(value, "__qualname__"):
        return f"{value.__module__}.{value.__qualname__}"
    if isinstance(value, type | FunctionType | MethodType):
        return fingerprint(value)
    if isinstance(value, nn.Module):
        return [repr(value), *(describe(t) for t in value.state_dict().values()), _content(value)]
    if hasattr(value, "get_params"):
        return [_class(value), describe(value.get_params(deep=False)), describe(_learned(value))]
    state = value.__getstate__() if _is_known(type(value)) else None
    return [_class(value), describe(state)] if isinstance(state, Mapping) else fingerprint(value)


def _learned(estimator: Any) -> dict[str, Any]:
    """Return what a fitted estimator learned, as far as it is arrays or plain values."""
    plain = (*PLAIN, np.generic, np.ndarray)
    return {
        name: value
        for name, value in vars(estimator).items()
        if name.endswith("_") and not name.startswith("_") and isinstance(value, plain)
    }


def _content(module: nn.Module) -> str:
    """Return the name of a module's own code; of one of ours it is the name of the class."""
    return _class(module) if _is_known(type(module)) else fingerprint(module)


def _class(value: Any) -> str:
    return f"{type(value).__module__}.{type(value).__qualname__}"


def _is_known(value: Any) -> bool:
    return str(getattr(value, "__module__", "")).partition(".")[0] in KNOWN
