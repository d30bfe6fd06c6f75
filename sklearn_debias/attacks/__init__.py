"""Small perturbations that raise or lower a loss: one loop, its balls, and attacks by name."""

from sklearn_debias.attacks._ascend import ascend
from sklearn_debias.attacks._attack_losses import confidence_loss, dlr_loss, margin_loss
from sklearn_debias.attacks._auto_attack import AutoAttack
from sklearn_debias.attacks._balls import L2, Ball, Linf, make_ball
from sklearn_debias.attacks._carlini_wagner import CarliniWagner
from sklearn_debias.attacks._names import get_attack
from sklearn_debias.attacks._pgd import FGSM, PGD
from sklearn_debias.attacks._random_search import RandomSearch
from sklearn_debias.attacks._stepwise import Look, StepwiseAttack, row_keys
from sklearn_debias.attacks._threat import Threat

__all__ = [
    "FGSM",
    "L2",
    "PGD",
    "AutoAttack",
    "Ball",
    "CarliniWagner",
    "Linf",
    "Look",
    "RandomSearch",
    "StepwiseAttack",
    "Threat",
    "ascend",
    "confidence_loss",
    "dlr_loss",
    "get_attack",
    "make_ball",
    "margin_loss",
    "row_keys",
]
