"""A module bound to its live parameters or to given ones."""

import copy
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import chain

import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call, vjp
from torch.nn.attention import SDPBackend, sdpa_kernel

from sklearn_debias.core._split import layer_of


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
        Entered around every forward pass: the random stream of dropout and its like.
    statistics : bool, default=False
        Whether a forward pass with given parameters moves the module's buffers, as one with live
        parameters does.

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

    def __call__(self, x: Tensor) -> Tensor:
        """Logits (b, k) of ``x``."""
        return self._run("", self.module, x)

    def body(self, x: Tensor) -> Tensor:
        """Features of ``x``: (b, d), or (b, c, h, w)."""
        return self._run("body.", self._part("body"), x)

    def head(self, z: Tensor) -> Tensor:
        """Logits (b, k) of the features ``z``."""
        return self._run("head.", self._part("head"), z)

    def pullback(
        self, x: Tensor, part: str = "", zero: tuple[str, Tensor] | None = None
    ) -> tuple[Tensor, Callable]:
        """Logits of ``x`` and what turns their cotangents (b, k) into gradients, from a single forward pass.

        The gradients are differentiable in the parameters and in the cotangents.

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
        given = {
            n.removeprefix(prefix): p for n, p in self.parameters.items() if n.startswith(prefix)
        }

        def forward(moving: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
            buffers = {name: b.clone() for name, b in owner.named_buffers()}
            values = {**given, **buffers}
            if zero is None:
                return functional_call(owner, values, (moving,)), buffers
            add = layer_of(owner, zero[0]).register_forward_hook(lambda *event: event[-1] + moving)
            try:
                return functional_call(owner, values, (x,)), buffers
            finally:
                add.remove()

        # Only the reference kernel of attention has a second derivative.
        with self.noise or nullcontext(), sdpa_kernel(SDPBackend.MATH):
            logits, pull, buffers = vjp(forward, x if zero is None else zero[1], has_aux=True)  # type: ignore[misc]
        if self.params is None and owner.training:
            for name, buffer in owner.named_buffers():
                buffer.copy_(buffers[name].detach())
        return logits, lambda cotangent: pull(cotangent)[0]

    def with_layer(self, x: Tensor, layer: str) -> tuple[Tensor, Tensor]:
        """Logits (b, k) of ``x`` and the output of a layer, named as in ``named_modules``, on the way."""
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
        """Those of the `parameters` that learn."""
        learning = {name for name, p in self.module.named_parameters() if p.requires_grad}
        return {name: p for name, p in self.parameters.items() if name in learning}

    def frozen(self) -> "Net":
        """Return the same net detached and in eval mode; its buffers are read, never written."""
        if self.params is None:
            return self._twin
        return Net(self._twin.module, {name: p.detach() for name, p in self.params.items()})

    def detached(self) -> "Net":
        """Return the same net without gradient by its parameters, in the mode it is in; buffers are left alone."""
        return replace(
            self, params={name: p.detach() for name, p in self.parameters.items()}, statistics=False
        )

    def moved(self, delta: Mapping[str, Tensor]) -> "Net":
        """Return the net at ``theta - delta``, still differentiable in both; parameters without a delta stay."""
        return replace(
            self, params={n: p - delta[n] if n in delta else p for n, p in self.parameters.items()}
        )

    @cached_property
    def _twin(self) -> "Net":
        # A copy that shares storage with the live module, so that it follows every update for
        # nothing.
        memo: dict[int, object] = {id(b): b for b in self.module.buffers()}
        memo |= {
            id(p): nn.Parameter(p.detach(), requires_grad=False) for p in self.module.parameters()
        }
        return Net(copy.deepcopy(self.module, memo).eval())

    def _part(self, name: str) -> nn.Module:
        part = getattr(self.module, name, None)
        if isinstance(part, nn.Module):
            return part
        raise TypeError(
            "`module` must have a body and a head for this method, got a "
            f"{type(self.module).__name__} that cannot be split. Wrap it: "
            "sklearn_debias.core.SplitModule(body, head)."
        )

    def _run(self, prefix: str, part: nn.Module, x: Tensor) -> Tensor:
        with self.noise or nullcontext():
            if self.params is None or type(part) is nn.Identity:
                return part(x)
            if _is_plain_linear(
                part
            ):  # the head of every virtual step: functional_call costs more than the layer
                return F.linear(x, self.params[f"{prefix}weight"], self.params.get(f"{prefix}bias"))
            state = {
                name.removeprefix(prefix): p
                for name, p in self.params.items()
                if name.startswith(prefix)
            }
            copied = part.training and not self.statistics
            buffers = (
                (name, b.clone()) if copied else (name, b) for name, b in part.named_buffers()
            )
            return functional_call(part, dict(chain(buffers, state.items())), (x,))


def _is_plain_linear(part: nn.Module) -> bool:
    """Whether calling the module is nothing but ``F.linear`` of its own parameters."""
    hooked = (
        part._forward_hooks
        or part._forward_pre_hooks
        or part._backward_hooks
        or part._backward_pre_hooks
    )
    return type(part) is nn.Linear and "weight" in part._parameters and not hooked
