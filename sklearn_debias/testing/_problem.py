"""A small training problem that any objective can be checked on."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor, nn

from sklearn_debias.core import Batch, Data, Net, Objective, SplitModule, Step
from sklearn_debias.models import PrototypeEnsemble
from sklearn_debias.training import ArraySource, Feed, Prepare, Roles, Streams

N_SAMPLES = 40
N_FEATURES = 6
N_CLASSES = 3
BATCH_SIZE = 8
N_META = 18
N_HEADS = 3
LR = 0.05
HELPERS = {
    "perturber": 15,
    "weigher": 1,
}  # inputs of the networks that do not look at the rows, one output

ModuleFactory = Callable[[str], nn.Module]


def toy_module(role: str) -> nn.Module:
    """Return a smooth float64 network from 6 features to 3 logits; the role fixes its start.

    The roles "perturber" and "weigher" have networks from 15 inputs, or from one, to a single
    output.
    """
    if role in HELPERS:
        module: nn.Module = nn.Sequential(
            nn.Linear(HELPERS[role], 5), nn.Tanh(), nn.Linear(5, 1)
        ).double()
    else:
        module = SplitModule(
            nn.Sequential(nn.Linear(N_FEATURES, 5), nn.Tanh()), nn.Linear(5, N_CLASSES)
        ).double()
    generator = Streams(0).generator("toy module", role)
    for parameter in module.parameters():
        nn.init.normal_(parameter, std=0.5, generator=generator)
    return module


def linear_module(role: str) -> nn.Module:
    """Return a float64 layer from 6 features to 3 logits; the role fixes its start."""
    module = SplitModule(nn.Identity(), nn.Linear(N_FEATURES, N_CLASSES)).double()
    generator = Streams(0).generator("linear module", role)
    for parameter in module.parameters():
        nn.init.normal_(parameter, std=0.5, generator=generator)
    return module


def with_batch_norm(module: ModuleFactory) -> ModuleFactory:
    """Return a factory whose modules begin with BatchNorm, where they are made of body and head."""

    def build(role: str) -> nn.Module:
        built = module(role)
        if not isinstance(built, SplitModule):
            return built
        norm = nn.BatchNorm1d(N_FEATURES, dtype=torch.float64)
        return SplitModule(nn.Sequential(norm, built.body), built.head)

    return build


def with_prototypes(module: nn.Module) -> nn.Module:
    """Return a network of body and head with prototypes for a head; they are spread out."""
    ensemble = PrototypeEnsemble(5, N_CLASSES, n_heads=N_HEADS).double()
    generator = Streams(0).generator("toy prototypes")
    for parameter in ensemble.parameters():
        nn.init.normal_(parameter, std=0.5, generator=generator)
    return SplitModule(module.get_submodule("body"), ensemble)


def steeper(module: ModuleFactory, factor: float) -> ModuleFactory:
    """Return a factory of modules whose last parameters are ``factor`` times larger."""

    def build(role: str) -> nn.Module:
        built = module(role)
        with torch.no_grad():
            for parameter in (built.head if isinstance(built, SplitModule) else built).parameters():
                parameter.mul_(factor)
        return built

    return build


@dataclass
class Problem:
    """An objective, fresh modules for its roles, and rows to train on.

    The rows have two bias values, uneven weights and a meta set.

    Parameters
    ----------
    objective : Objective
    module : callable, default=toy_module
        ``module(role)`` returns a fresh float64 module for inputs (b, 6) and 3 classes.
    dtype : torch.dtype, default=torch.float64
    """

    objective: Objective
    module: ModuleFactory = toy_module
    dtype: torch.dtype = torch.float64
    modules: Roles = field(init=False)

    def __post_init__(self) -> None:
        modules = {role: self.module(role) for role in self.objective.roles}
        if "prototypes" in self.objective.requires:
            modules["model"] = with_prototypes(modules["model"])
        self.modules = Roles(modules).to(self.dtype)
        self.nets = {role: Net(module) for role, module in self.modules.items()}
        generator = Streams(0).generator("toy rows")
        x = torch.randn(N_SAMPLES, N_FEATURES, generator=generator, dtype=torch.float64)
        y = torch.arange(N_SAMPLES) % N_CLASSES
        bias = torch.randint(2, (N_SAMPLES,), generator=generator)
        weight = torch.rand(N_SAMPLES, generator=generator, dtype=torch.float64) + 0.5
        columns = {"y": y, "group": 2 * y + bias, "weight": (weight / weight.mean()).to(self.dtype)}
        prepare = Prepare(torch.device("cpu"), self.dtype)
        ahead = torch.randn(N_META, N_FEATURES, generator=generator, dtype=torch.float64)
        meta = Feed(
            ArraySource(ahead.numpy()), {"y": torch.arange(N_META) % N_CLASSES}, prepare, BATCH_SIZE
        )
        maps = torch.rand(N_SAMPLES, N_FEATURES, generator=generator, dtype=torch.float64)
        others = (
            {"attention_maps": ArraySource(maps.numpy())}
            if "attention_maps" in self.objective.requires
            else {}
        )
        self.feed = Feed(
            ArraySource(x.numpy()), columns, prepare, BATCH_SIZE, others=others, meta=meta
        )

    @property
    def data(self) -> Data:
        """The rows as objectives see them."""
        return self.feed.data(N_CLASSES, 2 * N_CLASSES)

    def state(self) -> Mapping[str, Tensor]:
        """State before the first step."""
        return self.objective.init(self.nets, self.data)

    def epochs(self, state: Mapping[str, Tensor]) -> Iterable[Batch]:
        """Batches of one epoch, the same at every call."""
        streams = Streams(0)
        draw = streams.generator("rows")
        visited = self.objective.visits(self.data, state, draw)
        if visited is None:
            visited = torch.arange(N_SAMPLES)
        order = self.feed.order(lambda: visited, streams.generator("order"))
        meta = None
        if "meta" in self.objective.requires:
            meta = streams.generator("meta"), streams.generator("meta augmentation")
        return self.feed.batches(
            order, streams.generator("augmentation"), streams.generator("attack"), meta
        )

    def batches(self, state: Mapping[str, Tensor]) -> Iterable[Batch]:
        """Return the batches of `epochs`, which know the learning rate."""
        return (replace(batch, lr=LR) for batch in self.epochs(state))

    def batch(self) -> Batch:
        """First batch, its generator at the start."""
        return next(iter(self.batches(self.state())))

    def step(
        self,
        nets: Mapping[str, Net] | None = None,
        state: Mapping[str, Tensor] | None = None,
        **settings: object,
    ) -> Step:
        """One step on the first batch, with fields of the objective replaced by ``settings``."""
        objective = replace(self.objective, **settings)  # type: ignore[type-var]
        return objective.step(
            nets or self.nets, self.batch(), self.state() if state is None else state
        )

    def parameters(self) -> dict[str, dict[str, Tensor]]:
        """Parameters by role and name, detached copies."""
        return {
            role: {name: p.detach().clone() for name, p in module.named_parameters()}
            for role, module in self.modules.items()
        }
