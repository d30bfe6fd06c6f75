"""How often a checkpoint is written."""

import re
from dataclasses import dataclass, field
from time import monotonic
from typing import Any

UNITS = {"s": 1.0, "min": 60.0, "h": 3600.0}


@dataclass
class Interval:
    """Epochs or seconds from one checkpoint to the next.

    Parameters
    ----------
    epochs : int or None
    seconds : float or None
        One of both.
    """

    epochs: int | None
    seconds: float | None = None
    last: tuple[int, float] = field(default_factory=lambda: (0, monotonic()))

    @classmethod
    def read(cls, value: Any) -> "Interval":
        """Return what ``checkpoint_every`` asks for: 5, "30s", "10min" or "1h".

        Raises
        ------
        ValueError
            For any other text.
        """
        if not isinstance(value, str):
            return cls(int(value))
        match = re.fullmatch(r"\s*(\d+(?:\.\d*)?)\s*(s|min|h)\s*", value)
        seconds = float(match[1]) * UNITS[match[2]] if match else 0.0
        if seconds <= 0:
            raise ValueError(
                "`checkpoint_every` must be an int >= 1 (epochs) or a time such as '30s', '10min' "
                f"or '1h', got {value!r}."
            )
        return cls(None, seconds)

    def is_over(self, epoch: int) -> bool:
        """Return whether a checkpoint is due after so many epochs."""
        then, when = self.last
        if self.seconds is not None:
            return monotonic() - when >= self.seconds
        assert self.epochs is not None
        return epoch - then >= self.epochs

    def begin(self, epoch: int) -> None:
        """Note that one has been written."""
        self.last = epoch, monotonic()
