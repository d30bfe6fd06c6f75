"""The simulated device refuses what CUDA refuses, allows what CUDA allows, and counts waits."""

import copy
import pickle
import threading
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from simulated_cuda import SimulatedCuda
from torch import nn
from torch.func import functional_call, grad, vmap

from sklearn_debias import ERMClassifier
from sklearn_debias.core import Phase, Role, Step
from sklearn_debias.estimators import BaseDebiasClassifier
from sklearn_debias.losses import cross_entropy
from sklearn_debias.objectives import ERM
from sklearn_debias.testing._estimator_data import toy_rows

A = torch.arange(6.0).reshape(2, 3)


@pytest.fixture
def cuda():
    with SimulatedCuda() as device:
        yield device


def there():
    return A.to("cuda")


# What cannot be done with tensors of the device and of the CPU; `x` lies on the device.
REFUSED = {
    "add": lambda x: x + A,
    "add to the CPU": lambda x: A + x,
    "add in place": lambda x: x.add_(A),
    "into a number on the CPU": lambda x: torch.zeros(()).add_(x.sum()),
    "zeros without a device": lambda x: x * torch.zeros(3),
    "matmul": lambda x: x @ A.T,
    "where": lambda x: torch.where(x > 0, x, A),
    "cat": lambda x: torch.cat([x, A]),
    "stack of numbers": lambda x: torch.stack([x.sum(), A.sum()]),
    "index_select": lambda x: x.index_select(0, torch.tensor([0])),
    "index_copy": lambda x: x.index_copy(0, torch.tensor([0]), x[:1]),
    "a CPU tensor by indices of the device": lambda x: A[torch.tensor([0], device=x.device)],
    "weights of classes on the CPU": lambda x: torch.ones(6)[x.long()],
    "values of the CPU": lambda x: x.index_put_((torch.tensor([0]),), A[:1]),
    "a layer on the CPU": lambda x: nn.Linear(3, 2)(x),
    "rows on the CPU": lambda x: nn.Linear(3, 2).to(x.device)(A),
    "embedding": lambda x: nn.Embedding(3, 2).to(x.device)(torch.tensor([1])),
    "cross entropy": lambda x: nn.functional.cross_entropy(x, torch.tensor([0, 1])),
    "under vmap": lambda x: vmap(lambda row: row + torch.zeros(3))(x),
    "in a gradient": lambda x: grad(lambda x: (x * torch.ones(2, 3)).sum())(x),
    "by foreach": lambda x: torch._foreach_add([x], [A]),
    "a fused optimiser of two devices": lambda x: torch._fused_sgd_(
        *[[x], [A.clone()], []],
        **{"weight_decay": 0, "momentum": 0, "lr": 1.0, "dampening": 0},
        **{"nesterov": False, "maximize": False, "is_first_step": True},
    ),
    "a generator of the CPU": lambda x: torch.rand(3, generator=G(), device=x.device),
    "a generator of the device": lambda x: torch.rand(3, generator=G(x.device)),
    "randperm": lambda x: torch.randperm(3, generator=G(x.device)),
    "multinomial": lambda x: x.multinomial(1, generator=G()),
    "in place": lambda x: x.uniform_(generator=G()),
    "a state of the CPU": lambda x: G(x.device).set_state(torch.get_rng_state()),
}


def G(device="cpu"):
    return torch.Generator(device).manual_seed(0)


@pytest.mark.parametrize("name", REFUSED)
def test_refuses_to_mix(cuda, name):
    with pytest.raises(RuntimeError, match=r"device|RNG state"):
        REFUSED[name](there())


@pytest.mark.parametrize("name", REFUSED)
def test_nothing_else_of_it_is_wrong(name):
    """On one device all of it runs: else the test above would pass for another reason."""
    REFUSED[name](A.clone())


def test_has_one_device(cuda):
    with pytest.raises(RuntimeError, match="ordinal"):
        A.to("cuda:1")


@pytest.mark.parametrize("convert", [torch.Tensor.numpy, np.asarray])
def test_refuses_to_be_an_array(cuda, convert):
    convert(A)
    with pytest.raises(TypeError, match="cuda:0 device type tensor to numpy"):
        convert(there())
    convert(there().cpu())


ALLOWED = {
    "a number of the CPU": lambda: there() + torch.ones(()),
    "a Python number": lambda: 1 + there() / 2,
    "indices of the CPU": lambda: there()[torch.tensor([0, 1])],
    "a mask of the CPU": lambda: there()[A > 1],
    "a number into rows": lambda: there().index_put_((torch.tensor([0]),), torch.ones(())),
    "a copy": lambda: there().copy_(A),
    "like": lambda: torch.zeros_like(there()) + there().new_ones(3) + there().new_tensor([1.0]),
    "named": lambda: torch.zeros(3, device="cuda") + there(),
    "as another": lambda: A.to(there()),
    "cuda": lambda: A.cuda() + there(),
    "as_tensor": lambda: torch.as_tensor(there()),
    "a copy of a tensor": lambda: torch.tensor(1.0, device="cuda") + there(),
    "a module": lambda: nn.Conv1d(2, 2, 1).to("cuda")(there()[None]),
    "a deep copy": lambda: copy.deepcopy(nn.Linear(3, 2).to("cuda"))(there()),
    "draws": lambda: torch.rand(3, generator=torch.Generator("cuda"), device="cuda") + there(),
    "vmap": lambda: vmap(lambda row: row + torch.zeros(3, device=row.device))(there()),
    "an empty one": lambda: there()[:0] + there()[:0],
    "a gradient": lambda: grad(lambda x: (x**2).sum())(there()),
}


