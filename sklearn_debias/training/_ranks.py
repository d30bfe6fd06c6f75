"""The processes that share each batch of one fit.

Every process has the same rows, seeds and state, and so the same order of batches. Of each batch it
prepares and forwards its own rows; the logits of all are gathered, so that the losses, and all that
an objective keeps, are those of the whole batch, in every process alike. Gradients of parameters
are added up before the update. See ``docs/design/several_processes.md``.
"""

from collections.abc import Callable, Mapping
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

from sklearn_debias.content import fingerprint
from sklearn_debias.training._connection import ABSENT, patience, portable, told


class Ranks:
    """The processes of a fit, as one of them sees them.

    Parameters
    ----------
    number : int
        How many they are, at least 2.
    rank : int
        Which of them this is, from 0.

    Raises
    ------
    ValueError
        If torch's processes are not connected, or are others.
    ProcessLostError
        If another one does not come before the timeout.
    """

    def __init__(self, number: int, rank: int) -> None:
        connected = dist.is_available() and dist.is_initialized()
        found = (dist.get_world_size(), dist.get_rank()) if connected else None
        if found != (number, rank):
            raise ValueError(
                f"`accelerator` is process {rank} of {number}, and torch.distributed "
                f"{f'process {found[1]} of {found[0]}' if found else 'is not connected'}. Make the "
                "Accelerator first, in a script that `accelerate launch` or `torchrun` starts."
            )
        self.number = number
        self.rank = rank
        # Of this fit alone: it can be closed when the fit fails, which the others notice at once.
        with told(ABSENT):
            self.group: Any = dist.new_group(timeout=patience())
        self.counts: list[int] = []
        self.begin = 0

    def __deepcopy__(self, memo: dict[int, Any]) -> "Ranks":
        return self

    @property
    def is_first(self) -> bool:
        """Whether this process speaks and writes for all."""
        return self.rank == 0

    def close(self) -> None:
        """Leave the others; who waits for this process gets an error."""
        group = self.group
        self.group = None
        if group is not None:
            dist.destroy_process_group(group)

    # A batch.

    def divide(self, n_rows: int) -> slice:
        """Begin a batch of ``n_rows`` rows, and return those that this process holds.

        Where there are fewer rows than processes, some hold a row that does not count.
        """
        each, more = divmod(n_rows, self.number)
        self.counts = [each + (rank < more) for rank in range(self.number)]
        self.begin = sum(self.counts[: self.rank])
        return self.held()

    def held(self) -> slice:
        """Return which rows of the batch this process holds."""
        own = self.counts[self.rank]
        return slice(self.begin, self.begin + own) if own else slice(0, 1)

    def joint(self, rows: Tensor) -> Tensor:
        """Return the rows of all processes in the order of the batch, differentiably."""
        held = self.held()
        if len(rows) != held.stop - held.start:
            raise ValueError(
                f"A network gave {len(rows)} rows for the {held.stop - held.start} rows of a batch "
                "that this process holds: one row for each is needed on several processes."
            )
        return Joint.apply(rows, self)

    def gathered(self, rows: Tensor) -> Tensor:
        """Return the rows of all processes, without a gradient."""
        largest = max(self.counts)
        sent = rows.new_zeros((largest, *rows.shape[1:]))
        own = self.counts[self.rank]
        sent[:own] = rows[:own]
        received = [torch.empty_like(sent) for _ in self.counts]
        with told():
            dist.all_gather(received, sent, group=self.group)
        return torch.cat([part[:count] for part, count in zip(received, self.counts, strict=True)])

    def total(self, own: Tensor) -> Tensor:
        """Return the sum over the processes, differentiably."""
        return Total.apply(own, self)

    def summed(self, own: Tensor) -> Tensor:
        """Return the sum over the processes, without a gradient."""
        total = own.detach().clone().contiguous()
        with told():
            dist.all_reduce(total, group=self.group)
        return total

    def add_up(self, parameters: list[nn.Parameter]) -> None:
        """Put the sum of their gradients over the processes in the place of each gradient."""
        by_type: dict[torch.dtype, list[Tensor]] = {}
        for parameter in parameters:
            if parameter.grad is not None:
                by_type.setdefault(parameter.grad.dtype, []).append(parameter.grad)
        for gradients in by_type.values():
            # One message for all: each costs a way to the others and back.
            flat = self.summed(torch.cat([gradient.flatten() for gradient in gradients]))
            parts = flat.split([gradient.numel() for gradient in gradients])
            for gradient, part in zip(gradients, parts, strict=True):
                gradient.copy_(part.view_as(gradient))

    # Between batches.

    def exchange(self, value: Any) -> list[Any]:
        """Return what each process has, in their order; anything that pickles."""
        values: list[Any] = [None] * self.number
        with told():
            dist.all_gather_object(values, value, group=self.group)
        return values

    def from_first(self, make: Callable[[], Any]) -> Any:
        """Return what ``make()`` returns in the first process, where alone it is called.

        An error of it is raised in all of them.
        """
        made: Any = None
        own: Exception | None = None
        if self.is_first:
            try:
                made = make()
            except Exception as error:
                own = error
        made, sent = self.exchange((made, own and portable(own)))[0]
        if sent is not None:
            raise own or sent  # the first has the traceback
        return made

    def agree(self, facts: Mapping[str, str]) -> None:
        """Raise where the processes do not have the same facts.

        Raises
        ------
        ValueError
            In each process, with the names of what differs.
        """
        every = self.exchange(dict(facts))
        for rank, other in enumerate(every):
            names = dict.fromkeys([*every[0], *other])
            if different := [n for n in names if other.get(n) != every[0].get(n)]:
                raise ValueError(
                    f"The processes of one fit must be given the same, and process {rank} has "
                    f"another {', another '.join(different)} than process 0. Run the same script "
                    "with the same arguments and files in each."
                )

    def end_epoch(self, modules: nn.Module, *, stopped: bool) -> bool:
        """Return whether any process asks to stop; raise where the networks have come apart."""
        every = self.exchange((content_of(modules), stopped))
        if len({content for content, _ in every}) > 1:
            raise ValueError(
                "The networks of the processes of this fit have come apart: a module, a callback "
                "or an optimiser does otherwise in each. On several processes they must not draw "
                "numbers of their own, or keep statistics of the rows that they see."
            )
        return any(asked for _, asked in every)


