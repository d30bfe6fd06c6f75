"""Values from anyone in messages, in few letters whatever they hold."""

import reprlib
from typing import Any


class _Short(reprlib.Repr):
    """Lists that hold another one twice, and so on, are small, and their text is without end."""

    def __init__(self) -> None:
        super().__init__()
        self.maxlevel = 2
        self.maxstring = self.maxother = 300  # names of files, and what is around them

    def repr_int(self, x: int, level: int) -> str:
        # Python refuses to write out thousands of digits.
        return repr(x) if x.bit_length() <= 64 else f"<whole number of {x.bit_length():,} bits>"


def shown(value: Any) -> str:
    """Return a value's text, in a thousand letters or so at most."""
    return _Short().repr(value)
