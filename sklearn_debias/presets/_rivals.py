"""Rivals of the four papers: the settings that their own authors released."""

from typing import Any

from sklearn_debias.arguments import is_one_of

# Both networks have the same hyper-parameters, SGD with momentum 0.9.
JTT: dict[str, dict[str, Any]] = {
    "waterbirds": {
        "optimizer": "sgd",
        "lr": 1e-5,
        "weight_decay": 1.0,
        "identification_epochs": 60,
        "upweight": 100,
    },
    "celeba": {
        "optimizer": "sgd",
        "lr": 1e-5,
        "weight_decay": 0.1,
        "identification_epochs": 1,
        "upweight": 50,
    },
}
GROUP_DRO: dict[str, dict[str, Any]] = {
    "waterbirds": {"lr": 1e-5, "weight_decay": 1.0, "max_epochs": 300, "step_size": 0.01}
}


def jtt_preset(name: str) -> dict[str, Any]:
    """Return the parameters for a data set; the others are the classifier's defaults."""
    if not is_one_of(name, JTT):
        raise ValueError(f"`name` must be one of {sorted(JTT)}, got {name!r}.")
    return dict(JTT[name])


def group_dro_preset(name: str) -> dict[str, Any]:
    """Return the parameters for a data set; the others are the classifier's defaults."""
    if not is_one_of(name, GROUP_DRO):
        raise ValueError(f"`name` must be one of {sorted(GROUP_DRO)}, got {name!r}.")
    return dict(GROUP_DRO[name])
