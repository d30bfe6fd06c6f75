"""Ranges of the methods for long tails, and of those that look ahead on a meta set."""

from sklearn_debias.search_spaces._draws import log_uniform, uniform
from sklearn_debias.search_spaces._rows import SearchedRows, Space

# Meta-IADA's set for alpha, the weight of its covariances.
STRENGTHS = [0.1, 0.25, 0.5, 0.75, 1.0]
# Cui et al., CVPR 2019; SubpopBench draws from 0.99 up.
BETAS = [0.9, 0.99, 0.999, 0.9999]


def long_tail_space(loss: str) -> Space:
    """Return the ranges of a loss; "balanced_softmax" has nothing to tune."""
    if loss == "logit_adjustment":
        return {"tau": uniform(0.5, 2.0)}  # ours; the theory of the paper has 1
    if loss == "balanced_softmax":
        return {}
    space: Space = {"beta": BETAS, "deferred": [0.0, 0.8]}  # DRW of LDAM's paper: 0.8
    if loss == "focal":
        space["gamma"] = log_uniform(0.5, 5.0)  # SubpopBench
    if loss == "ldam":
        space["max_margin"] = log_uniform(10**-1, 10**-0.1)  # SubpopBench
        space["scale"] = [10.0, 30.0]  # SubpopBench
    return space


def crt_space(rows: SearchedRows) -> Space:
    """Return the range of cRT's second stage, which has 10 epochs after 90 in the paper."""
    return {"retraining_epochs": rows.by_kind(vectors=[10, 30, 100], images=[5, 10, 30])}


def isda_space() -> Space:
    """Return the range of ISDA's strength."""
    return {"strength": STRENGTHS}


def meta_weight_net_space(rows: SearchedRows) -> Space:
    """Return the ranges of Meta-Weight-Net."""
    return {**_meta(rows), "weight_lr": log_uniform(1e-4, 1e-2)}  # the authors' 1e-3, around it


def meta_saug_space(rows: SearchedRows) -> Space:
    """Return the ranges of MetaSAug."""
    return {
        **_meta(rows),
        "strength": STRENGTHS,
        "class_balance": [0.0, *BETAS],
        "warmup": [0.4, 0.6, 0.8],  # 0.8 in the papers, after many epochs
        "sigma_lr": log_uniform(1e-2, 1.0),  # the authors' 0.1, around it
    }


def meta_iada_space(rows: SearchedRows, epsilon: float | None, *, weigh: bool = False) -> Space:
    """Return the ranges of Meta-IADA; ``epsilon`` is searched where it is not learned.

    Where the class proportions ``weigh`` the losses, their exponent is above 0.
    """
    space: Space = {
        **_meta(rows),
        "alpha": STRENGTHS,  # the paper
        "beta": [0.5, 1.0] if weigh else [0.0, 0.5, 1.0],  # 1 in the paper
        "warmup": [0.4, 0.6, 0.8],  # 0.8 in the paper, of 200 epochs
        "sigma_lr": log_uniform(1e-2, 1.0),
        "perturbation_lr": log_uniform(1e-4, 1e-2),  # the paper: 1e-3, and 1e-4 on iNaturalist
    }
    if epsilon is not None:
        space["epsilon"] = uniform(-1.0, 1.0)
    # Ours: a step of the spread of the features is far, see docs/design/meta_set.md.
    reach = None if rows.kind == "images" else rows.radius("linf", 0.01, 1.0)
    return space if reach is None else space | {"reach": reach}


def _meta(rows: SearchedRows) -> Space:
    """Return epochs enough for what is learned slowly."""
    return {"max_epochs": rows.by_kind(vectors=[30, 100, 200], images=[50, 100, 200])}
