"""What an engine has come to within a phase: taken after an epoch, and put back."""

from collections.abc import Collection, Iterator, Mapping
from functools import cache
from typing import Any

import torch
from skorch import History
from torch import Tensor, nn, optim

from sklearn_debias.content import fingerprint
from sklearn_debias.plain import NotPlainError
from sklearn_debias.training._attributes import OF_EVERY_MODULE, Attributes, with_extra_state
from sklearn_debias.training._by_role import parts_of
from sklearn_debias.training._roles import is_fixed

COUNTERS = ("_batches", "_scheduled", "_lowest")


class Progress:
    """Takes what changes in an engine while it trains, and puts it back.

    Parameters
    ----------
    engine : Engine
        Before its first phase.
    copies : collection of str, default=()
        Roles that become copies of the model at some time.
    """

    def __init__(self, engine: Any, copies: Collection[str] = ()) -> None:
        self.engine = engine
        # What learns nothing is built the same again, and may be large.
        own = [module for role, module in engine.module_.items() if role not in copies]
        fixed = [part for module in own for part in module.modules() if is_fixed(part)]
        self.still = {id(t) for part in fixed for t in (*part.parameters(), *part.buffers())}
        self.modules = dict(engine.module_.named_modules())
        # What is not put back must be built the same again: from the same files, by the same code.
        self.start = fingerprint([(name, self._built(tensor)) for name, tensor in self._tensors()])
        self.in_modules = Attributes(
            {f"module {path!r}": part for path, part in self.modules.items()}, OF_EVERY_MODULE
        )
        callbacks = {f"callback {name!r}": callback for name, callback in engine.callbacks_}
        self.in_callbacks = Attributes(callbacks, handles=True)
        self.in_optimizers = Attributes({})

    def begin(self) -> None:
        """Look at a phase that begins: its callbacks know, its optimiser is made."""
        self.in_modules.begin()
        self.in_callbacks.begin()
        parts = parts_of(self.engine.optimizer_)
        if list(self.in_optimizers.owners.values()) == list(parts.values()):
            self.in_optimizers.begin()  # that of the phase before goes on
            return
        self.in_optimizers = Attributes(
            {f"optimizer {role!r}": part for role, part in parts.items()}, of_every_optimizer()
        )

    def taken(self) -> dict[str, Any]:
        """Return the engine's progress but for its history: live tensors, and plain data.

        Raises
        ------
        NotPlainError
            Where something has no plain form.
        """
        engine = self.engine
        return {
            "tensors": {n: t for n, t in self._tensors() if id(t) not in self.still},
            "extra": {
                path: part.get_extra_state()
                for path, part in with_extra_state(self.modules.items()).items()
            },
            "attributes": self.in_modules.changed(),
            "optimizers": {
                role: _taken(part) for role, part in parts_of(engine.optimizer_).items()
            },
            "optimizer attributes": self.in_optimizers.changed(),
            "callbacks": self.in_callbacks.changed(),
            "state": dict(engine.state),
            "counters": {name: getattr(engine, name) for name in COUNTERS},
        }

    def put_back(self, taken: Mapping[str, Any], history: list[dict[str, Any]]) -> None:
        """Give the engine the progress that another process has taken."""
        engine = self.engine
        saved = taken["tensors"]
        here = {name: tensor for name, tensor in self._tensors() if id(tensor) not in self.still}
        for name in here.keys() | saved.keys():
            path, _, own = name.rpartition(".")
            tensor = here.get(name)
            known = self.modules[path]
            if name in saved and tensor is not None and _alike(tensor, saved[name]):
                with torch.no_grad():
                    tensor.copy_(saved[name])
            elif isinstance(tensor, nn.Parameter) or own in known._parameters:
                raise ValueError(f"`checkpoint` has another network: {name!r} is not as it was.")
            else:  # a buffer that training has set, dropped or let grow
                known._buffers[own] = saved.get(name)
        for path, state in taken["extra"].items():
            self.modules[path].set_extra_state(state)
        self.in_modules.put_back(taken["attributes"])
        for role, part in parts_of(engine.optimizer_).items():
            _put_back(part, taken["optimizers"][role])
        self.in_optimizers.put_back(taken["optimizer attributes"])
        self.in_callbacks.put_back(taken["callbacks"])
        engine.state = taken["state"]
        engine.history_ = History(history)
        for name in COUNTERS:
            setattr(engine, name, taken["counters"][name])

    def _tensors(self) -> Iterator[tuple[str, Tensor]]:
        """Yield names and tensors of all parameters and buffers, shared ones once."""
        seen = set()
        for path, part in self.modules.items():
            for name, tensor in (*part._parameters.items(), *part._buffers.items()):
                if tensor is not None and id(tensor) not in seen:
                    seen.add(id(tensor))
                    yield f"{path}.{name}", tensor

    def _built(self, tensor: Tensor) -> Any:
        """Return what must be the same of a tensor before training."""
        return tensor if id(tensor) in self.still else (tuple(tensor.shape), str(tensor.dtype))


def _alike(one: Tensor, other: Tensor) -> bool:
    return one.shape == other.shape and one.dtype == other.dtype


@cache
def of_every_optimizer() -> tuple[str, ...]:
    """Return what torch keeps in any optimiser: its state is kept by parameter."""
    # At the first call: to make an optimiser imports much of torch.
    plain = optim.SGD([nn.Parameter(torch.zeros(1))], lr=0.1)
    return (*vars(plain), "parts", "step", "_opt_called")


def _taken(optimizer: optim.Optimizer) -> dict[str, Any]:
    """Return what an optimiser keeps, parameters by their number."""
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    number = {parameter: i for i, parameter in enumerate(parameters)}
    strangers = [key for key in optimizer.state if key not in number]
    if strangers:
        raise NotPlainError(f"{type(optimizer).__name__}.state", strangers[0])
    return {
        "groups": [{k: v for k, v in g.items() if k != "params"} for g in optimizer.param_groups],
        "state": {number[p]: dict(kept) for p, kept in optimizer.state.items()},
    }


def _put_back(optimizer: optim.Optimizer, taken: Mapping[str, Any]) -> None:
    # Past load_state_dict, which casts to the type of the parameter.
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    for group, kept in zip(optimizer.param_groups, taken["groups"], strict=True):
        group.update(kept)
    optimizer.state.clear()
    for i, kept in taken["state"].items():
        optimizer.state[parameters[i]] = kept
