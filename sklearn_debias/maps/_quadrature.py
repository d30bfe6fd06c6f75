"""Gauss-Legendre quadrature, without NumPy."""

import math
from functools import lru_cache


@lru_cache(maxsize=16)
def gauss_legendre(n: int) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Nodes and weights of the quadrature on [0, 1] that is exact for polynomials of degree 2n - 1."""
    nodes = []
    weights = []
    for i in range(n, 0, -1):
        z = math.cos(math.pi * (i - 0.25) / (n + 0.5))
        for _ in range(8):  # Newton's steps to a root of the Legendre polynomial P_n
            before = 1.0
            value = z
            for k in range(2, n + 1):
                before, value = value, ((2 * k - 1) * z * value - (k - 1) * before) / k
            slope = n * (z * value - before) / (z * z - 1)
            z -= value / slope
        nodes.append((1 + z) / 2)
        weights.append(1 / ((1 - z * z) * slope * slope))
    return tuple(nodes), tuple(weights)
