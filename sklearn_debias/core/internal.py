"""Names that the rooms above build on; they may change without notice."""

from sklearn_debias.core._closed import log_probabilities, residual
from sklearn_debias.core._hooks import has_own_forward, is_altered
from sklearn_debias.core._linear import linear_layer, linear_layers
from sklearn_debias.core._linear_net import LinearNet
from sklearn_debias.core._plain import is_linear, is_plain_linear, lone_linear
from sklearn_debias.core._split import unsplit
from sklearn_debias.core._weighted import weighted_mean

__all__ = [
    "LinearNet",
    "has_own_forward",
    "is_altered",
    "is_linear",
    "is_plain_linear",
    "linear_layer",
    "linear_layers",
    "log_probabilities",
    "lone_linear",
    "residual",
    "unsplit",
    "weighted_mean",
]
