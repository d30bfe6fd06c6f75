"""What fits of one stack have in common, and the numbers in which they may differ."""

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
from sklearn_debias.training import OF_EVERY_MODULE

Path = tuple[str, ...]

# What scikit-learn's clone keeps of an estimator beside its parameters.
KEPT_BY_CLONE = ("_metadata_request", "_sklearn_output_config")
# Torch's own attributes: tensors and submodules, which are compared by themselves, and hooks.
OF_ANY = OF_EVERY_MODULE - {"training"}


def settings_of(objective: Objective, *, exact: bool = False) -> dict[Path, float]:
    """Return the numbers of an objective, and of those inside it, that a stack may vary.

    They are its fields that are not static. With ``exact``, 0 and 1 are left out: an objective may
    skip what they switch off, and with it some of the random numbers that are drawn.
    """
    found: dict[Path, float] = {}
    for name, value in _dynamic(objective).items():
        if isinstance(value, Objective):
            # BiasAdv has its base as a field.
            inner = settings_of(value, exact=exact)
            found |= {(name, *path): number for path, number in inner.items()}
        elif _is_number(value) and not (exact and value in (0, 1)):
            found[(name,)] = float(value)
    return found


def with_settings(objective: Objective, settings: Mapping[Path, Any]) -> Objective:
    """Return the objective with the numbers at these paths replaced."""
    inner = {path[0] for path in settings if len(path) > 1}
    changes = {path[0]: value for path, value in settings.items() if len(path) == 1}
    for name in inner:
        own = {path[1:]: value for path, value in settings.items() if path[0] == name}
        changes[name] = with_settings(getattr(objective, name), own)
    return replace(objective, **changes) if changes else objective  # type: ignore[type-var]


def structure(phases: tuple[Phase, ...], *, exact: bool) -> Hashable:
    """Return a key that is equal for phases that differ in the numbers of `settings_of` only."""
    return tuple(
        (
            phase.name,
            phase.max_epochs,
            phase.continues,
            phase.restarts,
            phase.snapshots,
            tuple(_of_objective(step, exact) for step in phase.steps),
        )
        for phase in phases
    )


def _of_objective(objective: Objective, exact: bool) -> Hashable:
    """Return the key of one objective; see `structure`."""
    varied = settings_of(objective, exact=exact)
    parts: list[Any] = [type(objective)]
    for field in fields(objective):  # type: ignore[arg-type]
        value = getattr(objective, field.name)
        inside = _of_objective(value, exact) if isinstance(value, Objective) else fingerprint(value)
        parts.append((field.name, "varied" if (field.name,) in varied else inside))
    return tuple(parts)


def _dynamic(objective: Objective) -> dict[str, Any]:
    """Return the fields of an objective that are not static, by name."""
    if not is_dataclass(objective):
        return {}
    return {
        f.name: getattr(objective, f.name)
        for f in fields(objective)
        if not f.metadata.get("static")
    }


def _is_number(value: Any) -> bool:
    # Python's bool is a number, too, and a switch.
    return isinstance(value, numbers.Real) and not isinstance(value, bool)


def fingerprint(value: Any) -> Hashable:
    """Return a key that is equal for equal parameter values.

    Clones of estimators, modules, partials and arrays are included. In doubt the keys differ: fits
    that one stack could train are then trained in two.
    """
    if isinstance(value, Tensor):
        return _of_tensor(value)
    if isinstance(value, nn.Module):
        return _of_module(value)
    if isinstance(value, BaseEstimator) and _clones_by_parameters(value):
        settings = {name: vars(value).get(name) for name in KEPT_BY_CLONE}
        return type(value), fingerprint(value.get_params(deep=False)), fingerprint(settings)
    if isinstance(value, partial):
        return value.func, fingerprint(value.args), fingerprint(value.keywords)
    if isinstance(value, Mapping):
        return tuple((key, fingerprint(value[key])) for key in sorted(value, key=repr))
    if isinstance(value, (list, tuple)):
        return type(value), tuple(map(fingerprint, value))
    # With its type, since 1 == 1.0 == True, and a module may be built otherwise from each.
    if value is None or isinstance(value, (str, bool, numbers.Number, type)):
        return type(value), value
    # What cannot be pickled equals itself only.
    try:
        return joblib.hash(value)
    except Exception:
        return id(value)


def _clones_by_parameters(estimator: BaseEstimator) -> bool:
    """Return whether scikit-learn clones the estimator by its parameters."""
    # A FrozenEstimator clones to itself, fitted: what it has learned counts, too.
    return type(estimator).__sklearn_clone__ is BaseEstimator.__sklearn_clone__


def _of_module(module: nn.Module) -> Hashable:
    """Return a key of a module's class, tensors and plain attributes."""
    tensors = {**dict(module.named_parameters()), **dict(module.named_buffers())}
    # repr does not show all attributes: a module of the user's may keep a number to itself.
    own = []
    for name, part in module.named_modules():
        plain = {key: value for key, value in vars(part).items() if key not in OF_ANY}
        own.append((name, (type(part), _of_attribute(plain))))
    return type(module), repr(module), fingerprint(tensors), tuple(own)


def _of_attribute(value: Any) -> Hashable:
    """Return `fingerprint`, but count a module inside by its class.

    It may be the one that holds the attribute.
    """
    if isinstance(value, (nn.Module, weakref.ref)):
        return (type(value),)
    if isinstance(value, Mapping):
        return tuple((key, _of_attribute(value[key])) for key in sorted(value, key=repr))
    if isinstance(value, (list, tuple)):
        return type(value), tuple(map(_of_attribute, value))
    return fingerprint(value)


def _of_tensor(tensor: Tensor) -> Hashable:
    """Return a key of a tensor's dtype, shape and content."""
    # Lazy modules have no shape yet, and are alike until they see data.
    if is_lazy(tensor):
        return type(tensor)
    # What has no plain bytes to read equals itself only.
    if tensor.layout != torch.strided or tensor.is_quantized or tensor.is_meta:
        return id(tensor)
    content = tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy()
    return str(tensor.dtype), tuple(tensor.shape), tensor.requires_grad, joblib.hash(content)
