"""ULE: the settings of the paper's experiments, as far as it states them."""

from typing import Any

from sklearn_debias.arguments import is_one_of

# Networks that are not trained, with heads by SGD with momentum 0.9 for 300 epochs. Every
# tenth is looked at, and the worst group of validation rows chooses one of these.
FROZEN: dict[str, Any] = {
    "freeze": "body",
    "optimizer": "sgd",
    "max_epochs": 300,
    "student_warmup": 0,  # both networks learn from the first batch on
    "monitor": "worst_group_accuracy",
    "monitor_every": 10,
    # Ours: a body that stays as it is needs weights, and the paper's are torchvision's at best.
    "net_params": {"module__weights": "DEFAULT"},
    "normalize": "imagenet",
}
# The CNN of Table 1, from scratch, for 300 epochs in parallel.
SCRATCH: dict[str, Any] = {"module": "ule_cnn", "max_epochs": 300, "student_warmup": 0}
ULE: dict[str, dict[str, Any]] = {
    # One of three networks, beside ResNet-18 and ViT-H-14: the one that its rivals are given with.
    "waterbirds": {**FROZEN, "module": "resnet50"},
    "celeba": {**FROZEN, "module": "resnet50"},
    "urbancars": {**FROZEN, "module": "resnet50"},  # the only one
    "spawrious": {**FROZEN, "module": "resnet50"},  # ours: none is on record here
    "mnist": SCRATCH,
    "mnist_sc": SCRATCH,
    "coloured_mnist": SCRATCH,
}


def ule_preset(name: str) -> dict[str, Any]:
    """Return the parameters for a data set; the others are the classifier's defaults."""
    if not is_one_of(name, ULE):
        raise ValueError(f"`name` must be one of {sorted(ULE)}, got {name!r}.")
    settings = dict(ULE[name])
    if "net_params" in settings:
        settings["net_params"] = dict(settings["net_params"])
    return settings
