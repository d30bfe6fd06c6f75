"""Names that the rooms above build on; they may change without notice."""

from sklearn_debias.attacks._balls import unit
from sklearn_debias.attacks._stepwise import codes_of, draw
from sklearn_debias.attacks._threat import check_norm

__all__ = ["check_norm", "codes_of", "draw", "unit"]
