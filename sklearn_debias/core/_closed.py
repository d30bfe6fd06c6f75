"""Linear layers on X, whose gradients are known in closed form."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from sklearn_debias.core._net import Net, is_hooked, is_plain_linear
from sklearn_debias.core._split import SplitModule


@dataclass
class LinearNet:
    """A linear layer in a step without autograd: its logits, and the gradients that it is given.

    The classes come before the rows here: in this order a softmax over a few classes is vectorised
    over the rows, and one product serves all members of a stack.

    Parameters
    ----------
    weight : Tensor of shape (k, d)
    bias : Tensor of shape (k,)

    Attributes
    ----------
    gradients : dict of str to Tensor
        By "weight" and "bias", the sum of all that was pulled.

    Examples
    --------
    >>> import torch
    >>> from sklearn_debias.core import LinearNet
    >>> net = LinearNet(torch.zeros(3, 2), torch.zeros(3))
    >>> x = torch.ones(4, 2)
    >>> net.logits(x).shape
    torch.Size([3, 4])
    >>> net.pull(torch.ones(3, 4), x)
    >>> net.gradients["weight"].shape, net.gradients["bias"]
    (torch.Size([3, 2]), tensor([4., 4., 4.]))
    """

    weight: Tensor
    bias: Tensor
    gradients: dict[str, Tensor] = field(default_factory=dict)

    def logits(self, x: Tensor) -> Tensor:
        """Return the logits (k, b) of rows (b, d)."""
        return self.bias[:, None].addmm(self.weight, x.mT)

    def pull(self, residual: Tensor, x: Tensor) -> None:
        """Add the gradients of a loss, given that by the logits (k, b) of ``x`` (b, d)."""
        found = {"weight": residual @ x, "bias": residual.sum(1)}
        for name, gradient in found.items():
            before = self.gradients.get(name)
            self.gradients[name] = gradient if before is None else before + gradient


def log_probabilities(net: LinearNet, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """Return the log-probabilities (k, b) of rows, and their cross entropies (b,)."""
    log_p = net.logits(x).log_softmax(0)
    return log_p, -log_p.gather(0, y[None])[0]


def residual(log_p: Tensor, loss: Tensor, y: Tensor, weight: Tensor | None = None) -> Tensor:
    """Return the gradient by the logits of the mean of weight times cross entropy; (k, b).

    It is ``weight (p - e_y) / b``; ``log_p`` (k, b) and ``loss`` (b,) are `log_probabilities`.
    """
    error = log_p.exp().scatter(0, y[None], torch.expm1(-loss)[None])
    return error / len(y) if weight is None else error * (weight / len(y))


def linear_layer_of(net: Net) -> nn.Linear | None:
    """Return the layer that a live net is, or None where it is more, or is not all trained."""
    module = net.module
    if net.params is not None or net.noise is not None:
        return None
    layer = module
    if type(module) is SplitModule and type(module.body) is nn.Identity:
        if is_hooked(module) or is_hooked(module.body):
            return None
        layer = module.head
    if not is_plain_linear(layer) or layer.bias is None:
        return None
    tensors = [layer.weight, layer.bias]
    learning = all(p.requires_grad and not p._backward_hooks for p in tensors)
    return layer if learning else None  # type: ignore[return-value]


def linear_nets(nets: Mapping[str, Net], roles: tuple[str, ...]) -> dict[str, nn.Linear] | None:
    """Return the linear layers that all these roles are, or None."""
    layers = {role: linear_layer_of(nets[role]) for role in roles}
    found = {role: layer for role, layer in layers.items() if layer is not None}
    apart = len(set(map(id, found.values()))) == len(layers)
    return found if apart else None
