"""What two fits must have in common to be trained as one stack, and the numbers in which they may differ."""

import numbers
import weakref
from collections.abc import Hashable, Mapping
from dataclasses import fields, is_dataclass, replace
from functools import partial
from typing import Any

import joblib
import torch
from sklearn.base import BaseEstimator
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from sklearn_debias.core import Objective, Phase

Path = tuple[str, ...]

KEPT_BY_CLONE = ("_metadata_request", "_sklearn_output_config")  # beside the parameters
OF_EVERY_MODULE = vars(nn.Module()).keys() - {"training"}


def settings_of(objective: Objective, *, exact: bool = False) -> dict[Path, float]:
    """Numbers of an objective, and of those inside it, that a stack may vary: its fields that are not static.

    With ``exact``, 0 and 1 are left out: an objective may skip what they switch off, and with it
    some of the random numbers that are drawn.
    """
    found: dict[Path, float] = {}
    for name, value in _dynamic(objective).items():
        if isinstance(value, Objective):
            found |= {(name, *path): v for path, v in settings_of(value, exact=exact).items()}
        elif _is_number(value) and not (exact and value in (0, 1)):
            found[(name,)] = float(value)
    return found


def with_settings(objective: Objective, settings: Mapping[Path, Any]) -> Objective:
    """The objective with the numbers at these paths replaced."""
    inner = {path[0] for path in settings if len(path) > 1}
    changes = {path[0]: value for path, value in settings.items() if len(path) == 1}
    for name in inner:
        own = {path[1:]: value for path, value in settings.items() if path[0] == name}
        changes[name] = with_settings(getattr(objective, name), own)
    return replace(objective, **changes) if changes else objective  # type: ignore[type-var]


def structure(phases: tuple[Phase, ...], *, exact: bool) -> Hashable:
    """Equal for phases that differ in the numbers of `settings_of` only."""
    return tuple(
        (
            phase.name,
            phase.max_epochs,
            phase.continues,
            phase.restarts,
            tuple(_of_objective(step, exact) for step in phase.steps),
        )
        for phase in phases
    )


def _of_objective(objective: Objective, exact: bool) -> Hashable:
    varied = settings_of(objective, exact=exact)
    parts: list[Any] = [type(objective)]
    for field in fields(objective):  # type: ignore[arg-type]
        value = getattr(objective, field.name)
        inside = _of_objective(value, exact) if isinstance(value, Objective) else fingerprint(value)
        parts.append((field.name, "varied" if (field.name,) in varied else inside))
    return tuple(parts)


def _dynamic(objective: Objective) -> dict[str, Any]:
    if not is_dataclass(objective):
        return {}
    return {
        f.name: getattr(objective, f.name)
        for f in fields(objective)
        if not f.metadata.get("static")
    }


def _is_number(value: Any) -> bool:
    return isinstance(value, numbers.Real) and not isinstance(value, bool)


def fingerprint(value: Any) -> Hashable:
    """Equal for equal parameter values, clones of estimators, modules, partials and arrays included."""
    if isinstance(value, Tensor):
        return _of_tensor(value)
    if isinstance(value, nn.Module):
        return _of_module(value)
    if (
        isinstance(value, BaseEstimator)
        and type(value).__sklearn_clone__ is BaseEstimator.__sklearn_clone__
    ):
        settings = {name: vars(value).get(name) for name in KEPT_BY_CLONE}
        return type(value), fingerprint(value.get_params(deep=False)), fingerprint(settings)
    if isinstance(value, partial):
        return value.func, fingerprint(value.args), fingerprint(value.keywords)
    if isinstance(value, Mapping):
        return tuple((key, fingerprint(value[key])) for key in sorted(value, key=repr))
    if isinstance(value, (list, tuple)):
        return type(value), tuple(map(fingerprint, value))
    if value is None or isinstance(value, (str, bool, numbers.Number, type)):
        return type(value), value
    try:
        return joblib.hash(value)
    except Exception:  # what cannot be pickled equals itself only
        return id(value)


def _of_module(module: nn.Module) -> Hashable:
    """Equal for modules of one class with the same tensors and the same plain attributes."""
    tensors = {**dict(module.named_parameters()), **dict(module.named_buffers())}
    own = {
        name: (
            type(part),
            _of_attribute({k: v for k, v in vars(part).items() if k not in OF_EVERY_MODULE}),
        )
        for name, part in module.named_modules()
    }
    return type(module), repr(module), fingerprint(tensors), tuple(own.items())


def _of_attribute(value: Any) -> Hashable:
    """As `fingerprint`, but a module inside counts by its class: it may be the one that holds it."""
    if isinstance(value, (nn.Module, weakref.ref)):
        return (type(value),)
    if isinstance(value, Mapping):
        return tuple((key, _of_attribute(value[key])) for key in sorted(value, key=repr))
    if isinstance(value, (list, tuple)):
        return type(value), tuple(map(_of_attribute, value))
    return fingerprint(value)


def _of_tensor(tensor: Tensor) -> Hashable:
    if is_lazy(tensor):
        return type(tensor)
    if (
        tensor.layout != torch.strided or tensor.is_quantized or tensor.is_meta
    ):  # equals itself only
        return id(tensor)
    content = tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy()
    return str(tensor.dtype), tuple(tensor.shape), tensor.requires_grad, joblib.hash(content)
