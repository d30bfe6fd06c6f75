"""A module bound to its live parameters or to given ones."""

import copy
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Protocol

import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call, vjp
from torch.nn.attention import SDPBackend, sdpa_kernel

from sklearn_debias.core._plain import is_plain_linear
from sklearn_debias.core._split import layer_of, unsplit

PLAIN = (bool, int, float, str, type(None))
# Their layers write in place, and bind nothing anew.
IN_PLACE = ("torch.", "torchvision.", "sklearn_debias.")


class Across(Protocol):
    """The processes that share a batch, each of which holds some of its rows."""

    def joint(self, rows: Tensor) -> Tensor:
        """Return the rows of all processes in the order of the batch, differentiably."""


@dataclass(frozen=True)
class Net:
    """``head(body(x))`` of a module, with live parameters or with the ones given.

    The same objective then serves live training, a virtual (meta) step, an attack on frozen nets,
    and a vmapped sweep.

    Parameters
    ----------
    module : nn.Module
        With ``.body`` and ``.head`` for methods that need the features; any module for the others.
    params : mapping of str to Tensor, default=None
        Parameters by name; None means the live ones of ``module``.
    noise : context manager, default=None
        Entered around every forward pass: the random stream of dropout and its like, or what lets
        BatchNorm see the rows of all processes.
    statistics : bool, default=False
        Whether a forward pass with given parameters moves the module's buffers, as one with live
        parameters does.
    eager : bool, default=False
        Whether to run what `torch.compile` has wrapped as it is. With given parameters it always
        is: the compiler cannot follow a module through transforms such as `torch.func.grad`.
    across : Across, default=None
        Processes that share each batch: a call on the rows of this one returns the logits of all.

    Examples
    --------
    >>> import torch
    >>> from sklearn_debias.core import Net, SplitModule
    >>> net = Net(SplitModule(torch.nn.Identity(), torch.nn.Linear(2, 3)))
    >>> net(torch.ones(4, 2)).requires_grad, net.frozen()(torch.ones(4, 2)).requires_grad
    (True, False)
    """

    module: nn.Module
    params: Mapping[str, Tensor] | None = None
    noise: AbstractContextManager | None = None
    statistics: bool = False
    eager: bool = False
    across: Across | None = None

    def __call__(self, x: Tensor) -> Tensor:
        """Return the logits (b, k) of ``x``."""
        return self.joint(self._run("", self.module, x))

    def joint(self, rows: Tensor) -> Tensor:
        """Return what all processes have of the rows of a batch; on one process ``rows``."""
        return rows if self.across is None else self.across.joint(rows)

    def alone(self) -> "Net":
        """Return the same net for rows that no other process shares."""
        return self if self.across is None else replace(self, across=None)

    def body(self, x: Tensor) -> Tensor:
        """Return the features of ``x``: (b, d), or (b, c, h, w)."""
        return self._run("body.", self._part("body"), x)

    def head(self, z: Tensor) -> Tensor:
        """Return the logits (b, k) of the features ``z``."""
        return self._run("head.", self._part("head"), z)

    def pullback(
        self, x: Tensor, part: str = "", zero: tuple[str, Tensor] | None = None
    ) -> tuple[Tensor, Callable]:
        """Return the logits of ``x``, and the function that turns cotangents into gradients.

        One forward pass serves both. The gradients are differentiable in the parameters and in the
        cotangents.

        Parameters
        ----------
        x : Tensor of shape (b, ...)
            Inputs of the module, or of its ``part``.
        part : {"", "body", "head"}, default=""
        zero : (layer name, Tensor of zeros like the layer's output), default=None
            Differentiate with respect to this layer's output instead of ``x``.

        Returns
        -------
        logits : Tensor of shape (b, k)
        pull : callable
            ``pull(cotangent)`` has the shape of ``x``, or of the layer's output.
        """
        owner, prefix = (self._part(part), f"{part}.") if part else (self.module, "")
        prefix, owner = _uncompiled(prefix, owner)
        given = _under(prefix, self.parameters)

        def forward(moving: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
            # BatchNorm in train mode writes its statistics: copies of them go in, and come out.
            buffers = {name: b.clone() for name, b in owner.named_buffers()}
            values = {**given, **buffers}
            if zero is None:
                return functional_call(owner, values, (moving,)), buffers
            # Zeros added to an output have the gradient of that output. The hook's last argument
            # is the output.
            add = layer_of(owner, zero[0]).register_forward_hook(lambda *event: event[-1] + moving)
            try:
                return functional_call(owner, values, (x,)), buffers
            finally:
                add.remove()

        # Only the reference kernel of attention has a second derivative.
        with self.noise or nullcontext(), sdpa_kernel(SDPBackend.MATH):
            at = x if zero is None else zero[1]
            logits, pull, buffers = vjp(forward, at, has_aux=True)  # type: ignore[misc]
        # Only live nets keep what the pass did to the statistics, as in `_run`.
        if self.params is None and owner.training:
            for name, buffer in owner.named_buffers():
                buffer.copy_(buffers[name].detach())
        return logits, lambda cotangent: pull(cotangent)[0]

    def with_layer(self, x: Tensor, layer: str) -> tuple[Tensor, Tensor]:
        """Return the logits (b, k) of ``x``, and the output of a layer on the way.

        ``layer`` is a name of ``named_modules``.
        """
        seen: list[Tensor] = []
        watch = layer_of(self.module, layer).register_forward_hook(
            lambda *event: seen.append(event[-1])
        )
        try:
            return self(x), seen[-1]
        finally:
            watch.remove()

    @property
    def parameters(self) -> Mapping[str, Tensor]:
        """The parameters by name, live or given."""
        return dict(self.module.named_parameters()) if self.params is None else self.params

    @property
    def trainable(self) -> Mapping[str, Tensor]:
        """The `parameters` that learn, by name."""
        learning = {name for name, p in self.module.named_parameters() if p.requires_grad}
        return {name: p for name, p in self.parameters.items() if name in learning}

    def frozen(self) -> "Net":
        """Return the same net detached and in eval mode; its buffers are read, never written."""
        for live, twin in self._bound:
            twin._buffers.update(live._buffers)
            held = vars(live).items()
            vars(twin).update({n: v for n, v in held if isinstance(v, PLAIN) and n != "training"})
        if self.params is None:
            return self._twin
        given = {name: p.detach() for name, p in self.params.items()}
        return Net(self._twin.module, given, across=self.across)

    def detached(self) -> "Net":
        """Return the same net without gradient by its parameters.

        It stays in the mode it is in; its buffers are left alone.
        """
        fixed = {name: p.detach() for name, p in self.parameters.items()}
        return replace(self, params=fixed, statistics=False)

    def moved(self, delta: Mapping[str, Tensor]) -> "Net":
        """Return the net at ``theta - delta``, still differentiable in both.

        Parameters without a delta stay where they are.
        """
        moved = {n: p - delta[n] if n in delta else p for n, p in self.parameters.items()}
        return replace(self, params=moved)

    @cached_property
    def _twin(self) -> "Net":
        # A copy that shares storage with the live module, so that it follows every update for
        # nothing: deepcopy takes from its memo what it holds. The cache lies in __dict__, which a
        # frozen dataclass leaves open.
        memo: dict[int, object] = {id(b): b for b in self.module.buffers()}
        memo |= {
            id(p): nn.Parameter(p.detach(), requires_grad=False) for p in self.module.parameters()
        }
        return Net(copy.deepcopy(self.module, memo).eval(), eager=True, across=self.across)

    @cached_property
    def _bound(self) -> list[tuple[nn.Module, nn.Module]]:
        """Parts that may bind a buffer or a number anew, and their twins: they do not share it."""
        pairs = zip(self.module.modules(), self._twin.module.modules(), strict=True)
        return [
            (live, twin) for live, twin in pairs if not type(live).__module__.startswith(IN_PLACE)
        ]

    def _part(self, name: str) -> nn.Module:
        part = getattr(self.module, name, None)
        if isinstance(part, nn.Module):
            return part
        raise TypeError(
            f"`module` must have a body and a head for this method, {unsplit(self.module)}."
        )

    def _run(self, prefix: str, part: nn.Module, x: Tensor) -> Tensor:
        if self.eager or self.params is not None:
            prefix, part = _uncompiled(prefix, part)
        with self.noise or nullcontext():
            if self.params is None or type(part) is nn.Identity:
                return part(x)
            # The head of every virtual step: functional_call would cost more than the layer.
            if is_plain_linear(part):
                return F.linear(x, self.params[f"{prefix}weight"], self.params.get(f"{prefix}bias"))
            buffers = dict(part.named_buffers())
            if part.training and not self.statistics:
                # BatchNorm writes its statistics in place: let it write to copies.
                buffers = {name: b.clone() for name, b in buffers.items()}
            return functional_call(part, {**buffers, **_under(prefix, self.params)}, (x,))


def _uncompiled(prefix: str, part: nn.Module) -> tuple[str, nn.Module]:
    """Return a module without `torch.compile`, and the prefix of its parameters' names."""
    inner = getattr(part, "_orig_mod", None)
    return (f"{prefix}_orig_mod.", inner) if isinstance(inner, nn.Module) else (prefix, part)


def _under(prefix: str, parameters: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the parameters whose names begin with ``prefix``, by the rest of the name."""
    return {
        name.removeprefix(prefix): p for name, p in parameters.items() if name.startswith(prefix)
    }
