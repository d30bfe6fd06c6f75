"""Names that the rooms above build on; they may change without notice."""

from sklearn_debias.core._closed import log_probabilities, residual
from sklearn_debias.core._hooks import has_own_forward, is_altered
from sklearn_debias.core._linear import linear_layer, linear_layers
from sklearn_debias.core._linear_net import LinearNet
from sklearn_debias.core._plain import is_linear, is_plain_linear, lone_linear
from sklearn_debias.core._split import split_for_tokens, token_limits, unsplit
from sklearn_debias.core._tokens import (
    ANY,
    COLUMNS,
    PADDING,
    TokenLimits,
    Unpacked,
    advice_on,
    is_of_transformers,
    is_tokens,
)
from sklearn_debias.core._weighted import weighted_mean

__all__ = [
    "ANY",
    "COLUMNS",
    "PADDING",
    "LinearNet",
    "TokenLimits",
    "Unpacked",
    "advice_on",
    "has_own_forward",
    "is_altered",
    "is_linear",
    "is_of_transformers",
    "is_plain_linear",
    "is_tokens",
    "linear_layer",
    "linear_layers",
    "log_probabilities",
    "lone_linear",
    "residual",
    "split_for_tokens",
    "token_limits",
    "unsplit",
    "weighted_mean",
]
