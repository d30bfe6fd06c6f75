"""Splitters that keep every (class, bias value) group in every part."""

from sklearn_debias.model_selection._kfold import BiasStratifiedKFold
from sklearn_debias.model_selection._split import bias_train_test_split

__all__ = ["BiasStratifiedKFold", "bias_train_test_split"]
