"""Memory maps, checked a part at a time and left on disk: no copy in another type is made."""

import math
from typing import Any

import numpy as np
from sklearn.utils import check_array

from sklearn_debias.training import ArraySource, MappedSource, is_memory_map, span

PART = 2**22  # values that are looked at together, 16 MB of float32
NUMBERS = "fiub"  # NumPy's letters for kinds of numbers
WIDEST = 8  # bytes of a number that torch knows


def checked(given: Any, dtype: str, owner: Any) -> np.ndarray:
    """Return finite numbers as an array in ``dtype``; raise in scikit-learn's words."""
    try:
        with np.errstate(all="ignore"):  # what overflows becomes inf, and inf is an error
            return check_array(given, dtype=dtype, allow_nd=True, estimator=owner, input_name="X")
    except OverflowError as error:  # an integer of Python beyond the floats
        raise ValueError(f"`X` must hold numbers in the range of floats: {error}.") from error


def can_stay_mapped(given: Any) -> bool:
    """Return whether rows are numbers in a file that can be read and cast a few at a time."""
    if not isinstance(given, np.ndarray) or not is_memory_map(given):
        return False
    is_number = given.dtype.kind in NUMBERS and given.dtype.itemsize <= WIDEST
    return is_number and given.ndim > 1 and given.size > 0


def mapped(given: np.ndarray, dtype: str, owner: Any) -> tuple[ArraySource, tuple[float, float]]:
    """Return the rows of a memory map, and the range of their values as networks see them.

    Each part is read once, checked and dropped.

    Parameters
    ----------
    given : ndarray of shape (n, ...)
    dtype : str
        Type of the rows that are read; "numeric" keeps the one they have.
    owner : estimator, str or None
        Who asks, for messages.

    Raises
    ------
    ValueError
        If a value is no finite number in ``dtype``.
    """
    n_rows = max(1, PART // math.prod(given.shape[1:]))
    low, high = math.inf, -math.inf
    for start in range(0, len(given), n_rows):
        least, most = span(checked(given[start : start + n_rows], dtype, owner))
        low, high = min(low, least), max(high, most)
    items = np.asarray(given)  # rows of a memmap are memmaps, which take longer to make
    own = given.dtype.newbyteorder("=")
    wanted = own if dtype == "numeric" else np.dtype(dtype)
    if given.dtype == wanted:
        return ArraySource(items), (low, high)
    return MappedSource(items, wanted), (low, high)
