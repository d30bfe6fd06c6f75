"""Several members of a sweep as one: their parameters, states and numbers stacked, their steps vmapped."""

from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from functools import reduce
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import vmap

from sklearn_debias.core import Batch, Net, Objective
from sklearn_debias.model_selection.batched._layout import ClassesFirst
from sklearn_debias.model_selection.batched._members import Member
from sklearn_debias.model_selection.batched._stacked_optimizers import Key, Which, stack_optimizer
from sklearn_debias.model_selection.batched._structure import settings_of, with_settings

Nested = dict[str, dict[str, Tensor]]


class Stack:
    """The members of one stack in one phase.

    Their own modules become views of it, and so are trained with it, until `Member.leave`.

    Parameters
    ----------
    members : sequence of Member
        Of one structure.
    phase : int
        Which of their phases.
    states : sequence of dict
        What each member begins with.
    exact : bool
        Leave 0 and 1 as they are in the objectives, see `settings_of`.
    """

    def __init__(
        self, members: Sequence[Member], phase: int, states: Sequence[dict], *, exact: bool
    ) -> None:
        self.members = members
        self.steps = [member.phases[phase].steps for member in members]
        self.modules = members[0].engine.module_
        self.device = members[0].feed.prepare.device
        self.parameters: dict[Key, Tensor] = {}
        self.trainable: list[Key] = []
        for role in self.modules:
            for name, own in self.modules[role].named_parameters():
                self._stack_parameter((role, name), own.requires_grad)
        self.shared, self.state = _stacked_states(states)
        self.settings = [self._settings(i, exact) for i in range(len(self.steps[0]))]
        groups = [
            _by_parameter(member.engine.optimizer_, member.engine.module_) for member in members
        ]
        self.optimizer = stack_optimizer(
            members[0].engine.optimizer_,
            {key: self.parameters[key] for key in self.trainable},
            {
                key: self._column([group[key]["weight_decay"] for group in groups])
                for key in self.trainable
            },
        )

        self.lr = self._column([member.engine.model_lr() for member in members])
        self.batches = 0

    def __len__(self) -> int:
        return len(self.members)

    def _stack_parameter(self, key: Key, learns: bool) -> None:
        role, name = key
        owners = [member.engine.module_[role].get_parameter(name) for member in self.members]
        stacked = torch.stack([own.detach() for own in owners])
        for own, row in zip(owners, stacked, strict=True):
            own.data = row
        self.parameters[key] = stacked
        if learns:
            self.trainable.append(key)

    def _column(self, values: Sequence[float]) -> Tensor:
        """One number per member, as the parameters have them."""
        dtype = self.parameters[self.trainable[0]].dtype
        return (
            torch.tensor(values, dtype=torch.float64).to(dtype).to(self.device, non_blocking=True)
        )

    def _settings(self, step: int, exact: bool) -> dict[tuple[str, ...], Tensor]:
        each = [settings_of(steps[step], exact=exact) for steps in self.steps]
        return {path: self._column([own[path] for own in each]) for path in each[0]}

    def read_lr(self) -> list[float]:
        """Take the learning rates over from the members' own optimisers; return those for the history."""
        groups = [
            _by_parameter(member.engine.optimizer_, member.engine.module_)
            for member in self.members
        ]
        self.optimizer.set_lr(
            {key: self._column([g[key]["lr"] for g in groups]) for key in self.trainable}
        )
        rates = [member.engine.model_lr() for member in self.members]
        self.lr = self._column(rates)
        return rates

    def train(
        self, which: Which, lanes: int, batch: Batch, nets: Mapping[str, Net]
    ) -> dict[str, Tensor]:
        """One step of the members ``which``, which are ``lanes`` times equally many; return the terms (members,).

        ``batch`` is one batch for a single lane, else it holds a batch per lane, (lanes, b, ...).
        """
        terms: dict[str, Tensor] = {}
        carry: dict[str, Tensor] = {}
        number = self.batches
        self.batches = self.batches + 1
        for i, objective in enumerate(self.steps[0]):
            if number % objective.every:
                continue
            losses, state, log, carry, gradients = self._step(
                i, objective, which, lanes, batch, nets, carry
            )
            self.optimizer.step(which, gradients)
            self._keep(which, state)
            terms |= {f"{role}_loss": value.detach() for role, value in losses.items()}
            terms |= {name: value.detach() for name, value in log.items()}
        return terms

    def _step(
        self,
        i: int,
        objective: Objective,
        which: Which,
        lanes: int,
        batch: Batch,
        nets: Mapping[str, Net],
        carry: dict,
    ) -> tuple[dict, dict, dict, dict, dict[Key, Tensor]]:
        leaves = {
            key: self.parameters[key][which].detach().requires_grad_() for key in self.trainable
        }
        given = {**{key: value[which] for key, value in self.parameters.items()}, **leaves}
        names: list[str] = []

        def one(
            parameters: Nested, settings: dict, state: dict, own_batch: dict, columns: dict
        ) -> tuple[dict, dict, dict, dict]:
            own = {role: replace(net, params=parameters[role]) for role, net in nets.items()}
            before = {**self.shared, **state}
            numbers = {path: settings[str(j)] for j, path in enumerate(self.settings[i])}
            out = with_settings(objective, numbers).step(
                own, replace(batch, **own_batch, **columns), before
            )
            names[:] = out.state
            changed = {
                name: value for name, value in out.state.items() if value is not before.get(name)
            }
            return dict(out.losses), changed, dict(out.log), dict(out.carry)

        settings = {str(j): value[which] for j, value in enumerate(self.settings[i].values())}
        state = {name: value[which] for name, value in self.state.items()}
        with ClassesFirst():
            own_batch = {"lr": self.lr[which], "carry": carry}
            losses, changed, log, left = _mapped(
                one, lanes, (_nested(given), settings, state, own_batch), batch
            )
            wanted = [key for key in self.trainable if key[0] in losses]
            total = reduce(torch.add, [loss.sum() for loss in losses.values()], torch.zeros(()))
            found = (
                torch.autograd.grad(total, [leaves[key] for key in wanted], allow_unused=True)
                if wanted
                else ()
            )
        for name in [name for name in self.state if name not in names]:
            del self.state[name]
        gradients = {key: g for key, g in zip(wanted, found, strict=True) if g is not None}
        changed, left = (
            {name: value.detach() for name, value in part.items()} for part in (changed, left)
        )
        return losses, changed, log, left, gradients

    def _keep(self, which: Which, changed: Mapping[str, Tensor]) -> None:
        for name, value in changed.items():
            if isinstance(which, slice) and which == slice(None):
                self.state[name] = value
                continue
            if name not in self.state:  # it was the same for all so far
                self.state[name] = self.shared[name].expand(len(self), *value.shape[1:]).clone()
            self.state[name][which] = value
        for name in changed:
            self.shared.pop(name, None)

    def state_of(self, i: int) -> dict[str, Tensor]:
        """State of one member, which does not keep the stack alive."""
        return {**self.shared, **{name: value[i].clone() for name, value in self.state.items()}}

    def finite(self) -> Tensor:
        """Which members' parameters are finite, (members,)."""
        each = [torch.isfinite(self.parameters[key]).flatten(1).all(1) for key in self.trainable]
        return torch.stack(each).all(0)


