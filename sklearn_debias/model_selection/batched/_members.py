"""The fits of a sweep, and which of them are trained as one stack."""

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from sklearn_debias.core import Data, Net, Phase, State
from sklearn_debias.model_selection.batched._structure import settings_of
from sklearn_debias.training import Engine, Epochs, Feed, Noise

FEW = 8  # members of a lane below which several lanes go into one stack on the CPU
WORKING_SET = (
    2**26
)  # bytes that one step of a stack may write on the CPU: more would leave its caches


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
    states : dict
        Last state of each phase, afterwards.
    history : list of dict
        A row for each epoch, afterwards.
    error : Exception
        Why the fit failed, afterwards.
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
    states: dict[str, State] = field(default_factory=dict)
    history: list[dict[str, Any]] = field(default_factory=list)
    error: Exception | None = None

    def begin(self, phase: Phase) -> dict[str, Tensor]:
        """Return the state before the first step of a phase."""
        return self.start(phase, self.nets(phase))

    def leave(self) -> None:
        """Give the modules storage of their own: in a stack they are rows of a shared one."""
        for parameter in self.engine.module_.parameters():
            parameter.data = parameter.detach().clone()


@dataclass(frozen=True)
class Cost:
    """What one member needs: bytes that stay, bytes that a step writes, and whether its steps draw numbers.

    Rows of a meta set are drawn, too: lanes that draw are never merged.
    """

    lasting: int
    written: int
    draws: bool


def cost_of_all(members: Iterable[Member]) -> Cost:
    """The most that a member needs: one is measured of those with the same terms switched off, by a 0 or a 1."""
    alike: dict[Hashable, Member] = {}
    for member in members:
        steps = [settings_of(step) for phase in member.phases for step in phase.steps]
        alike.setdefault(
            tuple(v if v in (0, 1) else None for step in steps for v in step.values()), member
        )
    costs = [cost_of(member) for member in alike.values()]
    return Cost(
        max(c.lasting for c in costs), max(c.written for c in costs), any(c.draws for c in costs)
    )


def cost_of(member: Member) -> Cost:
    """Measure one step of each phase."""
    parameters = [p for p in member.engine.module_.parameters() if p.requires_grad]
    size = sum(p.numel() * p.element_size() for p in parameters)
    lasting = 5 * size
    written = 0
    draws = False  # parameters, gradients, up to three slots
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
        with Noise(0, device), _Written() as counter:
            quiet = {role: replace(net, noise=None) for role, net in nets.items()}
            for objective in phase.steps:
                step = objective.step(quiet, batch, state)
                state = step.state
                batch = replace(batch, carry=step.carry)
                if step.losses:
                    loss = sum(step.losses.values())
                    torch.autograd.grad(loss, parameters, allow_unused=True)  # type: ignore[arg-type]
        fresh = torch.Generator(device).manual_seed(0)
        draws |= not torch.equal(generator.get_state(), fresh.get_state())
        held = sum(t.numel() * t.element_size() for t in state.values())
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
        alone = cost.draws or (on_cpu and len(lane) >= FEW)
        bundles[name if alone else ("rows", len(lane[0].feed), len(lane))].append(lane)
    limit = max(1, budget // max(1, cost.lasting + cost.written))
    if on_cpu:
        limit = min(limit, max(FEW, WORKING_SET // max(1, cost.written)))
    for together in bundles.values():
        together.sort(key=lambda lane: id(lane[0].feed))
        whole = max(1, limit // len(together[0]))  # lanes that fit at once
        for start in range(0, len(together), whole):
            some = [member for lane in together[start : start + whole] for member in lane]
            parts = -(-len(some) // limit)
            for i in range(parts):
                yield some[i * len(some) // parts : (i + 1) * len(some) // parts]


class _Written(TorchDispatchMode):
    """Counts the bytes of all tensors that operations make."""

    bytes = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        if not func.is_view:
            tensors = out if isinstance(out, (tuple, list)) else (out,)
            self.bytes += sum(
                t.numel() * t.element_size() for t in tensors if isinstance(t, Tensor)
            )
        return out
