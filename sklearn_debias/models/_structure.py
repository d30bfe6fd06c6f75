"""Networks as they are built, without the weights that their options name."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from enum import Enum
from typing import Any

WITH_AUXILIARY = ("inception_v3", "googlenet")  # logits beside their own, in train mode
_ONLY = ContextVar("structure only", default=False)


@contextmanager
def structure_only() -> Iterator[None]:
    """Build networks of torchvision without reading or downloading weights.

    Their structure is that of the same call with weights. The weights are drawn at random: who
    asks for the structure has others to put in.

    Examples
    --------
    >>> from sklearn_debias.models import build_module, structure_only
    >>> with structure_only():
    ...     net = build_module("resnet18", (3, 32, 32), 2, options={"weights": "gone.pt"})
    >>> net.head
    Linear(in_features=512, out_features=2, bias=True)
    """
    token = _ONLY.set(True)
    try:
        yield
    finally:
        _ONLY.reset(token)


def is_structure_only() -> bool:
    """Return whether weights are to be left alone."""
    return _ONLY.get()


def without_weights(name: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options of a classifier of torchvision that build what ``options`` do, bare.

    The weights may be torchvision's, or a file. What torchvision's builders set because weights
    are given is set here.
    """
    found = dict(options)
    weights = found.pop("weights", None)
    known = named_weights(name, weights)
    if known is not None:
        size = known.meta.get("min_size")
        found["num_classes"] = len(known.meta["categories"])
        if name.startswith("vit_"):
            found["image_size"] = size[0]
        elif name.startswith("maxvit"):
            found["input_size"] = size
    if name in WITH_AUXILIARY:
        found["init_weights"] = False  # it takes seconds, for numbers that are not kept
        if weights is not None:
            # Of a file, too, which is torchvision's download mostly: it would see other pixels.
            found.setdefault("transform_input", True)
    return found


def named_weights(name: str, weights: Any) -> Any:
    """Return weights as torchvision's enum; None for none, and for a file."""
    if weights is None or isinstance(weights, Enum):
        return weights
    from torchvision import models

    if name not in models.list_models(module=models):
        return None
    known = models.get_model_weights(name).__members__
    return known.get(str(weights).rpartition(".")[2]) or known.get(str(weights))
