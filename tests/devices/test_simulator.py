"""The simulated device refuses what CUDA refuses, allows what CUDA allows, and counts waits."""

import copy

import numpy as np
import pytest
import torch
from torch import nn
from torch.func import grad, vmap

A = torch.arange(6.0).reshape(2, 3)


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
