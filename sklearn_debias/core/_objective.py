"""What a method is: phases of pure steps."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, ClassVar

import torch
from torch import Tensor

from sklearn_debias.core._linear_net import LinearNet
from sklearn_debias.core._net import Net

Nets = Mapping[str, Net]
State = Mapping[str, Tensor]
TOGETHER = 256  # batches whose rows are joined at a time


def static(default: Any) -> Any:
    """Declare a dataclass field that shapes the computation.

    One vmapped run cannot mix its values.
    """
    return field(default=default, metadata={"static": True})


@dataclass(frozen=True)
class Batch:
    """Some rows of the training data.

    Parameters
    ----------
    x : Tensor of shape (b, ...)
    y : Tensor of shape (b,), int64
        Class codes, 0 to k - 1.
    index : Tensor of shape (b,), int64
        Row numbers in the training data: the key of per-sample state.
    weight : Tensor of shape (b,), default=None
        Sample weights with mean 1 over the training data.
    group : Tensor of shape (b,), int64, default=None
        Codes of the (class, bias value) cells.
    generator : torch.Generator, default=None
        The stream of the random numbers a step draws.
    inputs : mapping of str to Tensor, default={}
        Inputs (b, ...) of the roles that see the rows otherwise than as ``x``.
    meta : Batch, default=None
        Rows of the meta set, for steps that look ahead.
    lr : float or scalar Tensor, default=0.0
        The model's learning rate at this step.
    carry : mapping of str to Tensor, default={}
        What the step before has left for this one, on the same batch.
    share : slice, default=None
        Rows of the batch that ``x`` and ``inputs`` hold where several processes share it; all else
        has all rows. None: this process holds them all.
    """

    x: Tensor
    y: Tensor
    index: Tensor
    weight: Tensor | None = None
    group: Tensor | None = None
    generator: torch.Generator | None = None
    inputs: Mapping[str, Tensor] = field(default_factory=dict)
    meta: "Batch | None" = None
    lr: float | Tensor = 0.0
    carry: Mapping[str, Tensor] = field(default_factory=dict)
    share: slice | None = None

    def at(self, lr: float | Tensor, carry: Mapping[str, Tensor]) -> "Batch":
        """Return the same batch at a learning rate, with what the step before has left."""
        # Once per step, and so past `replace`, which takes as long as a product of a small head.
        new = object.__new__(type(self))
        new.__dict__.update(self.__dict__, lr=lr, carry=carry)
        return new

    def of(self, role: str) -> Tensor:
        """Return the inputs of the net ``role``."""
        return self.inputs.get(role, self.x)

    def own(self, rows: Tensor) -> Tensor:
        """Return those of the batch's rows that ``x`` holds."""
        return rows if self.share is None else rows[self.share]

    def drawn(self, draw: Callable[[Tensor, torch.Generator | None], Tensor]) -> Tensor:
        """Return what ``draw(x, generator)`` gives for ``x``, drawn for all rows of the batch.

        So the numbers of a row do not depend on how many processes share the batch.
        """
        if self.share is None:
            return draw(self.x, self.generator)
        # Only its shape and layout count.
        whole = self.x[:1].repeat(len(self.y), *[1] * (self.x.ndim - 1))
        return self.own(draw(whole, self.generator))


@dataclass(frozen=True)
class Data:
    """The whole training set, as an objective sees it before its first step.

    Parameters
    ----------
    y : Tensor of shape (n,), int64
    n_classes : int
    batches : callable
        ``batches(role)`` yields that role's inputs in row order, not augmented.
    group : Tensor of shape (n,), int64, default=None
    n_groups : int, default=0
    weight : Tensor of shape (n,), default=None
        Sample weights with mean 1.
    before : mapping of str to Tensor, default={}
        The state that the phase before this one began with: what a fixed body has given once need
        not be computed again. Empty for the first phase.
    """

    y: Tensor
    n_classes: int
    batches: Callable[[str], Iterable[Tensor]]
    group: Tensor | None = None
    n_groups: int = 0
    weight: Tensor | None = None
    before: State = field(default_factory=dict)

    def logits(self, nets: Nets, role: str) -> Tensor:
        """Return the logits (n, k) of all rows by the net ``role``: eval mode, no gradient."""
        # Each process goes through all rows by itself.
        frozen = nets[role].frozen().alone()
        with torch.no_grad():
            return _joined(frozen(x) for x in self.batches(role))


def _joined(parts: Iterator[Tensor]) -> Tensor:
    """Return the rows of many small tensors as one.

    Some are joined at a time: small ones that stay keep the room of large ones, which come between
    them, from being used again.
    """
    some = iter(lambda: list(islice(parts, TOGETHER)), [])
    return torch.cat([torch.cat(few) for few in some])


