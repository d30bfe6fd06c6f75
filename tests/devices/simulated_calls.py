"""What calls of Python do on the device that `simulated_cuda` simulates."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch
from simulated_torch import innermost, wish
from torch import Tensor
from torch._C._nn import _parse_to

if TYPE_CHECKING:
    from simulated_cuda import SimulatedCuda

CPU, CUDA = "cpu", "cuda"


def move(device: "SimulatedCuda", tensor: Tensor, target: str, **wishes: Any) -> Tensor:
    """Return the tensor on another device, or as another dtype, as ``Tensor.to`` would."""
    place = device.place(tensor)
    non_blocking = wishes.pop("non_blocking", False)
    wishes = {name: value for name, value in wishes.items() if value is not None}
    if target == "meta":
        return tensor.to("meta", **wishes)
    if place in (target, "meta"):
        return tensor.to(**wishes) if wishes else tensor
    if not non_blocking:
        device.wait(f"copy to the {'CPU' if target == CPU else 'device'}")
    return device.put(tensor.to(**{**wishes, "copy": True}), target)


def _to(there: "SimulatedCuda", tensor: Tensor, *args: Any, **kwargs: Any) -> Tensor:
    named = wish(args[0] if args else None, args[1:], kwargs)
    other = named.pop("other", None)
    if other is not None:
        named = {"dtype": other.dtype, **named}
        target = there.place(other)
    elif named.get("device") is None:
        target = there.place(tensor)
    else:
        target = target_of(named["device"])
    named.pop("device", None)
    return move(there, tensor, target, **named)


def _cpu(there: "SimulatedCuda", tensor: Tensor, **kwargs: Any) -> Tensor:
    return move(there, tensor, CPU, **kwargs)


def _cuda(
    there: "SimulatedCuda", tensor: Tensor, index: Any = None, non_blocking: bool = False, **_: Any
) -> Tensor:
    return move(there, tensor, CUDA, non_blocking=non_blocking)


def _to_host(func: Callable) -> Callable:
    def call(there: "SimulatedCuda", tensor: Tensor, *args: Any, **kwargs: Any) -> Any:
        if there.place(tensor) == CUDA:
            raise TypeError(
                "can't convert cuda:0 device type tensor to numpy. Use Tensor.cpu() to copy the "
                "tensor to host memory first."
            )
        return func(tensor, *args, **kwargs)

    return call


def _tolist(there: "SimulatedCuda", tensor: Tensor) -> Any:
    if there.place(tensor) == CUDA:
        there.wait("tolist")
    return tensor.tolist()


def _new_tensor(there: "SimulatedCuda", tensor: Tensor, data: Any, **kwargs: Any) -> Tensor:
    given = kwargs.pop("device", None) or (CUDA if there.place(tensor) == CUDA else CPU)
    return there.make(torch.tensor, (data,), {"dtype": tensor.dtype, **kwargs, "device": given})


def _deepcopy(there: "SimulatedCuda", tensor: Tensor, memo: Any) -> Tensor:
    return there.put(tensor.__deepcopy__(memo), there.place(tensor))


def _where(there: "SimulatedCuda", tensor: Tensor) -> torch.device:
    on_device = there.place(tensor) == CUDA
    return torch.device("cuda:0") if on_device else innermost(tensor).device


def target_of(device: Any) -> str:
    if device is None:
        return CPU
    found = torch.device("cuda", device) if isinstance(device, int) else torch.device(device)
    if found.type == "cuda" and found.index not in (None, 0):
        raise RuntimeError("CUDA error: invalid device ordinal")
    return found.type


# What stands in for methods and attributes of tensors.
SPECIAL: dict[Any, Callable] = {
    Tensor.device.__get__: _where,
    Tensor.is_cuda.__get__: lambda there, tensor: there.place(tensor) == CUDA,
    Tensor.is_cpu.__get__: lambda there, tensor: _where(there, tensor).type == CPU,
    Tensor.get_device: lambda there, tensor: 0 if there.place(tensor) == CUDA else -1,
    Tensor.to: _to,
    Tensor.cpu: _cpu,
    Tensor.cuda: _cuda,
    Tensor.numpy: _to_host(Tensor.numpy),
    Tensor.__array__: _to_host(Tensor.__array__),
    Tensor.tolist: _tolist,
    Tensor.new_tensor: _new_tensor,
    Tensor.pin_memory: lambda there, tensor, *args: tensor,
    Tensor.is_pinned: lambda there, tensor, *args: False,
    Tensor.__deepcopy__: _deepcopy,
    # Reads the arguments of ``Module.to``, and makes no tensor.
    _parse_to: lambda there, *args, **kwargs: _parse_to(*args, **kwargs),
}
