"""Splitters that keep every (class, bias value) group in every part; a search that trains its candidates at once."""

from sklearn_debias.model_selection._batched_search import BatchedGridSearchCV
from sklearn_debias.model_selection._kfold import BiasStratifiedKFold
from sklearn_debias.model_selection._split import bias_train_test_split

__all__ = ["BatchedGridSearchCV", "BiasStratifiedKFold", "bias_train_test_split"]
