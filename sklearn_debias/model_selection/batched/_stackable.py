"""Checks of what a stack of candidates cannot train; they name the parameter or the module."""

from collections.abc import Hashable
from typing import Any

from sklearn_debias.core.internal import is_tokens
from sklearn_debias.fitting import ACCELERATOR, SHARED_CONSTRAINTS, Fit, asked_by
from sklearn_debias.model_selection.batched._schedules import check_schedule
from sklearn_debias.model_selection.batched._stacked_optimizers import optimizer_settings
from sklearn_debias.model_selection.batched._structure import fingerprint, structure
from sklearn_debias.models import Normalize
from sklearn_debias.rows import pickable_form
from sklearn_debias.training import Engine

# Shared parameters that may differ within a stack.
DYNAMIC = ("lr", "weight_decay", "verbose", "random_state", "monitor", "monitor_every", "patience")
ADVICE = "Use sklearn.model_selection.GridSearchCV for it."
# Shared parameters that a stack cannot do, and the values that ask for nothing.
OFF = {
    "augment": None,
    "freeze": None,
    "checkpoint": None,
    "amp": False,
    "callbacks": None,
}


class NotStackableError(ValueError):
    """A candidate cannot be trained together with others."""


def check_parameters(estimator: Any) -> None:
    """Raise where a parameter asks for what a stack cannot do."""
    for name, off in OFF.items():
        value = getattr(estimator, name)
        if value is off or value == off:
            continue
        if name == "callbacks" and value in ([], (), "disable"):
            continue
        advice = ADVICE
        if name == "freeze":
            advice = "Put an Embedder before a linear head, or use GridSearchCV."
        raise NotStackableError(
            f"`{name}`={value!r} does not work in a stack of candidates. {advice}"
        )
    # A stack has no skorch loop, and so neither a DataLoader nor skorch's callbacks.
    unused = ("iterator_train__", "callbacks__", ACCELERATOR)
    found = [key for key in asked_by(estimator.net_params) if key.startswith(unused)]
    if found:
        raise NotStackableError(
            f"`{found[0]}` of `net_params` does not work in a stack of candidates. {ADVICE}"
        )


def check_callbacks(estimator: Any) -> None:
    """Raise where `set_callbacks` gave scikit-learn's callbacks to a classifier or pipeline."""
    if callbacks := getattr(estimator, "_skl_callbacks", None):
        names = ", ".join(type(callback).__name__ for callback in callbacks)
        raise NotStackableError(
            f"`set_callbacks`: callbacks ({names}) do not work in a stack of candidates. {ADVICE}"
        )


def check_pickable(X: Any) -> None:
    """Raise where no splitter can pick rows of X, which are no features then."""
    if form := pickable_form(X):
        raise NotStackableError(
            f"`X` must be 2-D to train a stack of candidates, got a {type(X).__name__}. Pass "
            f"embeddings, or use sklearn.model_selection.GridSearchCV with a list, {form}."
        )


def check_fit(fit: Fit, engine: Engine) -> None:
    """Raise where the data, a module, the optimiser or the schedule cannot be stacked."""
    shape = fit.estimator.input_shape_
    if len(shape) != 1:
        found = "rows of tokens" if is_tokens(shape) else f"images of shape {shape}"
        raise NotStackableError(
            f"`X` must be 2-D to train a stack of candidates, got {found}. Pass embeddings, or use "
            "sklearn.model_selection.GridSearchCV."
        )
    for role, module in fit.networks.modules.items():
        name = fit.networks.roles[role].parameter
        for path, part in module.named_modules():
            holds = next(part.buffers(recurse=False), None) is not None
            # vmap cannot write to BatchNorm's statistics. Those of Normalize are constants.
            if holds and not isinstance(part, Normalize):
                raise NotStackableError(
                    f"`{name}` holds buffers in {path or role!r}, a {type(part).__name__}, which a "
                    f"stack of candidates cannot update. {ADVICE}"
                )
    # A schedule is known once it is made: this one only shows its kind.
    try:
        optimizer_settings(engine.optimizer_)
        engine.fresh_optimizer(fit.schedule(fit.phases[0]))
        check_schedule(engine.schedule)
    except (TypeError, ValueError) as error:
        raise NotStackableError(str(error)) from error


def stack_key(fit: Fit, engine: Engine, *, exact: bool) -> Hashable:
    """Return a key that is equal for fits that one stack can train."""
    estimator = fit.estimator
    # The phases count, and with them `max_epochs` and the method's own parameters.
    shared = [name for name in SHARED_CONSTRAINTS if name not in (*DYNAMIC, "max_epochs")]
    modules = fit.networks.modules
    shapes = tuple((n, tuple(p.shape), p.requires_grad) for n, p in modules.named_parameters())
    specs = tuple((name, fingerprint(role.module)) for name, role in fit.networks.roles.items())
    return (
        fingerprint({name: getattr(estimator, name) for name in shared}),
        specs,
        shapes,
        repr(modules),
        structure(fit.phases, exact=exact),
        optimizer_settings(engine.optimizer_),
        tuple(fit.feed.columns),
        len(estimator.classes_),
    )
