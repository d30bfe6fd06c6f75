"""The fits of a sweep, what they cost, and which of them are trained as one stack."""

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from sklearn_debias.core import Data, Net, Phase, State
from sklearn_debias.fitting import Monitor
from sklearn_debias.model_selection.batched._structure import settings_of
from sklearn_debias.training import Engine, Epochs, Feed, Noise, check_step

# Members of a lane below which several lanes go into one stack on the CPU.
FEW = 8
# Bytes that one step of a stack may write on the CPU: more would leave its caches.
WORKING_SET = 2**26


@dataclass
class Member:
    """One fit of a sweep.

    Parameters
    ----------
    phases : tuple of Phase
    engine : Engine
        Initialised; it holds the modules of all roles, which are trained in place.
    feed : Feed
        Shared by the members that train on the same rows.
    data : Data
    nets : callable
        ``nets(phase)`` gives the net of each role, with its noise where it draws.
    start : callable
        ``start(phase, nets)`` gives the state before the first step of a phase.
    epochs : callable
        ``epochs(phase, state)`` gives the batches of a phase.
    inspect : callable
        ``inspect(phase, state)`` looks at the state a phase begins with.
    lane : hashable
        Equal for members that see the same rows in the same order, unless their states ask for
        rows.
    schedule : callable
        ``schedule(phase)`` gives what makes a phase's learning-rate schedule, or None.
    monitor : Monitor or None
        What scores the epochs of the last phase.
    states : dict
        Last state of each phase, afterwards.
    history : list of dict
        A row for each epoch, afterwards.
    error : Exception
        Why the fit failed, afterwards.
    stopped : bool
        Whether its monitor has waited for long enough, afterwards.
    """

    phases: tuple[Phase, ...]
    engine: Engine
    feed: Feed
    data: Data
    nets: Callable[[Phase], Mapping[str, Net]]
    start: Callable[[Phase, Mapping[str, Net]], dict[str, Tensor]]
    epochs: Callable[[Phase, State], Epochs]
    inspect: Callable[[Phase, State], None]
    lane: Hashable
    schedule: Callable[[Phase], Callable | None]
    monitor: Monitor | None = None
    states: dict[str, State] = field(default_factory=dict)
    history: list[dict[str, Any]] = field(default_factory=list)
    error: Exception | None = None
    stopped: bool = False

    @property
    def is_over(self) -> bool:
        """Whether nothing that is trained from here on counts."""
        return self.stopped or self.error is not None

    def begin(self, phase: Phase) -> dict[str, Tensor]:
        """Return the state before the first step of a phase."""
        return self.start(phase, self.nets(phase))

    def look(self) -> None:
        """Score the epoch of the last phase that has just been recorded, if it is one of these."""
        assert self.monitor is not None
        # As in a fit of its own, whose history is the engine's.
        history = self.engine.history
        history.new_epoch()
        for name, value in self.history[-1].items():
            history.record(name, value)
        try:
            self.stopped = self.monitor.end(self.engine)
        except Exception as error:
            self.error = error
        row = history[-1]
        self.history[-1] = {name: row[name] for name in row if name != "batches"}

    def leave(self) -> None:
        """Give the modules storage of their own: in a stack they are rows of a shared one."""
        for parameter in self.engine.module_.parameters():
            parameter.data = parameter.detach().clone()


@dataclass(frozen=True)
class Cost:
    """What one member needs.

    Parameters
    ----------
    lasting : int
        Bytes that stay.
    written : int
        Bytes that a step writes.
    draws : bool
        Whether its steps draw random numbers. Rows of a meta set are drawn, too. Lanes that draw
        are never merged.
    """

    lasting: int
    written: int
    draws: bool


def cost_of_all(members: Iterable[Member]) -> Cost:
    """Return the most that any member needs."""
    # An objective may skip what a 0 or a 1 switches off, and costs less then: one member is
    # measured of those that have these numbers in the same places.
    alike: dict[Hashable, Member] = {}
    for member in members:
        steps = [settings_of(step) for phase in member.phases for step in phase.steps]
        values = [value for step in steps for value in step.values()]
        alike.setdefault(tuple(v if v in (0, 1) else None for v in values), member)
    costs = [cost_of(member) for member in alike.values()]
    return Cost(
        lasting=max(cost.lasting for cost in costs),
        written=max(cost.written for cost in costs),
        draws=any(cost.draws for cost in costs),
    )


