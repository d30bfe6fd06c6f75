"""A CUDA device that is not there, so that a tensor in the wrong place fails on any machine.

A library that has only run on a CPU is full of tensors that nobody put anywhere: they are made on
the CPU, and meet the rows on a GPU for the first time at a user's. Here they meet before.

**How.** The simulated device holds ordinary CPU tensors. That a tensor lies on the device is a note
beside its storage, so views, gradients, pickles and layers of ``torch.func`` have it without
asking. Two of torch's modes do the rest:

* `_Calls` sees what Python calls. It says "cuda:0" where a tensor is asked for its device, makes
  and moves tensors where the caller wants them, and refuses what only host memory can.
* `_Kernels` sees what the kernels get, in the backward pass, too. It refuses to mix devices, notes
  where results lie, and counts the times at which the host would wait for the device.

What torch makes for itself inside of a call of its own, as zeros for a gradient, lies where it
meets others: torch itself is not on trial.

**What it cannot show.** Numbers: the CPU's kernels run, so results equal the CPU's. Speed, memory,
streams and races. Kernels that CUDA lacks, or has for other layouts and dtypes only. The rounding
and the list of layers of CUDA's autocast (the CPU's bfloat16 stands in). Other threads than the one
that entered. `tests/cuda` is for these.

It needs no CUDA build of torch, and no driver.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from typing import Any
from unittest.mock import patch

import torch
from simulated_calls import CPU, CUDA, SPECIAL, move, target_of
from simulated_torch import (
    SimulatedGenerator,
    by_mask,
    innermost,
    lent,
    line_of_package,
    names_of_accelerator,
    names_of_cuda,
    names_of_random,
    names_of_torch,
    operation,
    tensors_in,
)
from torch import Tensor
from torch.multiprocessing.reductions import StorageWeakRef
from torch.overrides import TorchFunctionMode
from torch.utils._device import _device_constructors
from torch.utils._python_dispatch import TorchDispatchMode

EITHER = "either"
INDEX = {"aten::index", "aten::index_put", "aten::index_put_", "aten::_index_put_impl_"}
# Between two devices, or of no data.
CROSSING = {"aten::copy_", "aten::_to_copy", "aten::_foreach_copy_", "aten::set_"}
CROSSING.add("aten::_has_compatible_shallow_copy_type")
# A single number on the CPU may meet what lies on the device, but not in these.
STRICT = ("aten::cat", "aten::stack", "aten::_fused_")
# The size or the value of what they return is known to the device only.
WAITS = {
    *("aten::_local_scalar_dense", "aten::nonzero", "aten::masked_select", "aten::equal"),
    *("aten::_unique", "aten::_unique2", "aten::unique_dim", "aten::unique_consecutive"),
    *("aten::unique_dim_consecutive", "aten::bincount", "aten::histc", "aten::repeat_interleave"),
    *("aten::_linalg_check_errors", "aten::linalg_eig", "aten::_linalg_eigh"),
}
_CONSTRUCTORS = frozenset(_device_constructors())
_FROM_DATA = (torch.tensor, torch.as_tensor, torch.asarray, Tensor.new_tensor)
_present: "SimulatedCuda | None" = None


class SimulatedCuda:
    """Stands in for ``cuda:0`` while it is entered, in the thread that entered it.

    Attributes
    ----------
    waits : list of (str, str)
        Each time that the host waited: what for, and the line of the package that asked. As
        torch's ``set_sync_debug_mode`` has it, copies to the device count unless they are
        ``non_blocking``.
    """

    def __init__(self) -> None:
        self.waits: list[tuple[str, str]] = []
        self.generator = SimulatedGenerator("cuda")
        self._places: dict[int, tuple[StorageWeakRef, str]] = {}
        self._purge_at = 1000
        self._making: str | None = None  # where the constructor that runs puts its tensor
        self._failing: Callable[[str], None] | None = None

    def __enter__(self) -> "SimulatedCuda":
        global _present
        self._stack = ExitStack()
        cuda = names_of_cuda(self.generator, self.wait)
        self._stack.enter_context(patch.multiple(torch.cuda, create=True, **cuda))
        random = names_of_random(self.generator)
        self._stack.enter_context(patch.multiple(torch.cuda.random, **random))
        self._stack.enter_context(patch.multiple(torch.accelerator, **names_of_accelerator()))
        self._stack.enter_context(patch.multiple(torch, **names_of_torch()))
        self._stack.enter_context(_Calls(self))
        self._stack.enter_context(_Kernels(self))
        _present = self
        return self

    def __exit__(self, *exc: object) -> None:
        global _present
        _present = None
        self._stack.close()

    def place(self, tensor: Tensor) -> str:
        """Return where a tensor lies: "cpu", "cuda", "either", or "meta"."""
        tensor = innermost(tensor)
        if tensor.layout is not torch.strided or tensor.is_meta:
            return "meta"
        found = self._places.get(tensor.untyped_storage()._cdata)
        return CPU if found is None else found[1]

    def put(self, tensor: Tensor, place: str) -> Tensor:
        """Note where a tensor's storage lies."""
        storage = innermost(tensor).untyped_storage()
        # The weak reference keeps the address from being given to another storage.
        self._places[storage._cdata] = StorageWeakRef(storage), place
        if place == CPU:
            del self._places[storage._cdata]
        if len(self._places) > self._purge_at:
            self._purge()
            self._purge_at = 1000 + 2 * len(self._places)
        return tensor

    def n_tensors(self) -> int:
        """Return how many storages the device holds at present."""
        self._purge()
        return sum(place == CUDA for _, place in self._places.values())

    def _purge(self) -> None:
        self._places = {k: (r, p) for k, (r, p) in self._places.items() if not r.expired()}

    def wait(self, what: str) -> None:
        """Note that the host waits."""
        self.waits.append((what, line_of_package()))

    @contextmanager
    def failing(self, error: BaseException, *, after: int, times: float = 1) -> Iterator[None]:
        """Let ``times`` operations on the device raise ``error``, ``after`` of them went well."""
        left = [after, times]

        def fail(name: str) -> None:
            left[0] -= 1
            if left[0] < 0 < left[1]:
                left[1] -= 1
                raise error

        self._failing = fail
        try:
            yield
        finally:
            self._failing = None

    def run(self, func: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        """Run a kernel as the device, or the CPU, would."""
        tensors = list(tensors_in((*args, *kwargs.values())))
        places = [self.place(tensor) for tensor in tensors]
        making = None if tensors else self._making
        there = CUDA in places or making == CUDA
        if there:
            self._check(operation(func).name, operation(func).written, args, tensors, places)
        draws = operation(func).draws and there and kwargs.get("generator") is None
        with lent(self.generator) if draws else nullcontext():
            out = func(*args, **kwargs)
        if operation(func).name == "aten::set_":
            return out  # it has now a storage that was there before
        if there:
            self._note(CUDA, [out, *_at(args, operation(func).written)], tensors, places)
        elif making is None and CPU not in places:
            self._note(EITHER, [out], tensors, places)
        return out

    def _note(self, place: str, results: Any, tensors: list[Tensor], places: list[str]) -> None:
        """Note where the results of a kernel lie, but for those that lay somewhere before."""
        pairs = zip(tensors, places, strict=True)
        before = {_key(tensor) for tensor, where in pairs if where in (CPU, CUDA)}
        for tensor in tensors_in(results):
            if self.place(tensor) != "meta" and _key(tensor) not in before:
                self.put(tensor, place)

    def _check(
        self,
        name: str,
        written: Sequence[int],
        args: Sequence[Any],
        tensors: list[Tensor],
        places: list[str],
    ) -> None:
        """Raise where devices are mixed; note where the host waits."""
        if self._failing is not None:
            self._failing(name)
        if name in WAITS or (name in INDEX and by_mask(args)):
            self.wait(name)
        if name == "aten::copy_" and places[0] == CPU and not (len(args) > 2 and args[2]):
            self.wait("copy to the CPU")
        if name in CROSSING or CPU not in places:
            return
        if name in INDEX:
            if places[0] == CPU:
                raise RuntimeError(
                    "indices should be either on cpu or on the same device as the indexed tensor "
                    f"(cpu), in {name}"
                )
            # The indices may lie on the CPU, the values may not.
            tensors, places = tensors[-1:], places[-1:] if len(args) > 2 else [CUDA]
        strict = name.startswith(STRICT)
        changed = {id(value) for value in _at(args, written)}
        for tensor, place in zip(tensors, places, strict=True):
            if place == CPU and (tensor.ndim or strict or id(tensor) in changed):
                raise RuntimeError(
                    "Expected all tensors to be on the same device, but found at least two "
                    f"devices, cuda:0 and cpu! (in {name}, shape {tuple(tensor.shape)})"
                )

    def call(self, func: Any, args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
        """Run what Python calls."""
        if func in SPECIAL:
            return SPECIAL[func](self, *args, **kwargs)
        if func in _CONSTRUCTORS or kwargs.get("device") is not None:
            out = self.make(func, args, kwargs)
        else:
            out = func(*args, **kwargs)
        generator = kwargs.get("generator")
        if generator is not None and isinstance(out, Tensor):
            place = self.place(out)
            if place in (CPU, CUDA) and generator.device.type != place:
                raise RuntimeError(
                    f"Expected a '{place}' device type for generator but found "
                    f"'{generator.device.type}'"
                )
        return out

    def make(self, func: Any, args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
        """Run a constructor, where its caller wants the tensor."""
        given = kwargs.get("device")
        data = args[0] if args and func in _FROM_DATA else kwargs.get("data")
        if given is None and isinstance(data, Tensor):
            target = self.place(data)
        else:
            target = target_of(torch.utils._device.CURRENT_DEVICE if given is None else given)
        if target == "meta":
            return func(*args, **kwargs)
        if isinstance(data, Tensor) and func in (torch.as_tensor, torch.asarray):
            return move(self, data, target, dtype=kwargs.get("dtype"), copy=kwargs.get("copy"))
        before = self._making
        self._making = target
        try:
            out = func(*args, **{**kwargs, "device": CPU})
        finally:
            self._making = before
        if func in _FROM_DATA and target == CUDA:
            self.wait("copy to the device")
        return self.put(out, target) if self.place(out) != target else out


class _Calls(TorchFunctionMode):
    def __init__(self, device: SimulatedCuda) -> None:
        self.device = device

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return self.device.call(func, args, kwargs or {})


class _Kernels(TorchDispatchMode):
    def __init__(self, device: SimulatedCuda) -> None:
        super().__init__()
        self.device = device

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return self.device.run(func, args, kwargs or {})


def _at(args: Sequence[Any], places: Sequence[int]) -> list[Any]:
    return [args[i] for i in places if i < len(args)]


def _key(tensor: Tensor) -> int:
    return innermost(tensor).untyped_storage()._cdata


def _tag(storage: Any) -> str | None:
    if _present is None:
        return None
    found = _present._places.get(storage._cdata)
    return "cuda:0" if found is not None and found[1] == CUDA else None


def _untag(storage: Any, location: str) -> Any:
    if _present is None or not location.startswith("cuda"):
        return None  # torch's own will say that there is no such device
    _present._places[storage._cdata] = StorageWeakRef(storage), CUDA
    return storage


# Before torch's own, which stand at 10 and more: pickles name the device that they come from.
torch.serialization.register_package(5, _tag, _untag)
