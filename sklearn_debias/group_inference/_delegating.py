"""What a fitted classifier inside does for the estimator around it."""

from typing import Any

import numpy as np
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from sklearn_debias.fitting import Opened, open_model, plain


def _has(method: str) -> Any:
    """Return whether the classifier, fitted or not, has a method."""

    def check(self: Any) -> bool:
        inside = vars(self).get("classifier_", self.classifier)
        # The one of None has all of them.
        return inside is None or bool(getattr(inside, method))

    return available_if(check)


class Delegating:
    """Predictions by ``classifier_``; those methods that ``classifier`` has."""

    classifier: Any
    classifier_: Any

    def predict(self, X: Any) -> np.ndarray:
        """Return the class of each row as the classifier has it, shape (n,)."""
        check_is_fitted(self)
        return self.classifier_.predict(plain(X, "X"))

    @_has("predict_proba")
    def predict_proba(self, X: Any) -> np.ndarray:
        """Return the classifier's probabilities of the classes, shape (n, classes)."""
        check_is_fitted(self)
        return self.classifier_.predict_proba(plain(X, "X"))

    @_has("predict_log_proba")
    def predict_log_proba(self, X: Any) -> np.ndarray:
        """Return the logarithms of the classifier's probabilities, shape (n, classes)."""
        check_is_fitted(self)
        return self.classifier_.predict_log_proba(plain(X, "X"))

    @_has("decision_function")
    def decision_function(self, X: Any) -> np.ndarray:
        """Return the classifier's scores of the classes, (n, classes), or (n,) for two."""
        check_is_fitted(self)
        return self.classifier_.decision_function(plain(X, "X"))

    def _opened(self, X: Any, y: Any = None) -> Opened:
        """Return rows, and the network that predicts, for attacks and attention maps."""
        check_is_fitted(self)
        return open_model(self.classifier_, X, y)
