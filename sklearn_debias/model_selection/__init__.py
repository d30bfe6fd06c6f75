"""Splitters that keep every (class, bias value) group in every part; a batched search."""

from sklearn_debias.model_selection._kfold import BiasStratifiedKFold
from sklearn_debias.model_selection._split import bias_train_test_split
from sklearn_debias.model_selection.batched import BatchedGridSearchCV

__all__ = ["BatchedGridSearchCV", "BiasStratifiedKFold", "bias_train_test_split"]
