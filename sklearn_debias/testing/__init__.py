"""Checks for methods of this package and of others, what there is to check, and how it is built."""

from sklearn_debias.testing._discovery import (
    all_attacks,
    all_estimators,
    all_functions,
    all_losses,
    all_objectives,
)
from sklearn_debias.testing._problem import Problem, toy_module
from sklearn_debias.testing._recipes import default, quick, variants
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
    "all_attacks",
    "all_estimators",
    "all_functions",
    "all_losses",
    "all_objectives",
    "check_estimator",
    "check_objective",
    "default",
    "estimator_checks",
    "objective_checks",
    "parametrize_with_estimator_checks",
    "parametrize_with_objective_checks",
    "quick",
    "toy_module",
    "variants",
]