def cost_of(member: Member) -> Cost:
    """Measure one step of each phase; move no parameter, and draw from no stream of the fit."""
    parameters = [p for p in member.engine.module_.parameters() if p.requires_grad]
    size = _bytes_of(parameters)
    # Parameters, gradients, up to three slots of the optimiser (Adam's two, and that of AMSGrad).
    lasting = 5 * size
    written = 0
    draws = False
    for phase in member.phases:
        state: Mapping[str, Tensor] = member.begin(phase)
        nets = member.nets(phase)
        draws |= any(net.noise is not None for net in nets.values())
        device = member.feed.prepare.device
        generator = torch.Generator(device).manual_seed(0)
        first = torch.arange(min(member.feed.batch_size, len(member.feed)), device=device)
        meta = None
        if member.feed.meta is not None:
            meta = next(member.feed.meta.endless(torch.Generator().manual_seed(0), generator))
            draws = True
        batch = replace(member.feed.take(first), generator=generator, meta=meta)
        # Dropout draws from a stream of this pass alone: the caller's generators come back.
        with Noise(0, device), _Written() as counter:
            quiet = {role: replace(net, noise=None) for role, net in nets.items()}
            for objective in phase.steps:
                step = objective.step(quiet, batch, state)
                check_step(objective, step, quiet)
                state = step.state
                batch = replace(batch, carry=step.carry)
                if step.losses:
                    # For what the backward writes; the gradients themselves serve nothing.
                    loss = sum(step.losses.values())
                    torch.autograd.grad(loss, parameters, allow_unused=True)  # type: ignore[arg-type]
        # An objective says nothing of its draws: a generator that has moved does.
        fresh = torch.Generator(device).manual_seed(0)
        draws |= not torch.equal(generator.get_state(), fresh.get_state())
        held = _bytes_of(state.values())
        # A step makes the next state while the last one is still there.
        lasting = max(lasting, 5 * size + 2 * held)
        written = max(written, counter.bytes)
    return Cost(lasting, written, draws)


def chunks(members: Iterable[Member], cost: Cost, budget: int) -> Iterator[list[Member]]:
    """Divide the members of one structure into stacks that fit into ``budget`` bytes.

    A stack holds one lane, whose members share each batch. Small lanes of equally many rows go
    together, where no step draws random numbers; on CUDA all do.
    """
    lanes: dict[Hashable, list[Member]] = defaultdict(list)
    for member in members:
        lanes[member.lane].append(member)
    bundles: dict[Hashable, list[list[Member]]] = defaultdict(list)
    on_cpu = True
    for name, lane in lanes.items():
        on_cpu = lane[0].feed.prepare.device.type == "cpu"
        # Members of one stack draw the same numbers, so lanes with streams of their own stay apart.
        # On a CPU a wide lane gains nothing by company: its one matrix product would become batched
        # ones on gathered copies of the rows.
        alone = cost.draws or (on_cpu and len(lane) >= FEW)
        bundle = name if alone else ("rows", len(lane[0].feed), len(lane))
        bundles[bundle].append(lane)
    limit = max(1, budget // max(1, cost.lasting + cost.written))
    if on_cpu:
        limit = min(limit, max(FEW, WORKING_SET // max(1, cost.written)))
    for together in bundles.values():
        # Lanes of one feed stand together: a run makes their batches feed by feed, in this order.
        together.sort(key=lambda lane: id(lane[0].feed))
        at_once = max(1, limit // len(together[0]))
        for start in range(0, len(together), at_once):
            some = [member for lane in together[start : start + at_once] for member in lane]
            # As few parts as fit, of nearly one size: the largest sets the peak of memory.
            parts = -(-len(some) // limit)
            for i in range(parts):
                yield some[i * len(some) // parts : (i + 1) * len(some) // parts]


def _bytes_of(tensors: Iterable[Tensor]) -> int:
    """Return the bytes that the entries of these tensors take."""
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors)


class _Written(TorchDispatchMode):
    """Count the bytes of all tensors that operations make."""

    bytes = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        if not func.is_view:
            made = out if isinstance(out, (tuple, list)) else (out,)
            self.bytes += _bytes_of(tensor for tensor in made if isinstance(tensor, Tensor))
        return out
