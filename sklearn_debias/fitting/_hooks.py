"""What the hooks of a classifier return, checked: a subclass may come from anywhere."""

from collections.abc import Mapping
from numbers import Real
from typing import Any

import numpy as np
from torch import nn

from sklearn_debias.core import Objective, Phase, Role
from sklearn_debias.fitting._given import Given, View
from sklearn_debias.fitting._networks import Networks
from sklearn_debias.fitting._requirements import KNOWN
from sklearn_debias.fitting._training_set import TrainingSet
from sklearn_debias.fitting._types import Classifier


def check_given_of(estimator: Classifier, given: Any) -> None:
    """Raise unless ``given`` is what a method under `@fit_method` must return."""
    hook = _name(estimator, "fit")
    if not isinstance(given, Given):
        raise TypeError(
            f"{hook} is decorated with @fit_method and must return a Given, got {_said(given)}."
        )
    views = given.views
    if not isinstance(views, Mapping) or not all(
        isinstance(name, str) and isinstance(view, View) for name, view in views.items()
    ):
        raise TypeError(
            f"{hook} must give `views` as a dict of View by role, or leave it out, got "
            f"{_said(views)}."
        )
    for name in ("meta", "extra"):
        value = getattr(given, name)
        if value is not None and not (isinstance(value, tuple) and len(value) == 2):
            raise TypeError(
                f"{hook} must give `{name}` as a tuple of rows and labels, or None, got "
                f"{_said(value)}."
            )


def training_set_of(estimator: Classifier, training: TrainingSet) -> TrainingSet:
    """Return the rows that the classifier trains on."""
    found = estimator._training_set(training)
    hook = _name(estimator, "_training_set")
    if not isinstance(found, TrainingSet):
        raise TypeError(
            f"{hook} must return a TrainingSet, such as the one it is given or a "
            f"dataclasses.replace() of it, got {_said(found)}."
        )
    _check_codes(hook, "index", found.index, len(found.inputs.source), "rows of X")
    if len(found) == 0:
        raise ValueError(f"{hook} must leave rows to train on, got none.")
    for column in ("y", "group", "weight"):
        values = getattr(found, column)
        if values is not None and np.shape(values) != (len(found),):
            raise ValueError(
                f"{hook} must return one value of `{column}` for each of the {len(found)} rows in "
                f"`index`, got the shape {np.shape(values)}."
            )
    _check_codes(hook, "y", found.y, len(found.classes), "classes")
    if found.y.dtype != np.int64:
        raise TypeError(f"{hook} must return `y` as an ndarray of int64, got {found.y.dtype}.")
    if found.group is not None:
        n_groups = None if found.groups is None else len(found.groups)
        _check_codes(hook, "group", found.group, n_groups, "groups")
    if found.weight is not None:
        _check_weight(hook, found.weight)
    return found


def _check_codes(hook: str, name: str, codes: Any, n: int | None, of: str) -> None:
    whole = isinstance(codes, np.ndarray) and np.issubdtype(codes.dtype, np.integer)
    if not whole or codes.ndim != 1:
        raise TypeError(
            f"{hook} must return `{name}` as a 1-D ndarray of integers, got {_said(codes)}."
        )
    if len(codes) == 0:
        return
    low, high = codes.min(), codes.max()
    if low < 0 or (n is not None and high >= n):
        most = "" if n is None else f" to {n - 1}, as there are {n} {of}"
        raise ValueError(
            f"{hook} must return `{name}` with values from 0{most}, got {low} to {high}."
        )


def _check_weight(hook: str, weight: Any) -> None:
    if not isinstance(weight, np.ndarray) or not np.issubdtype(weight.dtype, np.floating):
        raise TypeError(
            f"{hook} must return `weight` as an ndarray of floats, got {_said(weight)}."
        )
    if not np.isfinite(weight).all() or weight.min() < 0:
        raise ValueError(
            f"{hook} must return `weight` with finite values >= 0, got {weight.min()} to "
            f"{weight.max()}."
        )


def phases_of(estimator: Classifier) -> tuple[Phase, ...]:
    """Return the phases of the fit."""
    return _checked(estimator._phases(), _name(estimator, "_phases"))


def settled(
    estimator: Classifier, phases: tuple[Phase, ...], networks: Networks
) -> tuple[Phase, ...]:
    """Return the phases, with what only the built networks tell."""
    found = _checked(estimator._settle(phases, networks), _name(estimator, "_settle"))
    hook = _name(estimator, "_phases" if found is phases else "_settle")
    # A helper may share layers, which then have two names.
    parts = dict(networks.modules.named_modules(remove_duplicate=False))
    for phase in found:
        strangers = [role for role in phase.roles if role not in networks.modules]
        if strangers:
            raise ValueError(
                f"{hook} must use the roles that were built, {sorted(networks.modules)}, got "
                f"{strangers[0]!r} in the phase {phase.name!r}."
            )
        for name in phase.restarts:
            if not name or name not in parts:
                raise ValueError(
                    f"{hook} must name parts of networks in `restarts`, by role and name, such as "
                    f"'model.head', got {name!r} in the phase {phase.name!r}."
                )
    return found


