"""Random generators that leave NumPy's global one alone."""

import numpy as np

__all__ = ["check_rng"]


def check_rng(random_state):
    """Generator for a seed or None (fresh entropy); a Generator or RandomState is returned as it is."""
    if isinstance(random_state, np.random.Generator | np.random.RandomState):
        return random_state
    is_seed = isinstance(random_state, int | np.integer) and not isinstance(random_state, bool)
    if random_state is not None and (not is_seed or random_state < 0):
        raise ValueError(
            "`random_state` must be None, an int >= 0, a numpy Generator or a RandomState, got "
            f"{random_state!r}."
        )
    return np.random.default_rng(random_state)
