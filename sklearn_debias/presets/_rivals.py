"""Rivals of the four papers: the settings that their own authors released."""

from copy import deepcopy
from functools import partial
from typing import Any

from torch.optim.lr_scheduler import CosineAnnealingLR

from sklearn_debias.arguments import is_one_of

# torchvision's `resnet50(pretrained=True)` of the time, by SGD with momentum 0.9.
RESNET50: dict[str, Any] = {
    "module": "resnet50",
    "net_params": {"module__weights": "IMAGENET1K_V1"},
    "normalize": "imagenet",
    "optimizer": "sgd",
}
# Both networks have the same hyper-parameters. Validation rows choose the epoch.
JTT_SHARED: dict[str, Any] = {
    **RESNET50,
    "lr": 1e-5,
    "batch_size": 64,
    "monitor": "worst_group_accuracy",
}
JTT: dict[str, dict[str, Any]] = {
    "waterbirds": {
        **JTT_SHARED,
        "weight_decay": 1.0,
        "max_epochs": 300,
        "identification_epochs": 60,
        "upweight": 100,
    },
    "celeba": {
        **JTT_SHARED,
        "weight_decay": 0.1,
        "max_epochs": 50,
        "identification_epochs": 1,
        "upweight": 50,
    },
}
# With the strong penalty.
GROUP_DRO: dict[str, dict[str, Any]] = {
    "waterbirds": {
        **RESNET50,
        "lr": 1e-5,
        "weight_decay": 1.0,
        "max_epochs": 300,
        "batch_size": 128,
        "balance": "group",
        "step_size": 0.01,
    }
}
# The commands of the released README; its notebooks choose the epoch of the second stage.
AFR_SHARED: dict[str, Any] = {
    **RESNET50,
    "lr": 3e-3,
    "weight_decay": 1e-4,
    "reweighting_share": 0.2,
    "monitor": "worst_group_accuracy",
}
AFR: dict[str, dict[str, Any]] = {
    "waterbirds": {
        **AFR_SHARED,
        "max_epochs": 50,
        "batch_size": 32,
        "gamma": 10.0,
        "lam": 0.0,
        "reweighting_epochs": 500,
    },
    "celeba": {
        **AFR_SHARED,
        "max_epochs": 20,
        "batch_size": 100,
        "lr_schedule": partial(CosineAnnealingLR, T_max=20, eta_min=3e-5),
        "gamma": 1.44,
        "lam": 1e-3,
        "reweighting_epochs": 1000,
    },
}


def jtt_preset(name: str) -> dict[str, Any]:
    """Return the parameters for a data set; the others are the classifier's defaults."""
    return _of(JTT, name)


def group_dro_preset(name: str) -> dict[str, Any]:
    """Return the parameters for a data set; the others are the classifier's defaults."""
    return _of(GROUP_DRO, name)


def afr_preset(name: str) -> dict[str, Any]:
    """Return the parameters for a data set; the others are the classifier's defaults."""
    return _of(AFR, name)


def _of(presets: dict[str, dict[str, Any]], name: str) -> dict[str, Any]:
    if not is_one_of(name, presets):
        raise ValueError(f"`name` must be one of {sorted(presets)}, got {name!r}.")
    return deepcopy(presets[name])  # none shares its `net_params` with another
