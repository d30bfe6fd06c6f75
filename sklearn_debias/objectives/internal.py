"""What the rooms above build on; these names may change without notice."""

from sklearn_debias.objectives._afr import example_weights
from sklearn_debias.objectives._eiil import best_environments
from sklearn_debias.objectives._eiil import penalty as eiil_penalty
from sklearn_debias.objectives._eiil import row_gradient as eiil_gradient
from sklearn_debias.objectives._inner_attack import InnerAttack
from sklearn_debias.objectives._long_tail import LONG_TAIL_LOSSES
from sklearn_debias.objectives._self import DISAGREEMENTS
from sklearn_debias.objectives._ssa import SSA
from sklearn_debias.objectives._two_stages import two_parts
from sklearn_debias.objectives._xrm import cross_mistakes

__all__ = [
    "DISAGREEMENTS",
    "LONG_TAIL_LOSSES",
    "SSA",
    "InnerAttack",
    "best_environments",
    "cross_mistakes",
    "eiil_gradient",
    "eiil_penalty",
    "example_weights",
    "two_parts",
]
