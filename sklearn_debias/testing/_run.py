"""All checks of one object, in a loop or as pytest cases."""

from collections.abc import Callable, Iterable, Iterator
from types import ModuleType
from typing import Any
from unittest import SkipTest

from sklearn_debias.core import Objective
from sklearn_debias.testing import _estimator_checks, _objective_checks, _reproducibility
from sklearn_debias.testing._problem import ModuleFactory, toy_module


def objective_checks() -> Iterator[Callable]:
    """Every check of an objective, ``check(objective, module)``."""
    yield from _checks_of(_objective_checks)


def estimator_checks() -> Iterator[Callable]:
    """Every check of a classifier, ``check(estimator)``."""
    yield from _checks_of(_estimator_checks)
    yield from _checks_of(_reproducibility)


def check_objective(objective: Objective, module: ModuleFactory = toy_module) -> None:
    """Check that an objective keeps the rules of `sklearn_debias.core.Objective`.

    Among them: its step is pure, each role's loss reaches its own parameters only, one vmapped run
    over several settings equals a run for each, and skorch, a plain loop and pure functions train
    alike.

    Parameters
    ----------
    objective : Objective
    module : callable, default=toy_module
        ``module(role)`` returns a fresh float64 module for inputs (b, 6) and 3 classes. The same
        role gives the same start each time.

    Raises
    ------
    AssertionError
        With what differs from what.

    Examples
    --------
    >>> from sklearn_debias.objectives import LfF
    >>> from sklearn_debias.testing import check_objective
    >>> check_objective(LfF(q=0.5))
    """
    _run(objective_checks(), objective, module)


def check_estimator(estimator: Any) -> None:
    """Check what a classifier of this package promises beyond scikit-learn's own `check_estimator`.

    Among them: global generators and the user's module are untouched, an int seed gives the same
    bits in refits, threads and processes, model files hold no training data, a failed fit leaves
    nothing.

    Parameters
    ----------
    estimator : classifier
        Unfitted, and set to train quickly: a few epochs. It is cloned for each check.

    Raises
    ------
    AssertionError
        With what differs from what.

    Examples
    --------
    >>> from sklearn_debias import ERMClassifier
    >>> from sklearn_debias.testing import check_estimator
    >>> check_estimator(ERMClassifier(max_epochs=2))  # doctest: +SKIP
    """
    _run(estimator_checks(), estimator)


def parametrize_with_objective_checks(objectives: Iterable[Objective]) -> Any:
    """Pytest decorator: a case ``(objective, check)`` for each objective and each check.

    Parameters
    ----------
    objectives : iterable of Objective

    Returns
    -------
    pytest mark

    Examples
    --------
    >>> from sklearn_debias.objectives import ERM
    >>> from sklearn_debias.testing import parametrize_with_objective_checks
    >>> @parametrize_with_objective_checks([ERM()])
    ... def test_objective(objective, check):
    ...     check(objective)
    """
    return _parametrize("objective, check", objectives, list(objective_checks()))


def parametrize_with_estimator_checks(estimators: Iterable[Any]) -> Any:
    """Pytest decorator: a case ``(estimator, check)`` for each classifier and each check.

    Parameters
    ----------
    estimators : iterable of classifiers
        Unfitted, and set to train quickly.

    Returns
    -------
    pytest mark

    Examples
    --------
    >>> from sklearn_debias import LfFClassifier
    >>> from sklearn_debias.testing import parametrize_with_estimator_checks
    >>> @parametrize_with_estimator_checks([LfFClassifier(max_epochs=2)])
    ... def test_classifier(estimator, check):
    ...     check(estimator)
    """
    return _parametrize("estimator, check", estimators, list(estimator_checks()))


def _checks_of(module: ModuleType) -> Iterator[Callable]:
    return (value for name, value in vars(module).items() if name.startswith("check_"))


def _run(checks: Iterable[Callable], *arguments: Any) -> None:
    for check in checks:
        try:
            check(*arguments)
        except SkipTest:
            continue


def _parametrize(names: str, subjects: Iterable[Any], checks: list[Callable]) -> Any:
    import pytest

    cases = [
        pytest.param(
            subject, check, id=f"{type(subject).__name__}{i}-{check.__name__.split('_', 2)[2]}"
        )
        for i, subject in enumerate(subjects)
        for check in checks
    ]
    return pytest.mark.parametrize(names, cases)