def content_of(modules: nn.Module) -> str:
    """Return a name of all parameters and buffers by their content."""
    return fingerprint([(name, value) for name, value in modules.state_dict().items()])


class Joint(torch.autograd.Function):
    """All rows from each process's own; backwards each takes its own of the gradient.

    What follows is computed alike in each process, and so is its gradient.
    """

    @staticmethod
    def forward(rows: Tensor, ranks: Ranks) -> Tensor:
        """Gather."""
        return ranks.gathered(rows)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple, output: Tensor) -> None:
        """Note what the backward pass needs."""
        ctx.ranks = inputs[1]

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        """Take the own rows."""
        return Own.apply(gradient, ctx.ranks), None


class Own(torch.autograd.Function):
    """A process's own rows of all; the transpose of `Joint`."""

    @staticmethod
    def forward(rows: Tensor, ranks: Ranks) -> Tensor:
        """Take the own rows; zeros for one that does not count."""
        held = rows[ranks.held()].clone()
        return held if ranks.counts[ranks.rank] else torch.zeros_like(held)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple, output: Tensor) -> None:
        """Note what the backward pass needs."""
        ctx.ranks = inputs[1]

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        """Gather."""
        return Joint.apply(gradient, ctx.ranks), None


class Total(torch.autograd.Function):
    """The sum over the processes.

    Each uses it for its own rows, and so has a part of its gradient: these are added up, too.
    """

    @staticmethod
    def forward(own: Tensor, ranks: Ranks) -> Tensor:
        """Add up."""
        return ranks.summed(own)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple, output: Tensor) -> None:
        """Note what the backward pass needs."""
        ctx.ranks = inputs[1]

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        """Add up the parts of the gradient."""
        return Total.apply(gradient, ctx.ranks), None
