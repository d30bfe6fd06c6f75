"""What the rooms above build on; these names may change without notice."""

from sklearn_debias.objectives._afr import example_weights, two_parts
from sklearn_debias.objectives._inner_attack import InnerAttack
from sklearn_debias.objectives._long_tail import LONG_TAIL_LOSSES
from sklearn_debias.objectives._self import DISAGREEMENTS

__all__ = ["DISAGREEMENTS", "LONG_TAIL_LOSSES", "InnerAttack", "example_weights", "two_parts"]