def _mapped(one: Any, lanes: int, stacked: tuple, batch: Batch) -> tuple:
    """Call ``one`` for all members: those of a lane share its batch."""
    if lanes == 1:
        return vmap(lambda *values: one(*values, {}), randomness="same")(*stacked)
    columns: dict[str, Any] = {f.name: getattr(batch, f.name) for f in fields(batch)}
    columns = {
        name: value
        for name, value in columns.items()
        if isinstance(value, Tensor) or name == "inputs"
    }
    first = next(iter(next(iter(stacked[0].values())).values()))
    if len(first) == lanes:
        return vmap(one, randomness="same")(*stacked, columns)
    inner = vmap(one, in_dims=(0, 0, 0, 0, None), randomness="same")
    by_lane = _each(lambda t: t.unflatten(0, (lanes, -1)), stacked)
    return _each(lambda t: t.flatten(0, 1), vmap(inner, randomness="same")(*by_lane, columns))


def _each(change: Any, tree: Any) -> Any:
    """Apply ``change`` to every tensor of a nested tuple or dict."""
    if isinstance(tree, Tensor):
        return change(tree)
    if isinstance(tree, dict):
        return {name: _each(change, value) for name, value in tree.items()}
    return tuple(_each(change, value) for value in tree)


def _nested(flat: Mapping[Key, Tensor]) -> Nested:
    nested: Nested = {}
    for (role, name), value in flat.items():
        nested.setdefault(role, {})[name] = value
    return nested


def _stacked_states(states: Sequence[dict]) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Entries that are the same for all members, and the others stacked."""
    shared = {}
    stacked = {}
    for name, first in states[0].items():
        values = [state[name] for state in states]
        if all(
            value is first or (value.shape == first.shape and torch.equal(value, first))
            for value in values
        ):
            shared[name] = first
        else:
            stacked[name] = torch.stack(values)
    return shared, stacked


def _by_parameter(optimizer: torch.optim.Optimizer, modules: nn.ModuleDict) -> dict[Key, dict]:
    """The optimiser's group of each parameter."""
    group_of = {id(p): group for group in optimizer.param_groups for p in group["params"]}
    found = {}
    for name, parameter in modules.named_parameters():
        if id(parameter) in group_of:
            role, _, rest = name.partition(".")
            found[role, rest] = group_of[id(parameter)]
    return found
