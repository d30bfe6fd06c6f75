"""What torch itself does on the simulated device: training, draws, pickles, threads."""

import copy
import pickle
import threading

import pytest
import torch
from simulated_cuda import SimulatedCuda
from torch import nn
from torch.func import functional_call, grad, vmap

from sklearn_debias import ERMClassifier

A = torch.arange(6.0).reshape(2, 3)


def there():
    return A.to("cuda")


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
