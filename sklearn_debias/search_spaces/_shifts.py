"""Ranges of the methods that compare or mix environments."""

from sklearn_debias.search_spaces._draws import log_uniform, uniform
from sklearn_debias.search_spaces._rows import SearchedRows, Space

RISKS = ("irm", "ib_irm", "vrex")


def invariance_space(rows: SearchedRows, penalty: str, module: object) -> Space:
    """Return the ranges of a penalty."""
    space: Space = {"balance": [None, "environment"]}
    if penalty in RISKS:
        # DomainBed: weights of 0.1 to 1e5; annealing of 1 to all of its 5,000 steps. Weights this
        # large hold a head at zero logits, unless it has trained before. Here epochs are counted,
        # and must be fewer than the fewest of all.
        space["penalty_weight"] = log_uniform(1e-1, 1e5)
        space["anneal_epochs"] = [1, 3, 10]
        space["max_epochs"] = rows.by_kind(vectors=[20, 50, 100], images=[20, 50])
    else:
        space["penalty_weight"] = log_uniform(1e-1, 1e1)  # DomainBed
    if penalty == "ib_irm":
        space["bottleneck_weight"] = log_uniform(1e-1, 1e5)  # DomainBed
    if penalty not in ("irm", "vrex") and rows.kind != "images" and module in (None, "linear"):
        # These penalties look at features, which a linear head has none of its own.
        space["module"] = ["mlp"]
    return space


def fish_space() -> Space:
    """Return the range of the inner rate."""
    # DomainBed searches lr / inner_lr in 0.05, 0.1 and 0.5; with the range of `lr` these are here.
    return {"inner_lr": log_uniform(1e-2, 5e-1)}


def mixup_space(partners: str) -> Space:
    """Return the ranges of mixing with these partners."""
    space: Space = {"alpha": log_uniform(1e-1, 1e1)}  # DomainBed, SubpopBench
    if partners == "lisa":
        # SubpopBench; the authors draw by group.
        space |= {"p_sel": uniform(0.0, 1.0), "balance": [None, "group"]}
    return space
