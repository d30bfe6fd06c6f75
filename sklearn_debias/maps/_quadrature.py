"""Gauss-Legendre quadrature, without NumPy."""

import math
from functools import lru_cache


@lru_cache(maxsize=16)
def gauss_legendre(n: int) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return nodes and weights on [0, 1], exact for polynomials of degree 2n - 1."""
    nodes = []
    weights = []
    for i in range(n, 0, -1):
        # A guess close to the i-th root of the Legendre polynomial P_n, then Newton's steps to it.
        z = math.cos(math.pi * (i - 0.25) / (n + 0.5))
        for _ in range(8):
            # P_k by its recurrence from P_(k-1) and P_(k-2).
            before = 1.0
            value = z
            for k in range(2, n + 1):
                before, value = value, ((2 * k - 1) * z * value - (k - 1) * before) / k
            slope = n * (z * value - before) / (z * z - 1)
            z -= value / slope
        # From [-1, 1] to [0, 1], which halves the weights.
        nodes.append((1 + z) / 2)
        weights.append(1 / ((1 - z * z) * slope * slope))
    return tuple(nodes), tuple(weights)
