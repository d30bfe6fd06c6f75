"""Random generators that leave NumPy's global one alone."""

import numpy as np

from sklearn_debias.arguments import is_seed
from sklearn_debias.metrics._types import Rng, Seed

__all__ = ["check_rng"]


def check_rng(random_state: Seed) -> Rng:
    """Return a generator for a seed, or for None (fresh entropy).

    A Generator or RandomState is returned as it is, so that a caller's draws move on.
    """
    if isinstance(random_state, np.random.Generator | np.random.RandomState):
        return random_state
    if random_state is not None and not is_seed(random_state):
        raise ValueError(
            "`random_state` must be None, an int >= 0, a numpy Generator or a RandomState, got "
            f"{random_state!r}."
        )
    return np.random.default_rng(random_state)
