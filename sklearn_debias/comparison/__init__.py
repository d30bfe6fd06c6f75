"""A fair comparison of methods: equal budgets, selection on rows held out, honest intervals."""

from sklearn_debias.comparison._compare import compare
from sklearn_debias.comparison._result import ComparisonResult

__all__ = ["ComparisonResult", "compare"]
