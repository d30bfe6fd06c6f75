"""What looks on while a phase is trained."""

from typing import Any


class Observer:
    """Looks at a fit before and after each epoch."""

    every = 1  # epochs from one look to the next

    def begin(self, engine: Any) -> None:
        """Look before an epoch."""

    def end(self, engine: Any) -> bool | None:
        """Look after an epoch; True ends the phase."""

    def end_early(self, engine: Any) -> None:
        """Look after an epoch and its callbacks, of which one has ended the phase."""


class Keeper:
    """Keeps the progress of a phase, and goes on from what was kept."""

    def resume(self, engine: Any) -> int:
        """Put back what was kept at the beginning of a phase; return the epochs that are left."""
        raise NotImplementedError

    def check(self, engine: Any) -> None:
        """Look after the first batch: raise where something cannot be kept."""

    def end_epoch(self, engine: Any, *, stopped: bool) -> None:
        """Look after an epoch and its callbacks; ``stopped`` says that the phase ends early."""
