"""Settings of the papers' experiments: BiasAdv, Tables 8-10 of its supplement; DHAT, section 4."""

from functools import partial
from typing import Any

from torch.optim.lr_scheduler import StepLR

# epochs, lam, epsilon, n_steps, beta, weight_decay, and for "jtt" identification epochs and
# upweight
ROWS: dict[str, dict[str, tuple]] = {
    "cifar10c": {
        "erm": (200, 1.0, 1.0, 5, 2.0, 1e-4),
        "jtt": (50, 1.0, 0.5, 5, 1.0, 1e-4, 20, 50),
        "lff": (200, 0.5, 0.5, 5, 1.0, 1e-4),
    },
    "bffhq": {
        "erm": (150, 0.5, 0.3, 5, 0.5, 1e-4),
        "jtt": (50, 1.0, 0.5, 5, 1.0, 1e-4, 9, 20),
        "lff": (150, 0.5, 0.3, 5, 0.5, 1e-4),
    },
    "bar": {
        "erm": (20, 1.0, 0.1, 9, 1.5, 1e-4),
        "jtt": (20, 1.0, 0.1, 3, 0.5, 1e-4, 10, 10),
        "lff": (20, 0.5, 0.3, 7, 0.5, 1e-4),
    },
    "metashift": {
        "erm": (10, 1.0, 0.5, 3, 0.5, 1e-4),
        "jtt": (1, 0.5, 0.7, 1, 1.5, 0.0, 1, 10),
        "lff": (10, 1.0, 0.5, 3, 0.5, 1e-4),
    },
}
# batch size, learning rate, StepLR step by base (None: constant), ImageNet weights
DATA: dict[str, tuple[int, float, dict[str, int] | None, bool]] = {
    "cifar10c": (128, 1e-3, {"erm": 40, "jtt": 10, "lff": 40}, False),
    "bffhq": (64, 1e-4, {"erm": 30, "jtt": 10, "lff": 30}, False),
    "bar": (64, 1e-3, {"erm": 10, "jtt": 10, "lff": 10}, True),
    "metashift": (32, 2e-5, None, True),
}


def preset(name: str, base: str) -> dict[str, Any]:
    """Parameters of `BiasAdvClassifier` for one row of the tables."""
    from sklearn_debias.estimators._jtt import JTTClassifier

    if name not in ROWS:
        raise ValueError(f"`name` must be one of {sorted(ROWS)}, got {name!r}.")
    if base not in ROWS[name]:
        raise ValueError(f"`base` must be one of {sorted(ROWS[name])}, got {base!r}.")
    epochs, lam, epsilon, n_steps, beta, weight_decay, *jtt = ROWS[name][base]
    batch_size, lr, step, pretrained = DATA[name]
    return {
        "base": JTTClassifier(identification_epochs=jtt[0], upweight=jtt[1]) if jtt else base,
        "module": "resnet18",
        "max_epochs": epochs,
        "batch_size": batch_size,
        "lr": lr,
        "weight_decay": weight_decay,
        "lr_schedule": None if step is None else partial(StepLR, step_size=step[base], gamma=0.5),
        "augment": "crop-flip",
        "normalize": "imagenet" if pretrained else None,
        "net_params": {"module__weights": "DEFAULT"} if pretrained else None,
        "lam": lam,
        "epsilon": epsilon,
        "n_steps": n_steps,
        "beta": beta,
    }


CIFAR = {"module": "cifar_resnet18", "augment": "crop-flip", "batch_size": 128, "max_epochs": 100}
DHAT: dict[str, dict[str, Any]] = {
    "cifar10": {**CIFAR, "normalize": ((0.4914, 0.4822, 0.4465), (0.2471, 0.2435, 0.2616))},
    "cifar100": {**CIFAR, "normalize": ((0.5071, 0.4865, 0.4409), (0.2673, 0.2564, 0.2762))},
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
    """Parameters of `DHATClassifier` for one of its data sets; the rest are its defaults."""
    if name not in DHAT:
        raise ValueError(f"`name` must be one of {sorted(DHAT)}, got {name!r}.")
    return dict(DHAT[name])
