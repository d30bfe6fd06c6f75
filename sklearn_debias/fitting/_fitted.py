"""What a fit leaves on an estimator, and how it is taken back."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from sklearn_debias.fitting._facts import Facts, reopen
from sklearn_debias.fitting._inputs import Inputs
from sklearn_debias.fitting._params import plain_params
from sklearn_debias.fitting._types import Estimator
from sklearn_debias.training import Streams

LEFT = "_left_by_fit"  # names of the attributes that the last fit has set


@dataclass(frozen=True)
class Fitted:
    """The private state of a fit: what later calls need and users do not.

    Parameters
    ----------
    params : mapping of str to Any
        Parameters as they were: later changes act at the next fit.
    facts : Facts
    streams : Streams
    """

    params: Mapping[str, Any]
    facts: Facts
    streams: Streams

    def open(self, estimator: Estimator, X: Any) -> Inputs:
        """Open rows that must be like those of the fit."""
        return reopen(estimator, X, self.facts, self.params)


class Attempt:
    """A fit in the making: what it sets on the estimator is kept, or taken back.

    The last fit is forgotten first. Meanwhile the parameters hold Python's numbers: those of NumPy
    are no numbers to torch, or wrap around. Afterwards they are again what the user gave.
    """

    def __init__(self, estimator: Estimator) -> None:
        self.estimator = estimator
        self.lent = plain_params(estimator)  # before anything is forgotten: it may raise
        forget(estimator)
        self.before = dict(vars(estimator))
        vars(estimator).update(self.lent)

    def keep(self) -> None:
        """Keep what was set, and note it for the next fit."""
        held = vars(self.estimator)
        for name, value in self.lent.items():
            if held.get(name) is value:
                held[name] = self.before[name]
        new = held.keys() - self.before.keys()
        setattr(self.estimator, LEFT, frozenset(new))

    def undo(self) -> None:
        """Take back all that was set, and put back what was set anew."""
        vars(self.estimator).clear()
        vars(self.estimator).update(self.before)


@contextmanager
def all_or_nothing(estimator: Estimator) -> Iterator[None]:
    """Keep all that a fit sets inside, or nothing where an error ends it."""
    attempt = Attempt(estimator)
    try:
        yield
    except BaseException:  # Ctrl-C, too, must not leave half a fit
        attempt.undo()
        raise
    attempt.keep()


def forget(estimator: Estimator) -> None:
    """Drop every attribute that a fit has set."""
    # By the note of the fit, and by convention: an older pickle has no note.
    left = vars(estimator).get(LEFT, frozenset()) | {LEFT}
    for name in list(vars(estimator)):
        if is_fitted_name(name) or name in left:
            del vars(estimator)[name]  # a property of that name may have no deleter


def is_fitted_name(name: str) -> bool:
    """Return whether a public attribute of this name comes from a fit, by convention."""
    return name.endswith("_") and not name.startswith("_")
