"""Linear layers on X, whose gradients are known in closed form."""

from collections.abc import Mapping
from functools import reduce
from typing import Any

import torch
from torch import Tensor, nn

from sklearn_debias.core._net import Net, is_hooked, is_plain_linear
from sklearn_debias.core._split import SplitModule

Moved = tuple[Tensor, Tensor]  # coordinates (b, r) in directions (r, d)


class LinearNet:
    """A linear layer in a step without autograd: its logits, and the gradients that it is given.

    The classes come before the rows here: in this order a softmax over a few classes is vectorised
    over the rows, and one product serves all members of a stack.

    Parameters
    ----------
    weight : Tensor of shape (k, d)
    bias : Tensor of shape (k,)

    Examples
    --------
    >>> import torch
    >>> from sklearn_debias.core.internal import LinearNet
    >>> net = LinearNet(torch.zeros(3, 2), torch.zeros(3))
    >>> x = torch.ones(4, 2)
    >>> net.logits(x).shape
    torch.Size([3, 4])
    >>> net.pull(torch.ones(3, 4), x)
    >>> net.gradients()["weight"].shape, net.gradients()["bias"]
    (torch.Size([3, 2]), tensor([4., 4., 4.]))
    """

    def __init__(self, weight: Tensor, bias: Tensor) -> None:
        self.weight = weight
        self.bias = bias
        self._seen: list[tuple[Tensor, Tensor]] = []  # inputs, their logits
        self._pulled: list[tuple[Tensor, Tensor]] = []  # inputs, the sum of their residuals
        self._moved: list[tuple[Tensor, Moved]] = []  # residuals, what moved their inputs

    def frozen(self) -> "LinearNet":
        """Return the same layer: nothing here is trained."""
        return self

    def logits(self, x: Tensor) -> Tensor:
        """Return the logits (k, b) of rows (b, d); those of the same tensor are kept."""
        for known, logits in self._seen:
            if known is x:
                return logits
        logits = self.bias[:, None].addmm(self.weight, x.mT)
        self._seen.append((x, logits))
        return logits

    def pull(self, residual: Tensor, x: Tensor, moved: "Moved | None" = None) -> None:
        """Take the gradient of a loss by the logits (k, b) of ``x`` (b, d).

        Where these are the logits of ``x + c Q``, ``moved`` holds c (b, r) and Q (r, d).
        """
        if moved is not None:
            self._moved.append((residual, moved))
        # One product for all residuals of the same rows.
        for i, (known, before) in enumerate(self._pulled):
            if known is x:
                self._pulled[i] = (x, before + residual)
                return
        self._pulled.append((x, residual))

    def gradients(self) -> dict[str, Tensor]:
        """Return the gradients by "weight" and "bias": the sum of all that was pulled."""
        weights = [residual @ x for x, residual in self._pulled]
        weights += [(residual @ c) @ q for residual, (c, q) in self._moved]
        biases = [residual.sum(1) for _, residual in self._pulled]
        return {"weight": reduce(torch.add, weights), "bias": reduce(torch.add, biases)}


def log_probabilities(logits: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """Return log-probabilities (k, b) of logits (k, b), and the cross entropies (b,)."""
    log_p = logits.log_softmax(0)
    return log_p, -log_p.gather(0, y[None])[0]


def residual(log_p: Tensor, loss: Tensor, y: Tensor, weight: Tensor | None = None) -> Tensor:
    """Return the gradient by the logits of the mean of weight times cross entropy; (k, b).

    It is ``weight (p - e_y) / b``; ``log_p`` (k, b) and ``loss`` (b,) are `log_probabilities`.
    """
    error = log_p.exp().scatter(0, y[None], torch.expm1(-loss)[None])
    # In this order: a weight of 1 changes no bit.
    mean = error / len(y)
    return mean if weight is None else mean * weight


def linear_layers(objective: Any, nets: Mapping[str, Net]) -> dict[str, nn.Linear] | None:
    """Return the layers by role, where a step may take its closed form; otherwise None.

    All nets that it uses are plain linear layers then, and those with a loss learn as a whole.
    """
    if not objective.closed:
        return None
    layers = {role: _layer_of(nets[role]) for role in objective.roles}
    found = {role: layer for role, layer in layers.items() if layer is not None}
    # A layer that two roles share has gradients of both.
    if len(set(map(id, found.values()))) < len(layers):
        return None
    return found if all(_learns(found[role]) for role in objective.trained) else None


def _learns(layer: nn.Linear) -> bool:
    return all(p.requires_grad and not p._backward_hooks for p in (layer.weight, layer.bias))


def _layer_of(net: Net) -> nn.Linear | None:
    """Return the layer that a live net is, or None where it is more than that."""
    layer = net.module
    if net.params is not None or net.noise is not None or net.across is not None:
        return None
    if type(layer) is SplitModule and type(layer.body) is nn.Identity:
        if is_hooked(layer) or is_hooked(layer.body):
            return None
        layer = layer.head
    linear = is_plain_linear(layer) and layer.bias is not None
    return layer if linear else None  # type: ignore[return-value]
