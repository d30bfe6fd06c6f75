"""Ranges of the methods against shortcuts, and of those that know the groups."""

from sklearn_debias.search_spaces._draws import log_uniform, uniform
from sklearn_debias.search_spaces._rows import SearchedRows, Space

BALANCE = [None, "group"]
LFF_Q = uniform(0.05, 0.95)  # SubpopBench


def erm_space(balance: str | None) -> Space:
    """Return how to balance, where anything is balanced."""
    # Idrissi et al., CLeaR 2022, compare these.
    return {} if balance is None else {"balance_by": ["weight", "sample", "subsample"]}


def group_dro_space() -> Space:
    """Return the ranges of GroupDRO."""
    return {
        "step_size": log_uniform(1e-3, 1e-1),  # DomainBed, SubpopBench
        "adjustment": [0.0, 1.0, 2.0, 3.0, 4.0, 5.0],  # Sagawa et al., ICLR 2020
        "balance": BALANCE,  # the paper draws by group
    }


def jtt_space(rows: SearchedRows) -> Space:
    """Return the ranges of JTT; whole numbers, which errors can be repeated by."""
    # Waterbirds: 50 or 60 epochs, upweight 100. CelebA: 1 epoch, upweight 50. BiasAdv's tables: 1
    # to 20 epochs, upweight 10 to 50. SubpopBench: upweight 1 to 316. A head has the shortcut soon.
    epochs = rows.by_kind(vectors=[1, 2, 5, 10, 20], images=[1, 2, 5, 10, 20, 50])
    return {"identification_epochs": epochs, "upweight": [5, 10, 20, 50, 100]}


def lff_space() -> Space:
    """Return the ranges of LfF."""
    return {
        "q": LFF_Q,
        # The variants that carry the name: raw losses, the authors' averages, longer ones (ours).
        "ema": [0.0, 0.7, 0.9],
        "class_normalize": [True, False],
    }


def biasadv_space(rows: SearchedRows, norm: str, base: object) -> Space:
    """Return the ranges of the attack, and of the biased net that "erm" is given."""
    # Ours: docs/reproduction/biasadv.md selects 0.14 to 0.61 of the mean norm at 1 % of images.
    epsilon = rows.radius(norm, 0.05, 1.0)
    if epsilon is None and rows.kind == "images":
        # The paper's tables have 0.1 to 1, in a norm that it does not name; that of "linf" is ours.
        low, high = (2 / 255, 32 / 255) if norm == "linf" else (0.1, 1.0)
        epsilon = log_uniform(low, high)
    space = {
        "epsilon": epsilon,
        "lam": [0.0, 0.25, 0.5, 0.75, 1.0],  # the paper's grid, and 0
        "beta": [0.25, 0.5, 1.0, 1.5, 2.0],  # the paper's grid, and 0.25
    }
    return space | {"q": LFF_Q} if isinstance(base, str) and base == "erm" else space


def biasadv_bases(name: str, rows: SearchedRows) -> Space:
    """Return lists of what to try of a base that is named, fewer than of the base alone."""
    if name == "jtt":
        epochs = rows.by_kind(vectors=[1, 2, 5, 10], images=[1, 5, 20])
        return {"identification_epochs": epochs, "upweight": [5, 20, 50]}
    return {"q": [0.1, 0.3, 0.5, 0.7, 0.8]} if name == "lff" else {}


def ule_space(rows: SearchedRows) -> Space:
    """Return the ranges of ULE."""
    space: Space = {"lam": [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0]}  # the paper
    if rows.kind == "images":
        # Ours: what reproduces its Table 1 needs a head start, and a scale near 100.
        return space | {"student_warmup": ["auto", 2, 10], "scale": ["auto", 50.0, 200.0]}
    return space | {"max_epochs": [30, 100, 300]}  # 300 in the paper


def afr_space() -> Space:
    """Return the ranges of AFR."""
    # The released examples: Waterbirds gamma 10, lam 0, 500 epochs, and earlier 14 and .2; CelebA
    # 1.44, .001 and 1000, and earlier 1.8, 0 and 100.
    return {
        "gamma": log_uniform(1.0, 20.0),
        "lam": [0.0, 0.1, 0.2, 0.3, 0.4],
        "reweighting_epochs": [100, 250, 500],
    }


def self_space(rows: SearchedRows, disagreement: str, held_out_share: float) -> Space:
    """Return the ranges of SELF."""
    sizes = [5, 10, 20, 50, 100, 500]  # the paper: 20, 100, 500; small sets want fewer
    if rows.n is not None:
        # More than half of the held-out rows leaves little to choose.
        most = held_out_share * rows.n / 2
        sizes = [k for k in sizes if k <= most] or [max(1, int(most))]
    space: Space = {"k": sizes, "finetuning_epochs": [100, 250, 500]}
    if disagreement.startswith("early_stop"):
        space["early_stop"] = [0.1, 0.2, 0.5]  # the paper
    elif disagreement == "dropout":
        space["dropout"] = [0.5, 0.7, 0.9]  # the paper
    return space


def class_balanced_retraining_space() -> Space:
    """Return the ranges of class-balanced retraining."""
    # Ours; the paper holds out the validation rows or a part of them.
    return {"held_out_share": [0.1, 0.2, 0.5], "retraining_epochs": [30, 100, 300]}


def dpe_space() -> Space:
    """Return the ranges of DPE."""
    return {
        "n_heads": [5, 15],  # released: 15; a third takes a third of the time
        "decorrelation": log_uniform(0.05, 5.0),  # ours: 5 is the released weight, 0.5 did as well
        "entropic_scale": [10.0, 30.0],  # IsoMax+; released: 30
        "head_epochs": [30, 100],
    }


def dfr_space() -> Space:
    """Return the range of DFR's C."""
    # The paper: 0.01 to 1. Ours: groups of a few rows want less of a penalty than its least.
    return {"C": log_uniform(1e-2, 1e1)}
