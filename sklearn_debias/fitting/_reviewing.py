"""A look at a fitted classifier, to see whether it has learned anything."""

import inspect
import numbers
from contextlib import closing
from dataclasses import dataclass

import numpy as np
from sklearn.metrics import roc_auc_score

from sklearn_debias.exceptions import warn
from sklearn_debias.fitting._params import SHARED_CONSTRAINTS, is_solved
from sklearn_debias.fitting._predicting import outputs
from sklearn_debias.fitting._training_set import TrainingSet
from sklearn_debias.fitting._types import Classifier

LOOKED_AT = 2048  # training rows
KNOBS = 4  # parameters that advice names
CLEAR = 4  # standard errors above the majority's share: no need to look at more rows
NOISE = 1  # standard errors: up to here it is no better
FEWEST = 100  # rows that tell a model without success from one with bad luck
# Of the way from a guess to perfect recalls. A model that tells rare classes apart may be right
# less often than the majority class: that is what balancing asks for.
TELLS_APART = 0.25


@dataclass(frozen=True)
class Tally:
    """How predictions of training rows compare with one class for all.

    Parameters
    ----------
    y, predicted : ndarray of shape (n,)
        Class codes.
    margin : ndarray of shape (n,)
        Logit of the second class above that of the first.
    """

    y: np.ndarray
    predicted: np.ndarray
    margin: np.ndarray

    @property
    def counts(self) -> np.ndarray:
        """Rows of each class, (k,)."""
        return np.bincount(self.y)

    @property
    def share(self) -> float:
        """Share of the largest class."""
        return self.counts.max() / len(self.y)

    @property
    def accuracy(self) -> float:
        """Share of the rows that are predicted right."""
        return float(np.mean(self.predicted == self.y))

    @property
    def ahead(self) -> float:
        """How far the accuracy is above the share of the largest class, in standard errors."""
        error = np.sqrt(self.share * (1 - self.share) / len(self.y))
        return (self.accuracy - self.share) / max(error, np.finfo(float).tiny)

    @property
    def recall(self) -> tuple[float, float]:
        """The mean recall of the classes, and that of a guess."""
        present = np.flatnonzero(self.counts)
        right = np.bincount(self.y[self.predicted == self.y], minlength=len(self.counts))
        return float((right[present] / self.counts[present]).mean()), 1 / len(present)

    @property
    def tells_apart(self) -> bool:
        """Whether the classes' recalls show that they are told apart, however rare they are."""
        found, guess = self.recall
        return found - guess >= TELLS_APART * (1 - guess)

    @property
    def is_opposite(self) -> bool:
        """Whether classes are told apart, but the wrong way round."""
        found, guess = self.recall
        return guess - found >= TELLS_APART * guess

    @property
    def auc(self) -> float:
        """Area under the ROC curve of two classes; .5 where it may be luck, or there are more."""
        if len(self.counts) != 2 or self.counts.min() == 0:
            return 0.5
        zero, one = self.counts
        error = np.sqrt((zero + one + 1) / (12 * zero * one))  # of scores that are drawn
        area = float(roc_auc_score(self.y, self.margin))
        return area if area - 0.5 > CLEAR * error else 0.5


def review(classifier: Classifier, training: TrainingSet, kept: str | None = None) -> None:
    """Warn where the fitted model is no better on training rows than one class for all."""
    tally = _tally(classifier, training)
    seen = np.unique(tally.predicted)
    n = len(tally.y)
    if len(seen) == 1:
        found = f"predicts {training.classes[seen].tolist()[0]!r} for all of {n} training rows"
    elif n >= FEWEST and tally.ahead <= NOISE and not tally.tells_apart:
        largest = training.classes[[tally.counts.argmax()]].tolist()[0]
        found = (
            f"predicts {tally.accuracy:.1%} of {n} training rows right, and {largest!r} for all "
            f"would be right on {tally.share:.1%}"
        )
    else:
        return
    advice = f"Try other values of {advised(classifier)}, or scale X."
    if len(seen) == 1 and tally.auc > 0.5:
        reason = f"its scores tell the classes apart (AUC {tally.auc:.2f}), its decision does not."
        advice = "Move the threshold, as by TunedThresholdClassifierCV, or balance the classes."
    elif tally.is_opposite:
        reason = "it has learned the opposite of most of them, as where a bias is overcorrected."
    elif kept is None:
        reason = "it has learned nothing."
    else:
        reason = f"it is that of {kept}, which `monitor`={classifier.monitor!r} scored best."
        if len(seen) == 1:
            advice = (
                "Monitor what one class for all does not win, such as 'balanced_accuracy'. "
                f"{advice}"
            )
    warn(f"The fitted model {found}: {reason} {advice}")


def _tally(classifier: Classifier, training: TrainingSet) -> Tally:
    """Return what is predicted for some training rows, up to where success is plain."""
    counted = np.arange(len(training))
    if training.weight is not None:  # rows of weight 0 were not trained on
        counted = np.flatnonzero(training.weight)
    # Spread over all rows, and in no order: labels are often sorted, and a few must do.
    spread = np.unique(np.linspace(0, len(counted) - 1, LOOKED_AT, dtype=int))
    chosen = counted[np.random.default_rng(0).permutation(spread)]
    y = training.y[chosen]
    rows = training.inputs.source.subset(training.index[chosen])
    predicted = np.empty(0, dtype=int)
    margin = np.empty(0)
    with closing(outputs(classifier, rows)) as batches:
        for logits in batches:
            predicted = np.concatenate([predicted, logits.argmax(1)])
            margin = np.concatenate([margin, logits[:, 1] - logits[:, 0]])
            tally = Tally(y[: len(predicted)], predicted, margin)
            if tally.ahead > CLEAR and len(np.unique(predicted)) > 1:
                break
    return tally


def advised(classifier: Classifier) -> str:
    """Return the parameters to turn first: of the training, and numbers of the method."""
    names = ["weight_decay"] if is_solved(classifier) else ["lr", "max_epochs"]
    own = classifier.get_params(deep=False).keys() - SHARED_CONSTRAINTS.keys()
    for cls in type(classifier).__mro__:  # the method's own before those of its family
        for name in inspect.get_annotations(cls):
            default = vars(cls).get(name)
            number = isinstance(default, numbers.Real) and not isinstance(default, bool)
            if number and name in own:
                names.append(name)
    # A method may have defaults of its own for the first two: they are named once.
    *first, last = [f"`{name}`" for name in list(dict.fromkeys(names))[:KNOBS]]
    return f"{', '.join(first)} and {last}" if first else last
