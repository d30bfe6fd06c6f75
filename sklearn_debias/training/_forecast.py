"""How long a fit will take, told while it can still be stopped without loss."""

from collections.abc import Iterable, Iterator, Sized
from time import perf_counter
from typing import Any

from sklearn_debias.exceptions import warn

LONG = 600.0  # seconds of a fit that are worth a word
LOOK = 5.0  # seconds after which the first epoch is estimated, or at its end


class Forecast:
    """Estimate the time of all epochs in the first one of a phase, and warn once where it is long.

    Parameters
    ----------
    advice : str
        What would make the fit shorter.
    """

    def __init__(self, advice: str) -> None:
        self.n_epochs = 0
        self.advice = advice
        self.done = False
        self.told = False

    def begin(self, n_epochs: int) -> None:
        """Look at a phase: its epochs, so many with those that follow, may take longer."""
        self.n_epochs = n_epochs
        self.done = self.told

    def watch(self, batches: Iterable[Any], of_epoch: Sized) -> Iterator[Any]:
        """Yield the batches of an epoch; those of the first are timed.

        ``of_epoch`` has as many entries as the epoch has batches, once it has begun.
        """
        start = perf_counter()
        for number, batch in enumerate(batches):
            spent = perf_counter() - start
            # The first batch takes longer, and is a whole epoch for few rows only.
            if not self.done and number > 1 and spent > LOOK:
                self._tell(spent / number * len(of_epoch))
            yield batch
        if not self.done:
            self._tell(perf_counter() - start)

    def _tell(self, epoch: float) -> None:
        self.done = True
        if epoch * self.n_epochs > LONG:
            self.told = True
            warn(
                f"This fit will take about {said(epoch * self.n_epochs)}: {self.n_epochs} epochs "
                f"of about {said(epoch)}, by the first of them. {self.advice}"
            )


def said(seconds: float) -> str:
    """Return a time in words."""
    for unit, size in (("hours", 3600.0), ("minutes", 60.0)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.2g} seconds"
