"""The skorch net of a fit, with the estimator's optimiser and callbacks."""

import copy
from typing import Any

import torch
from torch import nn

from sklearn_debias.fitting._params import OPTIMIZERS
from sklearn_debias.training import Engine, Roles


def make_engine(
    estimator: Any, roles: Roles, device: torch.device, options: dict[str, Any]
) -> Engine:
    """The skorch net, initialised; ``options`` are those of `net_params` that skorch takes."""
    optimizer = OPTIMIZERS.get(estimator.optimizer, estimator.optimizer)
    arguments = {
        "optimizer__weight_decay": estimator.weight_decay,
        **estimator._optimizer_options(),
    }
    other = {"optimizer__foreach", "optimizer__differentiable"} & options.keys()
    if optimizer in OPTIMIZERS.values() and device.type in ("cpu", "cuda") and not other:
        arguments["optimizer__fused"] = True
    engine = Engine(
        roles,
        criterion=nn.CrossEntropyLoss,
        optimizer=optimizer,
        lr=estimator.lr,
        max_epochs=estimator.max_epochs,
        batch_size=estimator.batch_size,
        train_split=None,
        callbacks=_own(estimator.callbacks),
        device=str(device),
        verbose=int(estimator.verbose),
        **{**arguments, **options},
    )
    engine.own_optimizers = estimator._own_optimizers()
    engine.initialize()
    named = {key.split("__")[1] for key in options if key.startswith("callbacks__")}
    if unknown := named - {name for name, _ in engine.callbacks_}:
        raise ValueError(
            f"`net_params` holds callbacks__{min(unknown)}, but `callbacks` has no callback of "
            f"that name. Pass (name, callback) pairs to name them."
        )
    return engine


def _own(callbacks: Any) -> Any:
    """Callbacks of this fit alone."""
    return copy.deepcopy(list(callbacks)) if isinstance(callbacks, (list, tuple)) else callbacks
