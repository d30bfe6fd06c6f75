"""Members of a sweep as one: their parameters, states and numbers stacked, their steps vmapped."""

from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from functools import reduce
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import vmap

from sklearn_debias.core import Batch, Net, Objective
from sklearn_debias.model_selection.batched._layout import ClassesFirst
from sklearn_debias.model_selection.batched._linear import gradients_of, linear_names, linear_net
from sklearn_debias.model_selection.batched._members import Member
from sklearn_debias.model_selection.batched._stacked_optimizers import Key, Which, stack_optimizer
from sklearn_debias.model_selection.batched._structure import settings_of, with_settings

Nested = dict[str, dict[str, Tensor]]


class Stack:
    """The members of one stack, in one phase.

    Their own modules become views of the stack, and so are trained with it, until `Member.leave`.

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
        groups = self._groups()
        learning = {key: self.parameters[key] for key in self.trainable}
        decay = {
            key: self._column([group[key]["weight_decay"] for group in groups])
            for key in self.trainable
        }
        self.optimizer = stack_optimizer(members[0].engine.optimizer_, learning, decay)
        self.lr = self._column([member.engine.model_lr() for member in members])
        self.batches = 0

    def __len__(self) -> int:
        return len(self.members)

    def _stack_parameter(self, key: Key, learns: bool) -> None:
        """Stack one parameter of all members, and make theirs views of it."""
        role, name = key
        owners = [member.engine.module_[role].get_parameter(name) for member in self.members]
        stacked = torch.stack([own.detach() for own in owners])
        for own, row in zip(owners, stacked, strict=True):
            own.data = row
        self.parameters[key] = stacked
        if learns:
            self.trainable.append(key)

    def _column(self, values: Sequence[float]) -> Tensor:
        """Return one number per member, on the device and in the dtype of the parameters."""
        dtype = self.parameters[self.trainable[0]].dtype
        column = torch.tensor(values, dtype=torch.float64).to(dtype)
        return column.to(self.device, non_blocking=True)

    def _settings(self, step: int, exact: bool) -> dict[tuple[str, ...], Tensor]:
        """Return the numbers in which the members' objectives may differ, (members,) by path."""
        each = [settings_of(steps[step], exact=exact) for steps in self.steps]
        return {path: self._column([own[path] for own in each]) for path in each[0]}

    def _groups(self) -> list[dict[Key, dict]]:
        """Return the optimiser's group of each parameter, for each member."""
        engines = [member.engine for member in self.members]
        return [_by_parameter(engine.optimizer_, engine.module_) for engine in engines]

    def read_lr(self) -> list[float]:
        """Read the learning rates off the members' own optimisers; return the models'.

        Torch's schedules act on these, one for each member.
        """
        groups = self._groups()
        rates = {
            key: self._column([group[key]["lr"] for group in groups]) for key in self.trainable
        }
        self.optimizer.set_lr(rates)
        of_models = [member.engine.model_lr() for member in self.members]
        self.lr = self._column(of_models)
        return of_models

    def train(
        self, which: Which, lanes: int, batch: Batch, nets: Mapping[str, Net]
    ) -> dict[str, Tensor]:
        """Take one step of the members ``which``; return its terms, one value per member.

        Parameters
        ----------
        which : slice or Tensor of int64
            Members of ``lanes`` lanes, of each equally many, lane after lane.
        lanes : int
        batch : Batch
            One batch for a single lane, otherwise one per lane: (lanes, b, ...).
        nets : mapping of str to Net
            Those of any of the members; their parameters are replaced.
        """
        terms: dict[str, Tensor] = {}
        carry: dict[str, Tensor] = {}
        number = self.batches
        self.batches = self.batches + 1
        # Members of one structure have the same objectives but for their numbers.
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
        """Return losses, changed state, log, carry and gradients of one objective on one batch."""
        layers = linear_names(objective, nets)
        leaves = {
            key: self.parameters[key][which].detach().requires_grad_(layers is None)
            for key in self.trainable
        }
        given = {key: value[which] for key, value in self.parameters.items()}
        given |= leaves
        names: list[str] = []

        def one(
            parameters: Nested, settings: dict, state: dict, own_batch: dict, columns: dict
        ) -> tuple[dict, dict, dict, dict, Nested]:
            before = {**self.shared, **state}
            numbers = {path: settings[str(j)] for j, path in enumerate(self.settings[i])}
            given_batch = replace(batch, **own_batch, **columns)
            as_set = with_settings(objective, numbers)
            gradients: Nested = {}
            if layers is not None:
                linear = {r: linear_net(parameters[r], own) for r, own in layers.items()}
                out = as_set.closed_step(linear, given_batch, before)
                gradients = {r: gradients_of(linear[r], layers[r]) for r in out.losses}
            else:
                own = {role: replace(net, params=parameters[role]) for role, net in nets.items()}
                out = as_set.step(own, given_batch, before)
            # Names cannot be returned from vmap, which lets out nothing but tensors.
            names[:] = out.state
            # What the step hands on as it is stays out: vmap would return it once per member.
            changed = {
                name: value for name, value in out.state.items() if value is not before.get(name)
            }
            return dict(out.losses), changed, dict(out.log), dict(out.carry), gradients

        settings = {str(j): value[which] for j, value in enumerate(self.settings[i].values())}
        state = {name: value[which] for name, value in self.state.items()}
        own_batch = {"lr": self.lr[which], "carry": carry}
        stacked = (_nested(given), settings, state, own_batch)
        with ClassesFirst(), torch.set_grad_enabled(layers is None):
            losses, changed, log, left, pulled = _mapped(one, lanes, stacked, batch)
            gradients = (
                {(role, name): g for role, own in pulled.items() for name, g in own.items()}
                if layers is not None
                else self._differentiated(losses, leaves)
            )
        for name in self.state.keys() - set(names):
            del self.state[name]
        changed = {name: value.detach() for name, value in changed.items()}
        left = {name: value.detach() for name, value in left.items()}
        return losses, changed, log, left, gradients

    def _differentiated(
        self, losses: Mapping[str, Tensor], leaves: Mapping[Key, Tensor]
    ) -> dict[Key, Tensor]:
        """Return the gradients of the losses (members,) of all roles."""
        wanted = [key for key in self.trainable if key[0] in losses]
        if not wanted:
            return {}
        # No loss reaches another member's parameters, or another role's: the gradients of the sum
        # are those of each.
        total = reduce(torch.add, [loss.sum() for loss in losses.values()])
        found = torch.autograd.grad(total, [leaves[key] for key in wanted], allow_unused=True)
        # Without a gradient a parameter is skipped, as torch's optimisers do it: neither momentum
        # nor weight decay move it.
        return {key: g for key, g in zip(wanted, found, strict=True) if g is not None}

    def _keep(self, which: Which, changed: Mapping[str, Tensor]) -> None:
        """Take over what a step of the members ``which`` has changed in their states."""
        for name, value in changed.items():
            if isinstance(which, slice) and which == slice(None):
                self.state[name] = value
                continue
            # It was the same for all so far; the others keep that.
            if name not in self.state:
                self.state[name] = self.shared[name].expand(len(self), *value.shape[1:]).clone()
            self.state[name][which] = value
        for name in changed:
            self.shared.pop(name, None)

    def state_of(self, i: int) -> dict[str, Tensor]:
        """Return the state of one member, which does not keep the stack alive."""
        own = {name: value[i].clone() for name, value in self.state.items()}
        return {**self.shared, **own}

    def finite(self) -> Tensor:
        """Return which members have finite parameters, (members,)."""
        each = [torch.isfinite(self.parameters[key]).flatten(1).all(1) for key in self.trainable]
        return torch.stack(each).all(0)