@pytest.mark.parametrize("name", ALLOWED)
def test_allows(cuda, name):
    out = ALLOWED[name]()
    assert out.device == torch.device("cuda:0")
    assert out.is_cuda
    assert not out.is_cpu
    assert out.get_device() == 0


def test_follows_defaults(cuda):
    with torch.device("cuda"):
        assert torch.zeros(3).is_cuda
    torch.set_default_device("cuda")
    try:
        assert torch.zeros(3).is_cuda
        with torch.device("cpu"):
            assert torch.zeros(3).is_cpu
    finally:
        torch.set_default_device(None)
    assert torch.zeros(3).is_cpu


def test_leaves_the_cpu_alone(cuda):
    here = there().cpu()
    here.copy_(there())
    for tensor in (A, A + 1, torch.zeros(3), here, here[:1], there().to("cpu", torch.float64)):
        assert tensor.device == torch.device("cpu")
        tensor.numpy()
    assert torch.zeros(3, device="meta").device.type == "meta"


def test_trains_as_the_cpu(cuda):
    """Forward, backward, three optimisers and a schedule, with numbers of the CPU's."""
    torch.manual_seed(0)
    layers = nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.ReLU(), nn.Flatten(), nn.Linear(8, 2)
    module = nn.Sequential(*layers)
    x = torch.rand(5, 1, 4, 4)
    modules = {device: copy.deepcopy(module).to(device) for device in ("cpu", "cuda")}
    for device, own in modules.items():
        for make in (torch.optim.SGD, torch.optim.Adam, torch.optim.AdamW):
            for fused in (False, True):
                optimizer = make(own.parameters(), lr=0.1, fused=fused)
                own(x.to(device)).square().mean().backward()
                optimizer.step()
        assert all(p.grad.device.type == device for p in own.parameters())
        assert all(t.device.type == device for t in own.state_dict().values())
    for here, on_device in zip(*(m.parameters() for m in modules.values()), strict=True):
        torch.testing.assert_close(on_device.cpu(), here)


WAITS = {
    "item": lambda: there().sum().item(),
    "float": lambda: float(there().sum()),
    "bool": lambda: bool(there().sum() > 0),
    "if": lambda: 1 if there().any() else 0,
    "tolist": lambda: there().tolist(),
    "cpu": lambda: there().cpu(),
    "to": lambda: there().to("cpu"),
    "into the CPU's": lambda: torch.zeros(2, 3).copy_(there()),
    "nonzero": lambda: there().nonzero(),
    "mask": lambda: there()[there() > 0],
    "set by mask": lambda: there().index_put_((there() > 9,), there().flatten()[:0]),
    "unique": lambda: there().unique(),
    "bincount": lambda: there().long().flatten().bincount(),
    "repeats": lambda: there()[0].repeat_interleave(there()[0].long()),
    "equal": lambda: torch.equal(there(), there()),
    "synchronize": lambda: torch.cuda.synchronize(),
    "upload": lambda: A.to("cuda"),
    "new": lambda: torch.tensor([1.0], device="cuda"),
    "like": lambda: there().new_tensor([1.0]),
}


@pytest.mark.parametrize("name", WAITS)
def test_counts_waits(cuda, name, monkeypatch):
    monkeypatch.setitem(globals(), "there", lambda: A.to("cuda", non_blocking=True))
    WAITS[name]()
    assert len(cuda.waits) == 1, cuda.waits


def test_counts_nothing_else(cuda):
    x = A.to("cuda", non_blocking=True)
    out = torch.where(x > 1, x, 0.0).sum() + x.argmax() + torch.zeros(3, device="cuda").mean()
    x[x > 2] = 0.0  # by masked_fill
    x.requires_grad_()
    (x.log_softmax(-1).mean() * out).backward()
    x.grad.to("cuda").contiguous().view(3, 2).t().index_select(0, torch.arange(2, device="cuda"))
    assert cuda.waits == []


def test_draws_from_a_stream_of_its_own(cuda):
    """Dropout on the device moves the device's generator, and leaves the CPU's alone."""
    states = torch.get_rng_state(), torch.cuda.get_rng_state()
    nn.Dropout()(there())
    assert torch.equal(states[0], torch.get_rng_state())
    assert not torch.equal(states[1], torch.cuda.get_rng_state())
    nn.Dropout()(A)
    assert not torch.equal(states[0], torch.get_rng_state())


