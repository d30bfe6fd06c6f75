"""Small perturbations that raise or lower a loss: one loop, and the balls it stays in."""

from sklearn_debias.attacks._ascend import ascend
from sklearn_debias.attacks._balls import L2, Ball, Linf, make_ball

__all__ = ["L2", "Ball", "Linf", "ascend", "make_ball"]
