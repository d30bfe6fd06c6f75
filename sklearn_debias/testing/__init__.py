"""Checks that every objective and every classifier passes, for methods of this package and of others."""

from sklearn_debias.testing._problem import Problem, toy_module
from sklearn_debias.testing._run import (
    check_estimator,
    check_objective,
    estimator_checks,
    objective_checks,
    parametrize_with_estimator_checks,
    parametrize_with_objective_checks,
)

__all__ = [
    "Problem",
    "check_estimator",
    "check_objective",
    "estimator_checks",
    "objective_checks",
    "parametrize_with_estimator_checks",
    "parametrize_with_objective_checks",
    "toy_module",
]
