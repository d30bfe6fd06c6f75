"""Names that the rooms above build on; they may change without notice."""

from sklearn_debias.core._linear import linear_layer

__all__ = ["linear_layer"]
