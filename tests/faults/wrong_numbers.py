"""Numbers that are not Python's own."""

import numpy as np

HUGE = 10**400


def of_numpy(value):
    """The number as NumPy's, as a search over an array hands it on."""
    if isinstance(value, bool):
        return value
    if isinstance(value, int):
        return np.min_scalar_type(value).type(value) if value >= 0 else np.int64(value)
    return np.float64(value) if isinstance(value, float) else value