def test_autocast_reaches_the_device(cuda):
    layer = nn.Linear(3, 2).to("cuda")
    with torch.autocast("cuda", torch.bfloat16):
        assert torch.is_autocast_enabled("cuda")
        assert layer(there()).dtype == torch.bfloat16
    assert not torch.is_autocast_enabled("cuda")


def test_pickles_name_the_device(cuda):
    stored = pickle.dumps(there())
    assert pickle.loads(stored).is_cuda
    cuda.__exit__()
    try:
        with pytest.raises(RuntimeError, match=r"torch.cuda.is_available\(\) is False"):
            pickle.loads(stored)
    finally:
        cuda.__enter__()


def test_knows_what_it_holds(cuda):
    before = cuda.n_tensors()
    kept = there()
    view = kept[0]
    assert cuda.n_tensors() == before + 1
    del kept
    assert cuda.n_tensors() == before + 1
    del view
    assert cuda.n_tensors() == before


def test_fails_when_it_is_told_to(cuda):
    x = there()
    with cuda.failing(torch.OutOfMemoryError("CUDA out of memory."), after=1):
        x + 1
        with pytest.raises(torch.OutOfMemoryError):
            x + 1
        x + 1
    with cuda.failing(RuntimeError("CUDA error"), after=0, times=float("inf")):
        for _ in range(2):
            with pytest.raises(RuntimeError, match="CUDA error"):
                x + 1
    x + 1


def test_leaves_torch_as_it_was():
    names = "Generator", "autocast", "is_autocast_enabled"
    before = [getattr(torch, name) for name in names], dict(vars(torch.cuda))
    with SimulatedCuda():
        assert torch.cuda.is_available()
    assert before == ([getattr(torch, name) for name in names], dict(vars(torch.cuda)))
    assert (torch.zeros(3) + 1).device.type == "cpu"


# What the simulation is for: methods with the faults of which it must tell.


@dataclass(frozen=True)
class Homeless(ERM):
    """Makes a tensor and says not where."""

    def step(self, nets, batch, state):
        loss = cross_entropy(nets["model"](batch.x), batch.y) * torch.ones(len(batch.y))
        return Step({"model": loss.mean()}, state)


@dataclass(frozen=True)
class Asking(ERM):
    """Looks at a number in every step."""

    def step(self, nets, batch, state):
        loss = cross_entropy(nets["model"](batch.x), batch.y)
        return Step({"model": loss.mean() / max(1.0, loss.mean().item())}, state)


@dataclass(frozen=True)
class Drawing(ERM):
    """Draws by a generator of the CPU."""

    def step(self, nets, batch, state):
        generator = torch.Generator().manual_seed(0)
        noise = torch.rand(batch.x.shape, generator=generator, device=batch.x.device)
        return Step({"model": cross_entropy(nets["model"](batch.x + noise), batch.y).mean()}, state)


def toy(objective):
    @dataclass(kw_only=True, eq=False)
    class Toy(BaseDebiasClassifier):
        def _phases(self):
            return (Phase("train", (objective,), self.max_epochs),)

        def _roles(self):
            return {"model": Role()}

    return Toy(device="cuda", max_epochs=1, batch_size=20, random_state=0)


@pytest.mark.parametrize("objective", [Homeless(), Drawing()], ids=["Homeless", "Drawing"])
def test_a_method_that_forgets_the_device_fails(cuda, objective):
    X, y, _ = toy_rows()
    with pytest.raises(Exception, match=r"device"):
        toy(objective).fit(X, y)


def test_a_method_that_looks_at_its_numbers_is_counted(cuda):
    X, y, _ = toy_rows()
    found = {}
    for objective in (ERM(), Asking()):
        begun = len(cuda.waits)
        toy(objective).fit(X, y)
        found[type(objective)] = len(cuda.waits) - begun
    assert found[Asking] == found[ERM] + 3  # once in each of three batches


def test_torchs_own_tensors_lie_where_they_are_met(cuda):
    """Zeros that autograd makes for itself, and layers that torch.func adds."""
    x = there().requires_grad_()
    (used,) = torch.autograd.grad(x[0].sum(), x)
    assert used.is_cuda
    layer = nn.Linear(3, 2).to("cuda")
    parameters = {name: p.detach() for name, p in layer.named_parameters()}

    def loss(parameters, row):
        return functional_call(layer, parameters, (row,)).square().sum()

    each = vmap(grad(loss), (None, 0))(parameters, there())
    assert each["weight"].is_cuda
    assert each["weight"].shape == (2, 2, 3)


def test_is_of_the_thread_that_entered(cuda):
    found = []
    thread = threading.Thread(target=lambda: found.append(torch.zeros(3).device.type))
    thread.start()
    thread.join()
    assert found == ["cpu"]
    assert ERMClassifier(device="cuda").device == "cuda"
