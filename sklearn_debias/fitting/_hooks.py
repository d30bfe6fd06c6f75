"""What the hooks of a classifier return, checked: a subclass may come from anywhere."""

from typing import Any

import numpy as np
from torch import nn

from sklearn_debias.core import Objective, Phase, Role
from sklearn_debias.fitting._networks import Networks
from sklearn_debias.fitting._training_set import TrainingSet
from sklearn_debias.fitting._types import Classifier


def training_set_of(estimator: Classifier, training: TrainingSet) -> TrainingSet:
    """Return the rows that the classifier trains on."""
    found = estimator._training_set(training)
    hook = _name(estimator, "_training_set")
    if not isinstance(found, TrainingSet):
        raise TypeError(
            f"{hook} must return a TrainingSet, such as the one it is given or a "
            f"dataclasses.replace() of it, got {_said(found)}."
        )
    if len(found) == 0:
        raise ValueError(f"{hook} must leave rows to train on, got none.")
    for column in ("y", "group", "weight"):
        values = getattr(found, column)
        if values is not None and np.shape(values) != (len(found),):
            raise ValueError(
                f"{hook} must return one value of `{column}` for each of the {len(found)} rows in "
                f"`index`, got the shape {np.shape(values)}."
            )
    return found


def phases_of(estimator: Classifier) -> tuple[Phase, ...]:
    """Return the phases of the fit."""
    return _checked(estimator._phases(), _name(estimator, "_phases"))


def settled(
    estimator: Classifier, phases: tuple[Phase, ...], networks: Networks
) -> tuple[Phase, ...]:
    """Return the phases, with what only the built networks tell."""
    return _checked(estimator._settle(phases, networks), _name(estimator, "_settle"))


def role_of(estimator: Classifier, role: str) -> Role:
    """Return what the network of a role is built from."""
    found = estimator._role(role)
    if not isinstance(found, Role):
        hook = _name(estimator, "_role")
        raise TypeError(f"{hook} must return a sklearn_debias.core.Role, got {_said(found)}.")
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
    # Zero epochs would end with an empty history, and with states that nobody made.
    short = [phase.name for phase in phases if not _is_count(phase.max_epochs)]
    if short:
        raise ValueError(f"{hook} must give the phase {short[0]!r} an int >= 1 as `max_epochs`.")
    return phases


def _is_phase(phase: Any) -> bool:
    if not isinstance(phase, Phase) or not isinstance(phase.steps, tuple) or not phase.steps:
        return False
    return all(isinstance(step, Objective) for step in phase.steps)


def _is_count(value: Any) -> bool:
    whole = isinstance(value, (int, np.integer)) and not isinstance(value, bool)
    return whole and bool(value >= 1)


def _name(estimator: Classifier, hook: str) -> str:
    return f"`{type(estimator).__name__}.{hook}`"


def _said(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"a {type(value).__name__}"
