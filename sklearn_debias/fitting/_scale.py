"""What is worth a word before a fit goes far: features on a huge scale, hours of training."""

import numpy as np

from sklearn_debias.exceptions import warn
from sklearn_debias.fitting._inputs import Inputs
from sklearn_debias.fitting._params import is_solved
from sklearn_debias.fitting._types import Classifier
from sklearn_debias.models import default_name
from sklearn_debias.training import ArraySource, Forecast

LARGEST = 1e5  # of a feature that gradient steps of the usual length still suit
DARK, WHITE = 16, 255  # floats of this range are grey levels, rather than images of any scaling


def warn_of_scale(classifier: Classifier, inputs: Inputs) -> None:
    """Warn of features on a scale at which training ends at chance, and of grey levels."""
    if classifier.normalize is not None:
        return
    large = max(abs(inputs.low), abs(inputs.high))
    # What is solved takes no steps, and scales the columns itself.
    if len(inputs.shape) == 1 and large > LARGEST and not is_solved(classifier):
        warn(
            f"`X` has values up to {large:.3g}{_where(inputs)}: gradient steps on such a scale end "
            "at chance, or diverge. Scale X, by StandardScaler in a pipeline, or by "
            "`normalize`=(mean, std)."
        )
    # Only uint8 is known to hold grey levels; other integers are warned of as X is opened.
    elif len(inputs.shape) == 3 and inputs.kind == "f" and _holds_levels(inputs):
        warn(
            f"`X` has values from {inputs.low:.3g} to {inputs.high:.4g}, which look like grey "
            "levels held as floats: networks are made for images in [0, 1]. Divide X by 255, pass "
            "it as uint8, or set `normalize`=(mean, std)."
        )


def _holds_levels(inputs: Inputs) -> bool:
    """Return whether the values look like grey levels."""
    return inputs.low >= 0 and DARK < inputs.high <= WHITE


def _where(inputs: Inputs) -> str:
    """Return in which columns the large values are, where X is at hand."""
    if not isinstance(inputs.source, ArraySource) or not inputs.source.resident():
        return ""
    columns = np.flatnonzero(np.abs(inputs.source.items).max(axis=0) > LARGEST)
    return f" in {len(columns)} of {inputs.shape[0]} columns (the first is {columns[0]})"


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