def _mapped(one: Any, lanes: int, stacked: tuple, batch: Batch) -> tuple:
    """Call ``one`` for all members: those of a lane share its batch."""
    # Members of a lane have one seed: with the same random numbers each draws what it draws alone.
    if lanes == 1:
        return vmap(lambda *values: one(*values, {}), randomness="same")(*stacked)
    # Neither the generator nor the meta set's batch: lanes that have a use for them run alone.
    columns: dict[str, Any] = {}
    for field in fields(batch):
        value = getattr(batch, field.name)
        if isinstance(value, Tensor) or field.name == "inputs":
            columns[field.name] = value
    parameters_of_a_role = next(iter(stacked[0].values()))
    n_members = len(next(iter(parameters_of_a_role.values())))
    if n_members == lanes:
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
    """Return values by role and name as nested dicts."""
    nested: Nested = {}
    for (role, name), value in flat.items():
        nested.setdefault(role, {})[name] = value
    return nested


def _stacked_states(states: Sequence[dict]) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Return the entries that are the same for all members, and the others stacked."""
    # Of an entry with n rows, such as the labels, one copy then serves a whole stack.
    shared = {}
    stacked = {}
    for name, first in states[0].items():
        values = [state[name] for state in states]
        if all(_is_equal(value, first) for value in values):
            shared[name] = first
        else:
            stacked[name] = torch.stack(values)
    return shared, stacked


def _is_equal(one: Tensor, other: Tensor) -> bool:
    return one is other or (one.shape == other.shape and torch.equal(one, other))


def _by_parameter(optimizer: torch.optim.Optimizer, modules: nn.ModuleDict) -> dict[Key, dict]:
    """Return the optimiser's group of each parameter."""
    group_of = {id(p): group for group in optimizer.param_groups for p in group["params"]}
    found = {}
    for name, parameter in modules.named_parameters():
        if id(parameter) in group_of:
            role, _, rest = name.partition(".")
            found[role, rest] = group_of[id(parameter)]
    return found
