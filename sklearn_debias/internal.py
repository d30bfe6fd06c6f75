"""Numbers that are given as arguments: what counts as one, and Python's own in place of NumPy's.

Any room may use this. It is not for users, and may change without notice.
"""

import sys
from numbers import Integral, Real
from typing import Any

LARGEST = sys.maxsize  # of the integers that NumPy and torch count with


def is_whole(value: Any) -> bool:
    """Return whether ``value`` is an integer, of Python or NumPy, that can be counted with."""
    # A bool is an Integral to Python, and no count to a caller.
    return (
        isinstance(value, Integral) and not isinstance(value, bool) and abs(int(value)) <= LARGEST
    )


def is_real(value: Any) -> bool:
    """Return whether ``value`` is a number, of Python or NumPy, in the range of the floats."""
    return isinstance(value, Real) and not isinstance(value, bool) and _fits(value)


def is_seed(value: Any) -> bool:
    """Return whether ``value`` is an integer >= 0, of any size, and no bool."""
    return isinstance(value, Integral) and not isinstance(value, bool) and int(value) >= 0


def as_python(value: Any) -> Any:
    """Return a number of NumPy as Python's own, in tuples, lists and dicts, too.

    Anything else is returned as it is.

    Raises
    ------
    OverflowError
        For an integer beyond the floats.
    """
    if type(value) in (tuple, list):
        return type(value)(as_python(item) for item in value)
    if type(value) is dict:
        return {name: as_python(item) for name, item in value.items()}
    if isinstance(value, bool) or not isinstance(value, Real):
        return value
    number = float(value)
    return int(value) if isinstance(value, Integral) else number


def _fits(value: Real) -> bool:
    try:
        float(value)
    except OverflowError:
        return False
    return True