@dataclass(frozen=True)
class Step:
    """What one step returns; the engine acts on it.

    Parameters
    ----------
    losses : mapping of str to Tensor
        One scalar per role to update. A role's loss reaches only that role's parameters, so that
        one backward of their sum serves all.
    state : mapping of str to Tensor, default={}
        The state for the next step.
    log : mapping of str to Tensor, default={}
        Scalars worth a column in the history.
    adversary_weight : Tensor of shape (b,), default=None
        Weight of each sample's adversarial twin in BiasAdv, before ``beta``; None means 1.
    carry : mapping of str to Tensor, default={}
        What the phase's next step needs of this one, on the same batch; detached.
    """

    losses: Mapping[str, Tensor]
    state: State = field(default_factory=dict)
    log: Mapping[str, Tensor] = field(default_factory=dict)
    adversary_weight: Tensor | None = None
    carry: Mapping[str, Tensor] = field(default_factory=dict)


@dataclass(frozen=True)
class ConvexLoss:
    """A loss of an epoch: the mean over all rows of ``weight * CE(logits + shift, y)``.

    It is convex in the logits, and so in the weights of a linear network.

    Parameters
    ----------
    weight : Tensor of shape (n,), default=None
        At least 0; None weighs all rows 1.
    shift : Tensor of shape (k,), default=None
        What is added to the logits of the classes; None adds nothing.
    """

    weight: Tensor | None = None
    shift: Tensor | None = None


class Objective:
    """One training step of a method, with its state.

    Subclasses are frozen dataclasses; their float fields may be tensors.

    ``step`` is pure: it returns losses and never acts. No optimiser, no device, no in-place write,
    no ``.item()``, no global random numbers. It runs on every ``every``-th batch of its phase.

    Attributes
    ----------
    roles : tuple of str
        The networks that the step uses.
    requires : frozenset of str
        What it needs beside batches, any of

        * "meta": a batch of the meta set with each batch
        * "attention_maps": the view of that name, `Batch.inputs`
        * "body": networks made of a body and a head
        * "linear_head": networks that end in a plain linear layer
        * "prototypes": networks that end in an ensemble of prototypes
        * "input": X itself, where the features of a frozen body would not do
        * "input_gradient": networks that are differentiable in X, which it needs itself
        * "pairs": at least two rows in every batch
        * "every_row": epochs that visit all rows, the last incomplete batch too
    every : int
    divides : bool
        Whether several processes may share each batch: the step looks at ``batch.x`` and
        ``batch.inputs`` through calls of nets only, row by row, or through `Batch.own`.
    """

    roles: ClassVar[tuple[str, ...]] = ("model",)
    requires: ClassVar[frozenset[str]] = frozenset()
    every = 1
    divides: bool = False

    @property
    def closed(self) -> bool:
        """Whether there is a `closed_step`, for networks that are linear layers on X."""
        return False

    @property
    def trained(self) -> tuple[str, ...]:
        """The roles that have a loss; all of them, unless a subclass says otherwise."""
        return self.roles

    def closed_step(self, nets: Mapping[str, LinearNet], batch: Batch, state: State) -> Step:
        """Return what ``step`` does; pull the gradients of the losses into the linear nets.

        ``nets`` holds all `roles`; those that are not `trained` are only asked. Nothing is
        differentiated: no tensor here has a graph.
        """
        raise NotImplementedError(f"{type(self).__name__} has no closed form.")

    def init(self, nets: Nets, data: Data) -> State:
        """Return the state before the first step; per-sample entries have n rows."""
        return {}

    def visits(self, data: Data, state: State, generator: torch.Generator) -> Tensor | None:
        """Return the row numbers that one epoch visits, repeats and all; None is each row once."""
        return None

    def convex(self, data: Data, state: State) -> ConvexLoss | None:
        """Return the expected loss of an epoch, where it is a cross entropy of the model's logits.

        None says that it is something else, and that only steps can minimise it. Whoever writes a
        ``step`` or ``visits`` of another loss writes this anew: one that is inherited from above
        them counts as None.
        """
        return None

    def step(self, nets: Nets, batch: Batch, state: State) -> Step:
        """Return the losses of one batch."""
        raise NotImplementedError(f"{type(self).__name__} must define step(nets, batch, state).")


def is_divided(objective: Objective) -> bool:
    """Return whether several processes may share each batch, as the objective's own class says.

    A class derived from it may look at a batch otherwise, and says so for itself.
    """
    return "divides" in vars(type(objective)) and bool(objective.divides)


@dataclass(frozen=True)
class Phase:
    """Epochs of ordered steps: each step has its own backward and update before the next one runs.

    Parameters
    ----------
    name : str
        Names the random streams of the phase, and its rows in the history.
    steps : tuple of Objective
    max_epochs : int
    continues : bool, default=False
        Keep the optimiser and the learning-rate schedule of the phase before, instead of fresh
        ones; not for the first phase.
    restarts : tuple of str, default=()
        Parts of networks that begin the phase as they were built, by role and name: "model.head".
    snapshots : tuple of str, default=()
        Roles whose networks begin the phase as copies of the model: what it was here stays at hand
        in later phases.
    """

    name: str
    steps: tuple[Objective, ...]
    max_epochs: int
    continues: bool = False
    restarts: tuple[str, ...] = ()
    snapshots: tuple[str, ...] = ()

    @property
    def roles(self) -> tuple[str, ...]:
        """Every role that the steps use, in order of appearance."""
        # A dict drops repeats and keeps the order; that of a set changes with the process.
        return tuple(dict.fromkeys(role for objective in self.steps for role in objective.roles))
