"""What `simulated_cuda` puts in the place of torch's own names, and what it knows of kernels."""

import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor
from torch._C import _functorch

MEMORY = 64 * 2**30
_Generator = torch.Generator
MARK = torch.ones(1, dtype=torch.uint8)


class SimulatedGenerator(_Generator):
    """A generator that says on which device it draws; it draws what the CPU's draws."""

    def __new__(cls, device: Any = "cpu") -> "SimulatedGenerator":
        made = super().__new__(cls, "cpu")
        there = torch.device(device).type == "cuda"
        made.place = torch.device("cuda:0") if there else torch.device("cpu")
        return made

    def __init__(self, device: Any = "cpu") -> None:
        pass

    @property
    def device(self) -> torch.device:
        return self.place

    # States of the CPU's generators and of the device's are of no use to each other.
    def get_state(self) -> Tensor:
        state = super().get_state()
        return torch.cat([state, MARK]) if self.place.type == "cuda" else state

    def set_state(self, state: Tensor) -> "SimulatedGenerator":
        if self.place.type == "cuda":
            if len(state) != len(super().get_state()) + 1:
                raise RuntimeError("RNG state is wrong size")
            state = state[:-1].clone()
        super().set_state(state)
        return self


@contextmanager
def lent(generator: SimulatedGenerator) -> Iterator[None]:
    """Let the CPU's global generator draw what the device's would."""
    outside = torch.default_generator.get_state()
    torch.default_generator.set_state(_Generator.get_state(generator))
    try:
        yield
    finally:
        _Generator.set_state(generator, torch.default_generator.get_state())
        torch.default_generator.set_state(outside)


class SimulatedAutocast(torch.autocast):
    """Autocast of the device by what the CPU has."""

    def __init__(self, device_type: str, *args: Any, **kwargs: Any) -> None:
        super().__init__("cpu" if device_type == "cuda" else device_type, *args, **kwargs)


def names_of_torch() -> dict[str, Any]:
    """Return what stands in for names of ``torch``."""
    enabled = torch.is_autocast_enabled
    return {
        "Generator": SimulatedGenerator,
        "autocast": SimulatedAutocast,
        "is_autocast_enabled": lambda kind="cpu": enabled("cpu" if kind == "cuda" else kind),
    }


def names_of_random(generator: SimulatedGenerator) -> dict[str, Any]:
    """Return what stands in for names of ``torch.cuda.random``, and of ``torch.cuda``."""
    return {
        "get_rng_state": lambda device="cuda": generator.get_state(),
        "manual_seed": generator.manual_seed,
        "manual_seed_all": generator.manual_seed,
        "set_rng_state": lambda state, device="cuda": generator.set_state(state),
    }


def names_of_cuda(generator: SimulatedGenerator, wait: Any) -> dict[str, Any]:
    """Return what stands in for names of ``torch.cuda``."""
    properties = SimpleNamespace(name="Simulated", total_memory=MEMORY, major=9, minor=0)
    return {
        "_lazy_init": lambda: None,
        "current_device": lambda: 0,
        "default_generators": (generator,),
        "device_count": lambda: 1,
        "empty_cache": lambda: None,
        "get_device_properties": lambda device=None: properties,
        "is_available": lambda: True,
        "is_bf16_supported": lambda *args, **kwargs: True,
        "is_current_stream_capturing": lambda: False,
        "is_initialized": lambda: True,
        "synchronize": lambda device=None: wait("synchronize"),
        **names_of_random(generator),
    }


def names_of_accelerator() -> dict[str, Any]:
    """Return what stands in for names of ``torch.accelerator``, which Adam asks for a graph."""
    stream = SimpleNamespace(is_capturing=lambda: False)
    return {
        "current_accelerator": lambda check_available=False: torch.device("cuda"),
        "current_stream": lambda device=None: stream,
        "is_available": lambda: True,
    }


@dataclass(frozen=True)
class Operation:
    """What is known of a kernel: its name, where it writes, whether it draws."""

    name: str
    written: tuple[int, ...]
    draws: bool


@cache
def operation(func: Any) -> Operation:
    """Return what is known of a kernel."""
    schema = func._schema
    written = [
        i
        for i, argument in enumerate(schema.arguments)
        if argument.alias_info is not None and argument.alias_info.is_write
    ]
    return Operation(schema.name, tuple(written), torch.Tag.nondeterministic_seeded in func.tags)


def tensors_in(values: Iterable[Any]) -> Iterator[Tensor]:
    """Yield the tensors among arguments, lists of which may be among them."""
    for value in values:
        if isinstance(value, Tensor):
            yield value
        elif isinstance(value, list | tuple):
            yield from tensors_in(value)


def innermost(tensor: Tensor) -> Tensor:
    """Return the tensor that holds the numbers, below the layers of ``torch.func``."""
    while _functorch.is_functorch_wrapped_tensor(tensor):
        tensor = _functorch.get_unwrapped(tensor)
    return tensor


def by_mask(args: Sequence[Any]) -> bool:
    """Return whether indices hold a mask whose hits the host must count."""
    masks = [t for t in args[1] if t is not None and t.dtype in (torch.bool, torch.uint8)]
    filled = len(args) > 2 and args[2].numel() == 1  # by masked_fill, without a count
    return bool(masks) and not filled


def wish(given: Any, args: Sequence[Any], kwargs: dict[str, Any]) -> dict[str, Any]:
    """Return what ``Tensor.to`` was asked for, by name."""
    named = dict(kwargs)
    rest = [given, *args]
    first = rest.pop(0)
    if isinstance(first, torch.dtype):
        named["dtype"] = first
    elif isinstance(first, Tensor):
        named["other"] = first
    elif first is not None:
        named["device"] = first
    if rest and not isinstance(first, torch.dtype | Tensor):
        named["dtype"] = rest.pop(0)
    return {**dict(zip(("non_blocking", "copy"), rest, strict=False)), **named}


def line_of_package() -> str:
    """Return the line of the package from which torch was called, for who looks for it."""
    frame: Any = sys._getframe(1)
    while frame is not None:
        name = frame.f_code.co_filename
        if "sklearn_debias/" in name:
            return f"{name.rpartition('sklearn_debias/')[2]}:{frame.f_lineno}"
        frame = frame.f_back
    return "no line of the package"
