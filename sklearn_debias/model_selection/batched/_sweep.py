"""Many fits in one: members of one structure are trained together, step by step, under vmap."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import partial
from time import perf_counter
from typing import Any

import numpy as np
import torch
from torch import Tensor

from sklearn_debias.core import Batch, Net
from sklearn_debias.model_selection.batched._members import Cost, Member, chunks, cost_of_all
from sklearn_debias.model_selection.batched._schedules import step_schedules
from sklearn_debias.model_selection.batched._stack import Stack
from sklearn_debias.model_selection.batched._stacked_optimizers import Which
from sklearn_debias.training import Epochs, diverged, is_fixed

Progress = Callable[[int], Any]


def sweep(
    members: Sequence[Member],
    *,
    budget: int,
    exact: bool,
    finish: Callable[[Member], None],
    progress: Progress = lambda epochs: None,
) -> None:
    """Train members of one structure, in stacks of at most ``budget`` bytes.

    Every member ends as a fit of its own would: its modules trained, ``states`` and ``history``
    set, or ``error``. One that diverges does not touch the others.

    Parameters
    ----------
    members : sequence of Member
        Equal in `structure` and in `optimizer_settings`.
    budget : int
        Bytes for parameters, gradients, slots of the optimiser, states and activations.
    exact : bool
        See `settings_of`.
    finish : callable
        ``finish(member)`` is called as soon as a member is trained.
    progress : callable, default=None
        ``progress(epochs)`` is called with the epochs trained, summed over members.
    """
    cost = cost_of_all(members)
    for chunk in chunks(members, cost, budget):
        run = None
        for i, phase in enumerate(chunk[0].phases):
            chunk_left = [member for member in chunk if member.error is None]
            if chunk_left:
                run = _Run(chunk_left, i, cost, exact, run if phase.continues else None)
                run.train(progress)
        # Dropped first, or its slots would lie beside the members' own copies of the parameters.
        run = None
        for member in chunk:
            member.leave()
            finish(member)


@dataclass
class _Lane:
    """Members that share every batch of an epoch.

    Parameters
    ----------
    members : list of int
        Their places in the stack.
    epochs : Epochs
        The streams of the first of them, which are those of all.
    nets : mapping of str to Net
    batches : list of Tensor
        Row numbers of each batch of the present epoch.
    """

    members: list[int]
    epochs: Epochs
    nets: Mapping[str, Net]
    batches: list[Tensor]


class _Run:
    """One phase of one chunk.

    Parameters
    ----------
    members : sequence of Member
    phase : int
        Which of their phases.
    cost : Cost
    exact : bool
        See `settings_of`.
    before : _Run or None
        The run that this one continues: its optimiser goes on.
    """

    def __init__(
        self, members: Sequence[Member], phase: int, cost: Cost, exact: bool, before: "_Run | None"
    ) -> None:
        self.cost = cost
        kept = []
        states = []
        for member in members:
            # What stops one member before its first step must not stop the others.
            try:
                state = member.begin(member.phases[phase])
                member.inspect(member.phases[phase], state)
                if not member.phases[phase].continues:
                    member.engine.fresh_optimizer(member.schedule(member.phases[phase]))
            except Exception as error:
                member.error = error
            else:
                kept.append(member)
                states.append(state)
        self.members = kept
        self.phase = phase
        if kept:
            self.stack = Stack(kept, phase, states, exact=exact)
            if before is not None:
                # Some of its members may have diverged since.
                places = {id(member): i for i, member in enumerate(before.members)}
                chosen = [places[id(member)] for member in kept]
                self.stack.optimizer.adopt(before.stack.optimizer, chosen)
            self.own_rows = self._asks_for_rows(kept[0], states[0])
            self.lanes = self._lanes(states)

    def _asks_for_rows(self, member: Member, state: dict) -> bool:
        """Return whether an objective of the phase says which rows an epoch visits."""
        # What it draws here is thrown away, and must not come from the member's stream.
        generator = torch.Generator().manual_seed(0)
        steps = member.phases[self.phase].steps
        return any(step.visits(member.data, state, generator) is not None for step in steps)

    def _lanes(self, states: Sequence[dict]) -> list[_Lane]:
        """Return the lanes of the phase."""
        groups: dict[Any, list[int]] = defaultdict(list)
        for i, member in enumerate(self.members):
            # Rows may depend on the state, as JTT's do: then each member is a lane of its own.
            groups[(i if self.own_rows else None, member.lane)].append(i)
        return [self._lane(members, states[members[0]]) for members in groups.values()]

    def _lane(self, members: list[int], state: dict) -> _Lane:
        """Return a lane, with the streams and the networks of its first member."""
        lead = self.members[members[0]]
        phase = lead.phases[self.phase]
        return _Lane(members, lead.epochs(phase, state), lead.nets(phase), [])

    def train(self, progress: Progress) -> None:
        """Train all epochs of the phase, or until every member has diverged or stopped."""
        if not self.members:
            return
        phase = self.members[0].phases[self.phase]
        for epoch in range(1, phase.max_epochs + 1):
            start = perf_counter()
            rates = self.stack.read_lr()
            names, means = self._epoch()
            self._record(epoch, rates, names, means, perf_counter() - start)
            self._look()
            progress(len(self.members))
            # Those that are over go on, unrecorded: vmap computes all members alike.
            if all(member.is_over for member in self.members):
                break
            step_schedules(self.members)
        for i, member in enumerate(self.members):
            if not member.stopped:
                member.states[phase.name] = self.stack.state_of(i)

    def _look(self) -> None:
        """Let the monitors score an epoch of the last phase; note who ends with it."""
        for i, member in enumerate(self.members):
            last = self.phase == len(member.phases) - 1
            if not last or member.monitor is None or member.is_over:
                continue
            member.look()
            if member.stopped:
                member.states[member.phases[-1].name] = self.stack.state_of(i)

    def _epoch(self) -> tuple[list[str], np.ndarray]:
        """Train one epoch; return the names and the means of its terms.

        The means are (terms + 1, members): the last row says whose parameters are finite.
        """
        sums: dict[str, Tensor] = {}
        counts: dict[str, Tensor] = {}
        for which, lanes, batch, nets in self._steps():
            size = batch.y.shape[-1]
            where = which if isinstance(which, slice) else which.cpu()
            for name, values in self.stack.train(which, lanes, batch, nets).items():
                if name not in sums:
                    sums[name] = torch.zeros(
                        len(self.stack), dtype=torch.float64, device=values.device
                    )
                    counts[name] = torch.zeros(len(self.stack), dtype=torch.float64)
                sums[name][which] += values.double() * size
                counts[name][where] += size
        means = []
        for name, total in sums.items():
            means.append(total / counts[name].to(total.device, non_blocking=True))
        # One transfer for all terms and members.
        return list(sums), torch.stack([*means, self.stack.finite().double()]).cpu().numpy()

    def _steps(self) -> Iterator[tuple[Which, int, Batch, Mapping[str, Net]]]:
        """Yield what each step of an epoch trains; see `Stack.train`.

        Lanes with batches of one length go together.
        """
        # Drawn for all lanes, before some are merged: each stream goes on as that of a fit alone.
        for lane in self.lanes:
            _to_train(self.members[lane.members[0]])
            lane.batches = list(lane.epochs.order)
        lanes = self._merged()
        for t in range(max(len(lane.batches) for lane in lanes)):
            alike: dict[Any, list[_Lane]] = defaultdict(list)
            for j, lane in enumerate(lanes):
                if t < len(lane.batches):
                    # A step has one generator: lanes that draw take theirs one after another.
                    own = j if self.cost.draws else None
                    alike[len(lane.batches[t]), len(lane.members), own].append(lane)
            for group in alike.values():
                which = self._which([i for lane in group for i in lane.members])
                yield which, len(group), self._batch(group, t), group[0].nets

    def _merged(self) -> list[_Lane]:
        """Return the lanes of this epoch: of those that draw nothing, equal ones count as one."""
        if not self.own_rows or self.cost.draws:
            return self.lanes
        # Members of one seed that ask for rows often ask for the same, as in balanced sampling.
        merged: dict[Any, _Lane] = {}
        for lane in self.lanes:
            lengths = tuple(map(len, lane.batches))
            order = torch.cat(lane.batches).numpy().tobytes()
            key = (id(lane.epochs.feed), lengths, order)
            first = merged.setdefault(key, replace(lane, members=[]))
            first.members.extend(lane.members)
        return list(merged.values())

    def _which(self, numbers: list[int]) -> Which:
        """Return what selects these members of a stack."""
        # A slice where it can be: it gives views, and nothing is gathered or written back.
        first = numbers[0]
        end = first + len(numbers)
        if numbers != list(range(first, end)):
            return torch.tensor(numbers).to(self.stack.device, non_blocking=True)
        whole = len(numbers) == len(self.stack)
        return slice(None) if whole else slice(first, end)

    def _batch(self, group: Sequence[_Lane], t: int) -> Batch:
        """Return batch ``t`` of a lane, or of several lanes stacked."""
        device = self.stack.device
        if len(group) == 1:
            epochs = group[0].epochs
            batch = epochs.feed.take(group[0].batches[t].to(device, non_blocking=True))
            return replace(batch, generator=epochs.attack, meta=epochs.ahead())
        # Feed by feed, one fetch for all its lanes. Those of a feed stand together, see `chunks`:
        # so the lanes keep their order.
        feeds = {id(lane.epochs.feed): lane.epochs.feed for lane in group}
        parts = []
        for key, feed in feeds.items():
            index = torch.stack([lane.batches[t] for lane in group if id(lane.epochs.feed) == key])
            taken = feed.take(index.flatten().to(device, non_blocking=True))
            by_lane = partial(torch.unflatten, dim=0, sizes=index.shape)
            parts.append(_by_field(by_lane, [taken]))
        return parts[0] if len(parts) == 1 else _by_field(lambda *values: torch.cat(values), parts)

    def _record(
        self, epoch: int, rates: list[float], names: list[str], means: np.ndarray, seconds: float
    ) -> None:
        """Write the epoch's row into the members' histories; note who has diverged in it."""
        phase = self.members[0].phases[self.phase].name
        good = np.isfinite(means).all(0) & (means[-1] > 0)
        for i, member in enumerate(self.members):
            if member.is_over:
                continue
            values = dict(zip(names, means[:-1, i].tolist(), strict=True))
            share = seconds / len(self.members)
            member.history.append(
                {"epoch": epoch, "phase": phase, "lr": rates[i], **values, "dur": share}
            )
            if not good[i]:
                wrong = [name for name, value in values.items() if not abs(value) < float("inf")]
                member.error = diverged(wrong, epoch, phase, member.engine.lr)


def _to_train(member: Member) -> None:
    """Put the networks of a member, by which those of its lane are run, into training mode."""
    module = member.engine.module_
    module.train()
    # What does not learn stays as in prediction, as in a fit of its own.
    for part in module.modules():
        if is_fixed(part):
            part.eval()


def _by_field(change: Callable[..., Tensor], batches: Sequence[Batch]) -> Batch:
    """Make one batch of several, field by field."""
    first = batches[0]
    made: dict[str, Any] = {}
    for field in fields(first):
        values = [getattr(batch, field.name) for batch in batches]
        if isinstance(values[0], Tensor):
            made[field.name] = change(*values)
    views = {role: change(*(batch.inputs[role] for batch in batches)) for role in first.inputs}
    return replace(first, inputs=views, **made)
