"""The skorch net of a model that was loaded."""

from typing import Any

import torch
from torch import nn

from sklearn_debias.training._engine import Engine
from sklearn_debias.training._roles import Roles


def engine_of(modules: Roles, device: torch.device, history: list[dict], **settings: Any) -> Engine:
    """Return a skorch net that holds fitted networks.

    It predicts, and has skorch's ``module_`` and ``history``. It lacks what only training needs:
    the optimiser of the fit, its schedule, and callbacks; ``optimizer_`` is a plain SGD.

    Parameters
    ----------
    modules : Roles
        On ``device``.
    device : torch.device
    history : list of dict
        Rows of the last phase.
    **settings : Any
        Other arguments of skorch's net.
    """
    engine = Engine(
        modules,
        criterion=nn.CrossEntropyLoss,
        optimizer=torch.optim.SGD,
        train_split=None,
        callbacks="disable",
        device=str(device),
        verbose=0,
        **settings,
    )
    engine.initialize()
    for row in history:
        engine.history.new_epoch()
        for name, value in row.items():
            engine.history.record(name, value)
    engine.schedule = None
    engine.trim()
    return engine
