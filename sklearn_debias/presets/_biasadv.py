"""BiasAdv: the hyper-parameters of its experiments, from the tables of its supplement."""

from functools import partial
from typing import Any

from torch.optim.lr_scheduler import StepLR

from sklearn_debias.arguments import is_one_of

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


def biasadv_preset(name: str, base: str) -> dict[str, Any]:
    """Return the parameters of a row of the tables; "base" is a name with its settings."""
    if not is_one_of(name, ROWS):
        raise ValueError(f"`name` must be one of {sorted(ROWS)}, got {name!r}.")
    if not is_one_of(base, ROWS[name]):
        raise ValueError(f"`base` must be one of {sorted(ROWS[name])}, got {base!r}.")
    epochs, lam, epsilon, n_steps, beta, weight_decay, *jtt = ROWS[name][base]
    batch_size, lr, step, pretrained = DATA[name]
    return {
        "base": (base, dict(zip(("identification_epochs", "upweight"), jtt, strict=False))),
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
