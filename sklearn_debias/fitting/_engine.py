"""The skorch net of a fit, with the estimator's optimiser and callbacks."""

from typing import Any

from torch import nn

from sklearn_debias.fitting._networks import Networks
from sklearn_debias.fitting._params import LBFGS, MOMENTUM, OPTIMIZERS
from sklearn_debias.fitting._types import Classifier
from sklearn_debias.training import Engine, check_kind, own_callbacks, takes


def make_engine(estimator: Classifier, networks: Networks, options: dict[str, Any]) -> Engine:
    """Return the skorch net, initialised; ``options`` are those of `net_params` that it takes."""
    device = networks.prepare.device
    # A skorch net needs an optimiser, if only to hold the parameters: SGD has no slots.
    known = {**OPTIMIZERS, LBFGS: OPTIMIZERS["sgd"]}
    optimizer = known.get(estimator.optimizer, estimator.optimizer)
    check_kind(optimizer)
    arguments = {
        **_decay(estimator, optimizer),
        **_momentum(estimator),
        **_own_rates(networks, options),
    }
    # The fused kernels are the fastest, but exclude these two; with dampening the momentum of a
    # role that learns later than others could not begin.
    excluded = {"optimizer__foreach", "optimizer__differentiable", "optimizer__dampening"}
    other = excluded & options.keys()
    if optimizer in OPTIMIZERS.values() and device.type in ("cpu", "cuda") and not other:
        arguments["optimizer__fused"] = True
    engine = Engine(
        networks.modules,
        criterion=nn.CrossEntropyLoss,
        optimizer=optimizer,
        lr=estimator.lr,
        max_epochs=estimator.max_epochs,
        batch_size=estimator.batch_size,
        train_split=None,
        callbacks=own_callbacks(estimator.callbacks),
        device=str(device),
        verbose=int(estimator.verbose),
        **{**arguments, **options},
    )
    engine.shapes = {
        name: tuple(networks.training.inputs_of(name).shape) for name in networks.modules
    }
    engine.own_optimizers = {
        name: role.optimizer for name, role in networks.roles.items() if role.optimizer is not None
    }
    engine.initialize()
    named = {key.split("__")[1] for key in options if key.startswith("callbacks__")}
    if unknown := named - {name for name, _ in engine.callbacks_}:
        raise ValueError(
            f"`net_params` holds callbacks__{min(unknown)}, but `callbacks` has no callback of "
            f"that name. Pass (name, callback) pairs to name them."
        )
    return engine


def _decay(estimator: Classifier, optimizer: Any) -> dict[str, Any]:
    """Return the weight decay, for an optimiser that has one."""
    if takes(optimizer, "weight_decay"):
        return {"optimizer__weight_decay": estimator.weight_decay}
    if estimator.weight_decay > 0:
        name = getattr(optimizer, "__name__", optimizer)
        raise ValueError(
            f"`weight_decay` must be 0 with `optimizer`={name}, which has none, got "
            f"{estimator.weight_decay:g}."
        )
    return {}


def _momentum(estimator: Classifier) -> dict[str, Any]:
    """Return the momentum of the optimiser "sgd", by name: the papers' SGD has it."""
    return {"optimizer__momentum": MOMENTUM} if estimator.optimizer == "sgd" else {}


def _own_rates(networks: Networks, options: dict[str, Any]) -> dict[str, Any]:
    """Return parameter groups for the roles with a learning rate of their own."""
    rates = {name: role.lr for name, role in networks.roles.items() if role.lr is not None}
    if rates and "optimizer__param_groups" in options:
        raise ValueError(
            f"`{min(rates)}_lr` must not be given beside optimizer__param_groups in `net_params`, "
            "which sets it, too. Keep one of them."
        )
    groups = [(f"{name}.*", {"lr": rate}) for name, rate in rates.items()]
    return {"optimizer__param_groups": groups} if groups else {}
