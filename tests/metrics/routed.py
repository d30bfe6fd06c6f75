"""A classifier that takes bias labels as this package's estimators do, on scikit-learn alone."""

import numpy as np
from sklearn.linear_model import LogisticRegression

from sklearn_debias.metrics import aligned_map, encode_bias, group_shares_map


class RoutedClassifier(LogisticRegression):
    """Logistic regression that remembers what its scorers need."""

    __metadata_request__fit = {"bias_labels": True}

    def fit(self, X, y, sample_weight=None, *, bias_labels=None):
        super().fit(X, y, sample_weight=sample_weight)
        if bias_labels is not None:
            self.bias_classes_ = encode_bias(bias_labels, len(y))[1]
            self.aligned_bias_ = aligned_map(y, bias_labels, ties="omit")
            self.group_shares_ = group_shares_map(y, bias_labels)
        return self


def shortcut_data(n_samples=240, conflict=0.2, seed=0):
    """X whose second column is the bias: two classes, two bias values."""
    rng = np.random.default_rng(seed)
    y = np.arange(n_samples) % 2
    bias = np.where(rng.random(n_samples) < conflict, 1 - y, y)
    X = np.column_stack([y, bias]) + rng.normal(size=(n_samples, 2)) * [1.0, 0.3]
    return X, np.array(["cow", "camel"])[y], np.array(["grass", "sand"])[bias]
