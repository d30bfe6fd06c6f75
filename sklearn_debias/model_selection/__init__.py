"""Splitters that keep every (class, bias value) group in every part; a batched search; scorers.

The scorers select without bias labels.
"""

from sklearn_debias.model_selection._inferred_scorers import (
    biased_balance_scorer,
    inferred_worst_group_scorer,
)
from sklearn_debias.model_selection._kfold import BiasStratifiedKFold
from sklearn_debias.model_selection._split import bias_train_test_split
from sklearn_debias.model_selection.batched import BatchedGridSearchCV

__all__ = [
    "BatchedGridSearchCV",
    "BiasStratifiedKFold",
    "bias_train_test_split",
    "biased_balance_scorer",
    "inferred_worst_group_scorer",
]
