"""Distributions by their ends, as papers state them."""

from typing import Any

from scipy.stats import loguniform
from scipy.stats import uniform as location_and_width


def log_uniform(low: float, high: float) -> Any:
    """Return a distribution on [low, high] whose logarithm is uniform."""
    return loguniform(low, high)


def uniform(low: float, high: float) -> Any:
    """Return the uniform distribution on [low, high]."""
    return location_and_width(low, high - low)
