"""A look at a fitted classifier, to see whether it has learned anything."""

import inspect
import numbers

import numpy as np

from sklearn_debias.exceptions import warn
from sklearn_debias.fitting._params import SHARED_CONSTRAINTS
from sklearn_debias.fitting._predicting import outputs
from sklearn_debias.fitting._training_set import TrainingSet
from sklearn_debias.fitting._types import Classifier

LOOKED_AT = 2048  # training rows
KNOBS = 4  # parameters that advice names


def review(classifier: Classifier, training: TrainingSet) -> None:
    """Warn where the fitted model predicts one class for all training rows."""
    n = len(training)
    # Spread over all rows: labels are often sorted.
    chosen = training.index[np.unique(np.linspace(0, n - 1, LOOKED_AT, dtype=int))]
    seen: set[int] = set()
    for logits in outputs(classifier, training.inputs.source.subset(chosen)):
        seen.update(logits.argmax(1).tolist())
        if len(seen) > 1:  # the usual case, after the first batch
            return
    warn(
        f"The fitted model predicts {training.classes[list(seen)].tolist()[0]!r} for all of "
        f"{len(chosen)} training rows: it has learned nothing. Try other values of "
        f"{advised(classifier)}, or scale X."
    )


def advised(classifier: Classifier) -> str:
    """Return the parameters to turn first: `lr`, `max_epochs`, and numbers of the method."""
    names = ["lr", "max_epochs"]
    own = classifier.get_params(deep=False).keys() - SHARED_CONSTRAINTS.keys()
    for cls in type(classifier).__mro__:  # the method's own before those of its family
        for name in inspect.get_annotations(cls):
            default = vars(cls).get(name)
            number = isinstance(default, numbers.Real) and not isinstance(default, bool)
            if number and name in own:
                names.append(name)
    # A method may have defaults of its own for the first two: they are named once.
    *first, last = [f"`{name}`" for name in list(dict.fromkeys(names))[:KNOBS]]
    return f"{', '.join(first)} and {last}"
