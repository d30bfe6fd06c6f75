"""Ranges of the parameters that all torch estimators share."""

from sklearn_debias.search_spaces._draws import log_uniform
from sklearn_debias.search_spaces._rows import SearchedRows, Space

# Learning rates: (of Adam and its kind, of SGD).
# Heads: ours for Adam; ULE searched 1e-5 to 1e-1 for SGD, whose lower half does not move a head.
HEAD_LR = (log_uniform(3e-4, 3e-2), log_uniform(1e-3, 1e-1))
# Ours. What a head leaves of a shortcut is decided by its penalty and by when it stops: the groups'
# weights do not matter once it separates the rows. Published is up to 1 (GroupDRO).
HEAD_DECAY = log_uniform(1e-5, 1.0)
# DomainBed for ImageNet weights; SubpopBench for SGD.
PRETRAINED_LR = (log_uniform(10**-5, 10**-3.5), log_uniform(1e-4, 1e-2))
# DomainBed for small images; SGD from scratch is 0.1 in the papers on CIFAR.
SCRATCH_LR = (log_uniform(10**-4.5, 10**-2.5), log_uniform(1e-2, 2e-1))
# Ours: fewer steps leave a head as it started, and few rows make few steps an epoch.
FEWEST_STEPS = 30
BATCH = 128  # rows of a step, about


def shared_space(
    rows: SearchedRows,
    *,
    module: object,
    sgd: bool,
    pretrained: bool,
    head: bool,
    solved: bool = False,
) -> Space:
    """Return the ranges of `lr`, `weight_decay`, `batch_size`, `max_epochs`, and of a perceptron.

    Parameters
    ----------
    rows : SearchedRows
    module : object
        The estimator's: None on a table tries a perceptron, too, and "mlp" is searched.
    sgd : bool
        Whether it trains by SGD, whose steps are longer than Adam's.
    pretrained, head : bool
        Whether the network of images starts from weights, and whether it trains its head alone.
    solved : bool, default=False
        Whether the fit goes to the minimum of its loss, which the penalty alone decides.
    """
    if solved:
        return {"weight_decay": HEAD_DECAY}
    heads = head or rows.kind != "images"
    space = _heads(sgd, rows.n) if heads else _networks(sgd, pretrained)
    if rows.kind == "tabular":
        # SubpopBench on tables: 128 to 1024 rows. A table is learned in no three epochs.
        space |= {"batch_size": [64, 128, 256, 512], "max_epochs": [10, 30, 100]}
        if module is None:
            space["module"] = ["linear", "mlp"]
    if module == "mlp" and rows.kind != "images":
        # SubpopBench on tables: widths of 64 to 1024, three layers and more, these rates.
        space["module__hidden"] = [64, 256, (128, 128), (256, 256, 256)]
        space["module__dropout"] = [0.0, 0.1, 0.5]
    return space


def _heads(sgd: bool, n: int | None) -> Space:
    epochs = [3, 10, 30, 100]
    if n is not None:
        epochs = [e for e in epochs if e * n >= FEWEST_STEPS * BATCH] or epochs[-1:]
    return {
        "lr": HEAD_LR[sgd],
        "weight_decay": HEAD_DECAY,
        "batch_size": [64, 128, 256],
        "max_epochs": epochs,
    }


def _networks(sgd: bool, pretrained: bool) -> Space:
    if pretrained:
        return {
            "lr": PRETRAINED_LR[sgd],
            # DomainBed up to 1e-2; GroupDRO and JTT take 0.1 and 1 for Waterbirds and CelebA.
            "weight_decay": log_uniform(1e-6, 1.0),
            "batch_size": [16, 32, 64],  # DomainBed: 8 to 45
            "max_epochs": [5, 10, 20, 50],
        }
    return {
        "lr": SCRATCH_LR[sgd],
        "weight_decay": log_uniform(1e-6, 1e-2),  # DomainBed
        "batch_size": [32, 64, 128, 256],  # DomainBed on small images: 8 to 512
        "max_epochs": [20, 50, 100],
    }
