"""Constructor parameters that all torch estimators share, and dunder access to skorch."""

import numbers
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch
from sklearn.utils._param_validation import HasMethods, Interval, Options, StrOptions
from torch import nn

from sklearn_debias.arguments import LARGEST, as_python
from sklearn_debias.fitting._accelerator import ACCELERATOR, without_accelerator
from sklearn_debias.fitting._our_names import OurNames
from sklearn_debias.fitting._types import Estimator
from sklearn_debias.metrics.internal import check_numeric

MOMENTUM = 0.9  # of SGD in the papers
PREFIXES = ("module", "optimizer", "callbacks", "iterator_train")
OF_ROLES = "_module"  # how the parameters end that name the network of a role
LBFGS = "lbfgs"  # takes no steps on batches: see _convex.py
OPTIMIZERS = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW, "sgd": torch.optim.SGD}

MODULE = [str, callable, Options(type, {nn.Module}), HasMethods("forward"), None]
POSITIVE_INT = [Interval(numbers.Integral, 1, None, closed="left")]
NON_NEGATIVE = [Interval(numbers.Real, 0, None, closed="left")]
POSITIVE = [Interval(numbers.Real, 0, None, closed="neither")]
Q = [Interval(numbers.Real, 0, 1, closed="right")]

SHARED_CONSTRAINTS: dict[str, list] = {
    "module": MODULE,
    "lr": POSITIVE,
    "max_epochs": POSITIVE_INT,
    "batch_size": POSITIVE_INT,
    "optimizer": [StrOptions({*OPTIMIZERS, LBFGS}), callable],
    "weight_decay": NON_NEGATIVE,
    "lr_schedule": [StrOptions({"drops"}), callable, None],
    "augment": [StrOptions({"crop-flip"}), callable, None],
    "normalize": [StrOptions({"imagenet"}), tuple, list, None],
    "image_size": [Interval(numbers.Integral, 1, None, closed="left"), tuple, list, None],
    "freeze": [StrOptions({"body"}), None],
    "validation": [Interval(numbers.Real, 0, 1, closed="neither"), None],
    "monitor": [str, callable, None],
    "monitor_every": POSITIVE_INT,
    "patience": [*POSITIVE_INT, None],
    "amp": ["boolean"],
    "dtype": [StrOptions({"float32", "float64"})],
    "device": [str, Options(type, {torch.device}), torch.device],
    "callbacks": [list, tuple, StrOptions({"disable"}), None],
    "net_params": [dict, None],
    "checkpoint": [str, HasMethods("__fspath__"), None],
    "checkpoint_every": [*POSITIVE_INT, str],
    "verbose": ["verbose"],
    "random_state": ["random_state"],
}


def is_solved(estimator: Any) -> bool:
    """Return whether a fit of this estimator goes straight to the minimum of its loss."""
    optimizer = getattr(estimator, "optimizer", None)
    return isinstance(optimizer, str) and optimizer == LBFGS


