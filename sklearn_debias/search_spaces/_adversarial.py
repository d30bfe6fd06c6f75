"""Ranges of adversarial training."""

from typing import Any

from sklearn_debias.search_spaces._draws import log_uniform
from sklearn_debias.search_spaces._rows import SearchedRows, Space


def radii(rows: SearchedRows, norm: str, factor: float = 1.0) -> Any:
    """Return radii to train on, times ``factor``; None where the units of X are not known."""
    if rows.kind == "images":
        # ImageNet's 2 and 4, CIFAR's 8 grey levels in "linf"; CIFAR's 0.5 in L2, and about it.
        levels = (64, 128, 255) if norm == "l2" else (2, 4, 8)
        return [factor * rows.width * level / 255 for level in levels]
    # Ours: CIFAR's 8 grey levels are about an eighth of the spread of a pixel.
    return rows.radius(norm, 0.02 * factor, 0.3 * factor)


def adversarial_space(rows: SearchedRows, norm: str) -> Space:
    """Return the ranges that the family shares."""
    space: Space = {"epsilon": radii(rows, norm), "awp": [0.0, 0.005, 0.01]}  # AWP's paper
    if rows.kind == "images":
        space["weight_decay"] = log_uniform(1e-4, 1e-3)  # around CIFAR's 5e-4
    return space


def adversarial_training_space(loss: str) -> Space:
    """Return the weight of the divergence: 1 and 6 in TRADES' paper, 5 and 6 in MART's."""
    return {} if loss == "ce" else {"beta": [1.0, 3.0, 6.0]}


def uiat_space(rows: SearchedRows, norm: str) -> Space:
    """Return the ranges of UIAT; inverse radii are half of the others, as on CIFAR."""
    return {
        "inverse_epsilon": radii(rows, norm, 0.5),
        "lam": log_uniform(0.1, 10.0),  # ours
    }


def dhat_space(rows: SearchedRows, norm: str) -> Space:
    """Return the ranges of DHAT; inverse radii are half of the others, as on CIFAR."""
    # 1 in the paper; on small networks less was needed, docs/reproduction/dhat.md.
    weight = log_uniform(0.05, 2.0)
    return {
        "inverse_epsilon": radii(rows, norm, 0.5),
        "lam1": weight,
        "lam2": weight,
        "omega": [0.05, 0.1, 0.2, 0.3],  # released: 0.1
    }
