"""What looks on while a phase is trained."""

from typing import Any


class Observer:
    """Looks at a fit before and after each epoch."""

    def begin(self, engine: Any) -> None:
        """Look before an epoch."""

    def end(self, engine: Any) -> bool | None:
        """Look after an epoch; True ends the phase."""
