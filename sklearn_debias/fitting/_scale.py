"""Features on a scale that no network learns from."""

import numpy as np

from sklearn_debias.exceptions import warn
from sklearn_debias.fitting._inputs import Inputs
from sklearn_debias.fitting._types import Classifier
from sklearn_debias.training import ArraySource

LARGEST = 1e5  # of a feature that gradient steps of the usual length still suit


def warn_of_scale(classifier: Classifier, inputs: Inputs) -> None:
    """Warn of features so large that training ends at chance, if it does not diverge."""
    large = max(abs(inputs.low), abs(inputs.high))
    if large <= LARGEST or len(inputs.shape) != 1 or classifier.normalize is not None:
        return
    which = ""
    if isinstance(inputs.source, ArraySource) and inputs.source.resident():
        columns = np.flatnonzero(np.abs(inputs.source.items).max(axis=0) > LARGEST)
        which = f" in {len(columns)} of {inputs.shape[0]} columns (the first is {columns[0]})"
    warn(
        f"`X` has values up to {large:.3g}{which}: gradient steps on such a scale end at chance, "
        "or diverge. Scale X, by StandardScaler in a pipeline, or by `normalize`=(mean, std)."
    )
