"""Meta-IADA: the settings of the paper's experiments, as far as it states them."""

from functools import partial
from typing import Any

from torch.optim.lr_scheduler import MultiStepLR

from sklearn_debias.arguments import is_one_of

# Of all experiments: alpha is searched in {.1, .25, .5, .75, 1}, and usually .5; the perturbation
# network learns by Adam at 1e-3.
STATED: dict[str, Any] = {"alpha": 0.5, "beta": 1.0, "perturbation_lr": 1e-3}
# ResNet-32 by SGD with momentum 0.9 for 200 epochs. In the paper's figures the strategy is learned
# in the last forty.
CIFAR: dict[str, Any] = {
    **STATED,
    "module": "cifar_resnet32",
    "optimizer": "sgd",
    "lr": 0.1,
    "weight_decay": 5e-4,
    "max_epochs": 200,
    "lr_schedule": partial(MultiStepLR, milestones=[160, 180], gamma=0.01),
    "warmup": 0.8,
}
META_IADA: dict[str, dict[str, Any]] = {
    "cifar_lt": {**CIFAR, "meta_size": 10},  # rows of each class
    # Its meta set, 1000 clean rows, has to be given: no row of X is known to be clean.
    "cifar_noise_uniform": CIFAR,  # which network is not on record: Meta-Weight-Net's is WRN-28-10
    "cifar_noise_flip": CIFAR,
    "inat": {**STATED, "perturbation_lr": 1e-4},
    # The meta set is even over classes and attributes: by bias labels, or given.
    "glt": STATED,
    "subpopulation": STATED,
}


def meta_iada_preset(name: str) -> dict[str, Any]:
    """Return the parameters for a scenario; the others are the classifier's defaults."""
    if not is_one_of(name, META_IADA):
        raise ValueError(f"`name` must be one of {sorted(META_IADA)}, got {name!r}.")
    return dict(META_IADA[name])