def role_of(estimator: Classifier, role: str) -> Role:
    """Return what the network of a role is built from."""
    found = estimator._role(role)
    hook = _name(estimator, "_role")
    if not isinstance(found, Role):
        raise TypeError(f"{hook} must return a sklearn_debias.core.Role, got {_said(found)}.")
    for name in ("helper", "optimizer"):
        value = getattr(found, name)
        if value is not None and not callable(value):
            raise TypeError(
                f"{hook} must give {role!r} a callable as `{name}`, or None, got {_said(value)}."
            )
    lr = found.lr
    if lr is not None and (not isinstance(lr, Real) or isinstance(lr, bool)):
        raise TypeError(f"{hook} must give {role!r} a number as `lr`, or None, got {_said(lr)}.")
    if lr is not None and not lr > 0:
        raise ValueError(f"{hook} must give {role!r} a positive `lr`, or None, got {lr}.")
    return found


def helper_of(estimator: Classifier, name: str, role: Role, modules: Any) -> nn.Module:
    """Return the network of a role that does not look at X."""
    assert role.helper is not None
    found = role.helper(modules)
    if not isinstance(found, nn.Module):
        hook = _name(estimator, "_role")
        raise TypeError(
            f"The `helper` of {hook} for {name!r} must make an nn.Module, got {_said(found)}."
        )
    return found


def _checked(phases: Any, hook: str) -> tuple[Phase, ...]:
    if not isinstance(phases, tuple) or not phases or not all(map(_is_phase, phases)):
        raise TypeError(
            f"{hook} must return a tuple of sklearn_debias.core.Phase, at least one, each with a "
            f"tuple of objectives as `steps`, got {_said(phases)}."
        )
    for phase in phases:
        _check_phase(phase, hook)
    names = [phase.name for phase in phases]
    if len(set(names)) < len(names):
        raise ValueError(f"{hook} must give every phase a name of its own, got {names}.")
    if phases[0].continues:
        raise ValueError(f"{hook} must not let the first phase continue: nothing comes before it.")
    if "model" not in phases[-1].roles:
        raise ValueError(
            f"{hook} must train the role 'model', which predicts, in its last phase, got "
            f"{phases[-1].roles}."
        )
    _check_snapshots(phases, hook)
    # Zero epochs would end with an empty history, and with states that nobody made.
    short = [phase.name for phase in phases if not _is_count(phase.max_epochs)]
    if short:
        raise ValueError(f"{hook} must give the phase {short[0]!r} an int >= 1 as `max_epochs`.")
    return phases


def _is_phase(phase: Any) -> bool:
    if not isinstance(phase, Phase) or not isinstance(phase.steps, tuple) or not phase.steps:
        return False
    return all(isinstance(step, Objective) for step in phase.steps)


def _check_phase(phase: Phase, hook: str) -> None:
    for step in phase.steps:
        _check_objective(step)
    if not isinstance(phase.name, str):
        raise TypeError(f"{hook} must name each phase by a str, got {_said(phase.name)}.")
    if not phase.name:
        raise ValueError(f"{hook} must give every phase a name, got an empty one.")
    for name in ("restarts", "snapshots"):
        value = getattr(phase, name)
        if not _are_strings(value, tuple):
            raise TypeError(
                f"{hook} must give `{name}` as a tuple of str, got {_said(value)} in the phase "
                f"{phase.name!r}."
            )


def _check_snapshots(phases: tuple[Phase, ...], hook: str) -> None:
    """Raise where a copy of the model would have no network of its own."""
    others = {role for phase in phases for role in phase.roles} - {"model"}
    for phase in phases:
        for role in phase.snapshots:
            if role not in others:
                raise ValueError(
                    f"{hook} must name roles that its steps use, other than 'model', in "
                    f"`snapshots`: one of {sorted(others)}, got {role!r} in the phase "
                    f"{phase.name!r}."
                )


def _check_objective(step: Objective) -> None:
    """Raise where what an objective says of itself would only fail, or be ignored, later."""
    owner = type(step).__name__
    roles, requires = step.roles, step.requires
    if not _are_strings(roles, tuple):
        raise TypeError(f"`{owner}.roles` must be a tuple of str, got {_said(roles)}.")
    # A network is found by its role and a dotted path.
    wrong = [role for role in roles if not role.isidentifier()]
    if wrong:
        raise ValueError(f"`{owner}.roles` must hold names without dots, got {wrong[0]!r}.")
    if not _are_strings(requires, (set, frozenset)):
        raise TypeError(f"`{owner}.requires` must be a frozenset of str, got {_said(requires)}.")
    unknown = requires - KNOWN
    if unknown:
        raise ValueError(
            f"`{owner}.requires` must hold names of {sorted(KNOWN)}, got {sorted(unknown)}."
        )
    if not _is_count(step.every):
        raise ValueError(f"`{owner}.every` must be an int >= 1, got {_said(step.every)}.")


def _are_strings(values: Any, kind: Any) -> bool:
    return isinstance(values, kind) and all(isinstance(value, str) for value in values)


def _is_count(value: Any) -> bool:
    whole = isinstance(value, (int, np.integer)) and not isinstance(value, bool)
    return whole and bool(value >= 1)


def _name(estimator: Classifier, hook: str) -> str:
    return f"`{type(estimator).__name__}.{hook}`"


def _said(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"a {type(value).__name__}"
