"""What is worth a word before a fit goes far: features on a huge scale, hours of training."""

import numpy as np

from sklearn_debias.exceptions import warn
from sklearn_debias.fitting._inputs import Inputs
from sklearn_debias.fitting._types import Classifier
from sklearn_debias.models import default_name
from sklearn_debias.training import ArraySource, Forecast

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


def forecast(classifier: Classifier, inputs: Inputs) -> Forecast:
    """Return what tells in the first epoch of a phase how long the fit will take."""
    advice = "Lower `max_epochs`, or use fewer rows or a smaller `module`."
    name = default_name(inputs.shape) if classifier.module is None else classifier.module
    if isinstance(name, str) and name == "cifar_resnet18":
        advice = (
            "The network of images of this size is `module`='cifar_resnet18'; 'resnet18' takes a "
            "tenth of its time, and 'simple_cnn' less. Or lower `max_epochs`."
        )
    return Forecast(advice)
