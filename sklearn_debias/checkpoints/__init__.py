"""A fit's progress on disk: whole files or none, who writes them, and what they are of."""

from sklearn_debias.checkpoints._folder import Checkpoints, Saved
from sklearn_debias.checkpoints._identity import Identity, describe_rows, described
from sklearn_debias.checkpoints._interval import Interval
from sklearn_debias.checkpoints._signals import terminable

__all__ = [
    "Checkpoints",
    "Identity",
    "Interval",
    "Saved",
    "describe_rows",
    "described",
    "terminable",
]
