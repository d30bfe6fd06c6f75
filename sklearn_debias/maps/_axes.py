"""What the axes of an activation are: followed from the image on, operation by operation.

A shape does not tell. (n, 7, 7, 7) may have its channels second or last, and (n, 12, 197, 64) are
attention heads. So each axis is known by what it is made of, in the order of memory:

====  ============================================================================
kind  one index along it is
====  ============================================================================
n     a row of the batch
c     a channel, of the image or of what a layer made
h, w  a row or a column of pixels or patches
y, x  a row or a column inside of a patch or a window: a feature of it
t     a token of a sequence, of which some are no positions, such as a class token
?     not known
====  ============================================================================

What an operation makes that is not known here is not known either.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

aten = torch.ops.aten
# They hand on the numbers in their order, under another shape.
RESHAPES = {aten.view, aten._unsafe_view, aten._reshape_alias, aten.squeeze, aten.unsqueeze}
# The place of the two factors among the arguments.
PRODUCTS = {aten.mm: 0, aten.bmm: 0, aten.addmm: 1, aten.baddbmm: 1}
# Their results may hold positions in another order, under the same shape.
SHUFFLES = {aten.as_strided, aten.gather, aten.index, aten.index_select, aten.sort, aten.topk}
INNER = {"h": "y", "w": "x"}
PLACES = ("h", "w", "hw", "t")
WHOLE = {"h": "h", "w": "w", "hw": "hw", "t": "t", "n": "n"}


class Part(NamedTuple):
    """A factor of an axis.

    Parameters
    ----------
    kind : str
        As in the table above.
    size : int
    skip : int, default=0
        Of tokens: how many come before the positions.
    grid : (height, width), default=(0, 0)
        Of tokens: of the positions among them.
    """

    kind: str
    size: int
    skip: int = 0
    grid: tuple[int, int] = (0, 0)


Axis = tuple[Part, ...]
Axes = tuple[Axis, ...]


def kind_of(axis: Axis) -> str:
    """Return the kind of a whole axis; "hw" is a sequence of positions, row by row."""
    kinds = "".join(part.kind for part in axis)
    # What is inside of a patch are features of the patch.
    return "c" if re.fullmatch("[cyx]+", kinds) else WHOLE.get(kinds, "?")


def size_of(axis: Axis) -> int:
    """Return the length of an axis."""
    size = 1
    for part in axis:
        size *= part.size
    return size


class Follow(TorchDispatchMode):
    """Know the axes of everything that is computed from an image ``x`` (n, c, h, w)."""

    def __init__(self, x: Tensor) -> None:
        super().__init__()
        self.n = len(x)
        # With each tensor itself, whose id would else be given to another.
        self._known: dict[int, tuple[Tensor, Axes]] = {}
        if x.ndim == 4:
            self._note(x, _named("nchw", x.shape))

    def axes(self, tensor: Tensor) -> Axes:
        """Return the axes of a tensor; () where they are not known."""
        return self._known[id(tensor)][1] if id(tensor) in self._known else ()

    def _note(self, tensor: Tensor, axes: Axes) -> None:
        self._known[id(tensor)] = (tensor, axes)

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None
    ) -> Any:
        """Run an operation, and note the axes of its result."""
        out = func(*args, **(kwargs or {}))
        operation = func.overloadpacket
        given = [self.axes(tensor) for tensor in _tensors(args)]
        # What a convolution makes is known even of what is not: of features shaped as an image.
        if operation is aten.convolution and not given[0] and len(out) == self.n:
            given[0] = _named("n" + "?" * (out.ndim - 1), args[0].shape)
        if any(given):
            for made in _tensors((out,)):
                self._note(made, _after(operation, args, given, tuple(made.shape)))
        return out


def _after(operation: Any, args: tuple, given: list[Axes], shape: tuple[int, ...]) -> Axes:
    """Return the axes of a result of this ``shape``, from those of its tensors, as ``given``."""
    first = given[0]
    if operation in SHUFFLES:
        return ()
    if operation in RESHAPES:
        return _reshaped(first, shape)
    if operation is aten.permute:
        return tuple(first[axis] for axis in args[1])
    if operation in (aten.transpose, aten.t):
        one, other = args[1:3] if len(args) > 1 else (0, -1)
        order = list(range(len(first)))
        order[one], order[other] = order[other], order[one]
        return tuple(first[axis] for axis in order)
    if operation in (aten.select, aten.unbind):
        gone = (args[1] if len(args) > 1 else 0) % len(first)
        return first[:gone] + first[gone + 1 :]
    if operation in PRODUCTS:
        left = PRODUCTS[operation]
        return _product(given[left], given[left + 1], shape)
    if operation is aten.convolution:
        return _convolved(first, shape)
    if operation is aten.cat:
        return _joined(given, (args[1] if len(args) > 1 else 0) % len(shape), args[0], shape)
    if operation is aten.slice:
        return _cut(first, shape, *args[1:3]) if len(args) > 2 else first
    return _alike(given, shape)


def _alike(given: Sequence[Axes], shape: tuple[int, ...]) -> Axes:
    """Return the axes of the tensor that the result is most like: it kept them, or resized them."""
    alike = [axes for axes in given if len(axes) == len(shape)]
    if not alike:
        return ()

    def likeness(axes: Axes) -> tuple[int, int]:
        kept = sum(size_of(axis) == size for axis, size in zip(axes, shape, strict=True))
        return kept, sum(kind_of(axis) in PLACES for axis in axes)

    best: Axes = max(alike, key=likeness)
    return tuple(map(_resized, best, shape))


def _resized(axis: Axis, size: int) -> Axis:
    """Return an axis at another length: a plain one has become coarser, or finer."""
    if size_of(axis) == size:
        return axis
    kind = kind_of(axis)
    return (Part(kind if kind in ("c", "h", "w") else "?", size),)


def _reshaped(axes: Axes, shape: tuple[int, ...]) -> Axes:
    """Share out the parts of all axes, in the order of memory, over the axes of a shape."""
    if shape == tuple(map(size_of, axes)):
        return axes
    waiting = [part for axis in reversed(axes) for part in reversed(axis) if part.size != 1]
    found = []
    for size in shape:
        parts: list[Part] = []
        while size > 1:
            part = waiting.pop()
            if part.size > size and part.size % size == 0 and part.kind != "t":
                waiting.append(Part(INNER.get(part.kind, part.kind), part.size // size))
                part = Part(part.kind, size)
            if size % part.size:
                return ()
            size //= part.size
            parts = _merged(parts, part)
        found.append(tuple(parts) or (Part("?", 1),))
    return tuple(found)


def _merged(parts: list[Part], part: Part) -> list[Part]:
    """Append a part, as one with the last where it is its inner one, or of the same kind."""
    last = parts[-1] if parts else None
    if last is None or part.kind == "t" or part.kind not in (last.kind, INNER.get(last.kind)):
        return [*parts, part]
    return [*parts[:-1], Part(last.kind, last.size * part.size)]


def _product(left: Axes, right: Axes, shape: tuple[int, ...]) -> Axes:
    """Return the axes of a product of matrices; a matrix of weights makes channels."""
    made = _named("c" * len(shape), shape)
    rows = left or (right[:1] + made[1:] if len(shape) == 3 else made)
    return (*rows[:-1], *(right or made)[-1:])


def _convolved(axes: Axes, shape: tuple[int, ...]) -> Axes:
    """Return the axes of a convolution: it makes channels, and what it slides over are places."""
    sides = "hw" if len(shape) == 4 else "?" * (len(shape) - 2)
    places = [
        _resized(axis, size) if kind_of(axis) in PLACES else (Part(side, size),)
        for axis, size, side in zip(axes[2:], shape[2:], sides, strict=True)
    ]
    return (axes[0], (Part("c", shape[1]),), *places)


def _joined(given: list[Axes], along: int, parts: list[Tensor], shape: tuple[int, ...]) -> Axes:
    """Return the axes of a concatenation: tokens beside positions make a sequence of tokens."""
    kinds = [kind_of(axes[along]) if axes else "?" for axes in given]
    axes = _alike(given, shape)
    placed = [i for i, kind in enumerate(kinds) if kind in ("hw", "t")]
    if not axes or not placed:
        return axes
    joined: Axis = (Part("?", shape[along]),)
    if len(placed) == 1:
        axis = given[placed[0]][along]
        before = sum(part.shape[along] for part in parts[: placed[0]])
        joined = (_sequence(axis, before, shape[along]),)
        axes = given[placed[0]]
    return (*axes[:along], joined, *axes[along + 1 :])


def _cut(axes: Axes, shape: tuple[int, ...], along: int, start: int | None) -> Axes:
    """Return the axes of a slice: of a sequence, whether it still has all positions."""
    along %= len(axes)
    axis = axes[along]
    if kind_of(axis) not in ("hw", "t") or size_of(axis) == shape[along]:
        return _alike([axes], shape)
    start = start or 0
    before = start + size_of(axis) if start < 0 else start
    tokens = _sequence(axis, -before, shape[along])
    end = tokens.skip + tokens.grid[0] * tokens.grid[1]
    whole = tokens.skip >= 0 and end <= tokens.size
    return (*axes[:along], (tokens if whole else Part("?", tokens.size),), *axes[along + 1 :])


def _sequence(axis: Axis, before: int, size: int) -> Part:
    """Return a sequence of ``size`` tokens, which has ``before`` more in front than ``axis``."""
    if axis[0].kind == "t":
        return Part("t", size, axis[0].skip + before, axis[0].grid)
    return Part("t", size, before, (axis[0].size, axis[1].size))


def _named(kinds: str, shape: Sequence[int]) -> Axes:
    """Return axes of one part each, of these kinds."""
    return tuple((Part(kind, size),) for kind, size in zip(kinds, shape, strict=True))


def _tensors(args: tuple) -> Iterator[Tensor]:
    """Yield the tensors among arguments, and in lists of them, in order."""
    for arg in args:
        if isinstance(arg, Tensor):
            yield arg
        elif isinstance(arg, list | tuple):
            yield from _tensors(tuple(arg))
