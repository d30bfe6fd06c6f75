"""How long a fit will take, told while it can still be stopped without loss."""

from collections.abc import Iterable, Iterator
from time import perf_counter
from typing import Any

from sklearn_debias.exceptions import warn

LONG = 600.0  # seconds of a fit that are worth a word
LOOK = 5.0  # seconds after which the first epoch is estimated, or at its end


class Forecast:
    """Estimate the time of all epochs in the first one, and warn where it is long.

    Parameters
    ----------
    n_epochs : int
        Of all phases.
    advice : str
        What would make the fit shorter.
    """

    def __init__(self, n_epochs: int, advice: str) -> None:
        self.n_epochs = n_epochs
        self.advice = advice
        self.done = False

    def watch(self, batches: Iterable[Any], n_batches: int) -> Iterator[Any]:
        """Yield the batches of an epoch; those of the first are timed."""
        start = perf_counter()
        for number, batch in enumerate(batches):
            spent = perf_counter() - start
            # The first batch takes longer, and is a whole epoch for few rows only.
            if not self.done and number > 1 and spent > LOOK:
                self._tell(spent / number * n_batches)
            yield batch
        if not self.done:
            self._tell(perf_counter() - start)

    def _tell(self, epoch: float) -> None:
        self.done = True
        if epoch * self.n_epochs > LONG:
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