class NetParams(OurNames):
    """Parameters such as ``optimizer__betas``, which are kept in ``net_params``."""

    net_params: dict | None

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the parameters; with ``deep`` also those in ``net_params``, by their own names."""
        params = super().get_params(deep)  # type: ignore[misc]
        if deep and isinstance(self.net_params, dict):
            params |= self.net_params
        return params

    def set_params(self, **params: Any) -> Any:
        """Set parameters; ``module__*``, ``optimizer__*`` and the like go into ``net_params``."""
        # Scikit-learn would look for a parameter `module` with parameters of its own.
        own = {k: params.pop(k) for k in list(params) if self._is_kept(k)}
        super().set_params(**params)
        if own:
            # A new dict: the old one may be shared with clones, or be the user's.
            self.net_params = {**(self.net_params or {}), **own}
        return self

    def _is_kept(self, key: str) -> bool:
        """Return whether a parameter of this name is kept in ``net_params``."""
        prefix, dunder, _ = key.partition("__")
        of_role = prefix.endswith(OF_ROLES) and hasattr(self, prefix)
        return key == ACCELERATOR or (bool(dunder) and (prefix in PREFIXES or of_role))


def plain_params(estimator: Estimator) -> dict[str, Any]:
    """Return the parameters with Python's numbers in place of NumPy's.

    Raise for a bool where a number is asked for, and for an integer too large to compute with;
    scikit-learn lets both pass.
    """
    allowed = getattr(estimator, "_parameter_constraints", {})
    given = estimator.get_params(deep=False)
    return {name: _plain(estimator, name, given[name], allowed.get(name, [])) for name in given}


def _plain(estimator: Estimator, name: str, value: Any, allowed: list) -> Any:
    asked = f"`{name}` of {type(estimator).__name__} must be a number"
    kinds = {constraint.type for constraint in allowed if isinstance(constraint, Interval)}
    numeric = kinds or "random_state" in allowed
    if isinstance(value, bool) and numeric and not {"boolean", "verbose"} & set(_texts(allowed)):
        raise TypeError(f"{asked}, got {value!r}. Write 1 where you mean one.")
    if isinstance(value, np.timedelta64) and numeric:  # an integer to NumPy
        raise TypeError(f"{asked}, got a span of time, {value!r}.")
    try:
        value = as_python(value)
    except OverflowError as error:
        raise ValueError(f"{asked} in the range of floats, got a larger integer.") from error
    if type(value) is not int or abs(value) <= LARGEST:
        return value
    if numbers.Integral in kinds:
        raise ValueError(f"{asked} of at most {LARGEST}, got {value!r}.")
    return float(value)


def _texts(allowed: list) -> list[str]:
    return [constraint for constraint in allowed if isinstance(constraint, str)]


def ignored_parameters(estimator: Any, base: Any) -> list[str]:
    """Return shared parameters of ``base`` that were set otherwise than in ``estimator``."""
    defaults = type(base)()
    # By their text: arrays and modules do not compare to a single truth.
    return [
        name
        for name in SHARED_CONSTRAINTS
        if repr(getattr(base, name))
        not in (repr(getattr(defaults, name)), repr(getattr(estimator, name)))
    ]


def split_net_params(net_params: dict | None) -> tuple[dict[str, dict], dict, dict]:
    """Return the arguments of ``net_params`` for modules, the DataLoader, and skorch.

    Those for modules are by the parameter that names the module: "module", "student_module".
    """
    groups: dict[str, dict] = {prefix: {} for prefix in PREFIXES}
    for key, value in (without_accelerator(net_params) or {}).items():
        prefix, _, name = str(key).partition("__")
        if prefix.endswith(OF_ROLES):
            groups.setdefault(prefix, {})
        if prefix not in groups or not name:
            raise ValueError(
                f"`net_params` must hold keys such as {', '.join(f'{p}__*' for p in PREFIXES)}, "
                f"got {key!r}. What the estimator has a parameter of its own for is set there."
            )
        groups[prefix][name] = value
    taken = {"batch_size", "sampler", "batch_sampler", "collate_fn", "generator"} & set(
        groups["iterator_train"]
    )
    if taken:
        raise ValueError(
            f"`net_params` must not set iterator_train__{sorted(taken)[0]}: the order of the "
            f"batches belongs to the estimator. Use `batch_size` and `random_state`."
        )
    rest = {
        f"{prefix}__{name}": v
        for prefix in ("optimizer", "callbacks")
        for name, v in groups[prefix].items()
    }
    modules = {
        prefix: options
        for prefix, options in groups.items()
        if prefix == "module" or prefix.endswith(OF_ROLES)
    }
    return modules, groups["iterator_train"], rest


def check_normalize(normalize: Any, size: int) -> None:
    """Raise unless ``normalize`` has a mean and a positive std for ``size`` channels."""
    if isinstance(normalize, (tuple, list)):
        try:
            for part in normalize:
                check_numeric(part, "normalize")
            mean, std = (np.asarray(part, dtype=np.float64) for part in normalize)
        except (TypeError, ValueError, OverflowError) as error:
            raise ValueError(f"`normalize` must be (mean, std), got {normalize!r}.") from error
        if not (np.isfinite(mean).all() and np.isfinite(std).all() and (std > 0).all()):
            raise ValueError(
                f"`normalize` must hold finite means and positive stds, got {normalize!r}."
            )
        sizes = {mean.size, std.size} - {1}
    else:
        sizes = set() if normalize is None else {3}
    if sizes - {size}:
        raise ValueError(
            f"`normalize` must have one number for each of the {size} channels (or features) of X, "
            f"or a single one, got {normalize!r}."
        )


def drops(epochs: int) -> Callable[[torch.optim.Optimizer], Any]:
    """Return what makes the schedule "drops": a tenth after 80 % of the epochs, and after 90 %."""
    milestones = [-(-8 * epochs // 10), -(-9 * epochs // 10)]  # rounded up
    return partial(torch.optim.lr_scheduler.MultiStepLR, milestones=milestones, gamma=0.1)
