"""What the package exports, for suites that must leave nothing out.

The lists follow ``__all__`` of the public packages and are sorted by name: they are the same in
every process, so that processes can share the cases of a suite.
"""

import importlib
import inspect
import pkgutil
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

from sklearn.base import BaseEstimator, ClassifierMixin

import sklearn_debias
from sklearn_debias import attacks, losses, objectives
from sklearn_debias.attacks import StepwiseAttack
from sklearn_debias.core import Objective
from sklearn_debias.estimators import BaseDebiasClassifier

# Exported for others to derive from; none of them trains or attacks itself.
BASES = (BaseDebiasClassifier, StepwiseAttack)
# Packages whose functions are of tensors and modules, or for other rooms.
NOT_CALLED = {
    *("attacks", "core", "fitting", "losses", "maps", "models", "objectives"),
    *("search_spaces", "training"),
}


def all_estimators() -> list[tuple[str, type]]:
    """Return every classifier that a package of `sklearn_debias` exports.

    Returns
    -------
    list of (name, class)
        Sorted by name, without `BaseDebiasClassifier`.

    Examples
    --------
    >>> from sklearn_debias.testing import all_estimators
    >>> names = [name for name, _ in all_estimators()]
    >>> "ERMClassifier" in names, "BaseDebiasClassifier" in names
    (True, False)
    """
    found: dict[str, type] = {}
    for package in _packages():
        found.update(_exports(package, _is_classifier))
    return sorted(found.items())


def all_objectives() -> list[tuple[str, type[Objective]]]:
    """Return every objective that `sklearn_debias.objectives` exports.

    Returns
    -------
    list of (name, class)
        Sorted by name, without `InnerAttack`.

    Examples
    --------
    >>> from sklearn_debias.testing import all_objectives
    >>> "LfF" in dict(all_objectives())
    True
    """
    return sorted(_exports(objectives, _is_objective))


def all_losses() -> list[tuple[str, Callable[..., Any]]]:
    """Return every function that `sklearn_debias.losses` exports.

    Returns
    -------
    list of (name, function)
        Sorted by name; the weights, margins and statistics that go with a loss are among them.

    Examples
    --------
    >>> from sklearn_debias.testing import all_losses
    >>> "cross_entropy" in dict(all_losses())
    True
    """
    return sorted(_exports(losses, inspect.isfunction))


def all_attacks() -> list[tuple[str, type]]:
    """Return every class with a method ``attack`` that `sklearn_debias.attacks` exports.

    Returns
    -------
    list of (name, class)
        Sorted by name, without `StepwiseAttack`.

    Examples
    --------
    >>> from sklearn_debias.testing import all_attacks
    >>> [name for name, _ in all_attacks()]
    ['AutoAttack', 'CarliniWagner', 'FGSM', 'PGD', 'RandomSearch']
    """
    return sorted(_exports(attacks, _is_attack))


def all_functions() -> list[tuple[str, Callable[..., Any]]]:
    """Return every function that users of the package call.

    Returns
    -------
    list of (name, function)
        Sorted by name, without the functions of tensors and modules, as in `sklearn_debias.losses`,
        and without those of packages that users are not promised.

    Examples
    --------
    >>> from sklearn_debias.testing import all_functions
    >>> "group_report" in dict(all_functions())
    True
    """
    found: dict[str, Callable[..., Any]] = {}
    for package in _packages():
        if package.__name__.rpartition(".")[2] not in NOT_CALLED:
            found.update(_exports(package, inspect.isfunction))
    return sorted(found.items())


def _packages() -> Iterator[ModuleType]:
    for found in pkgutil.iter_modules(sklearn_debias.__path__):
        if found.ispkg and not found.name.startswith("_") and found.name != "testing":
            yield importlib.import_module(f"sklearn_debias.{found.name}")


def _exports(package: ModuleType, wanted: Callable[[Any], bool]) -> Iterator[tuple[str, Any]]:
    for name in package.__all__:
        value = getattr(package, name)
        if wanted(value) and value not in BASES:
            yield name, value


def _is_classifier(value: Any) -> bool:
    kinds = (BaseEstimator, ClassifierMixin)
    return inspect.isclass(value) and all(issubclass(value, kind) for kind in kinds)


def _is_objective(value: Any) -> bool:
    return inspect.isclass(value) and issubclass(value, Objective)


def _is_attack(value: Any) -> bool:
    return inspect.isclass(value) and hasattr(value, "attack")
