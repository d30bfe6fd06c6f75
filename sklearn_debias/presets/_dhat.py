"""DHAT: the settings of the paper's experiments on CIFAR and ImageNet."""

from typing import Any

from sklearn_debias.arguments import is_one_of

CIFAR = {"module": "cifar_resnet18", "augment": "crop-flip", "batch_size": 128, "max_epochs": 100}
DHAT: dict[str, dict[str, Any]] = {
    "cifar10": {**CIFAR, "normalize": ((0.4914, 0.4822, 0.4465), (0.2471, 0.2435, 0.2616))},
    "cifar100": {**CIFAR, "normalize": ((0.5071, 0.4865, 0.4409), (0.2673, 0.2564, 0.2762))},
    # The paper gives no optimiser for ImageNet: the classifier's defaults, which are CIFAR's, stay.
    "imagenet": {
        "module": "resnet18",
        "augment": "crop-flip",
        "normalize": "imagenet",
        "batch_size": 128,
        "max_epochs": 50,
        "epsilon": 4 / 255,
        "inverse_epsilon": 2 / 255,  # half of epsilon, as on CIFAR; the paper gives none
        "step_size": 1 / 255,
        "n_steps": 2,
    },
}


def dhat_preset(name: str) -> dict[str, Any]:
    """Return the parameters for a data set; the others are the classifier's defaults."""
    if not is_one_of(name, DHAT):
        raise ValueError(f"`name` must be one of {sorted(DHAT)}, got {name!r}.")
    return dict(DHAT[name])
