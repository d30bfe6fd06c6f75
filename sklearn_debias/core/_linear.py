"""Networks that are one linear layer."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from sklearn_debias.core._linear_net import LinearNet
from sklearn_debias.core._net import Net
from sklearn_debias.core._plain import lone_linear


def linear_layer(net: Net | LinearNet, x: Tensor) -> tuple[Tensor, Tensor] | None:
    """Return weight (k, d) and bias (k,), where ``net(x)`` is ``F.linear`` by them.

    A layer without bias has one of zeros. Return None for any other net, and where half precision
    would round: what is known of linear layers in closed form does not hold there.

    Parameters
    ----------
    net : Net or LinearNet
    x : Tensor of shape (b, ...)

    Examples
    --------
    >>> from torch import nn, ones
    >>> from sklearn_debias.core import Net, SplitModule
    >>> from sklearn_debias.core.internal import linear_layer
    >>> weight, bias = linear_layer(Net(SplitModule(nn.Identity(), nn.Linear(4, 2))), ones(3, 4))
    >>> weight.shape, bias.shape
    (torch.Size([2, 4]), torch.Size([2]))
    >>> linear_layer(Net(nn.Sequential(nn.Linear(4, 2), nn.ReLU())), ones(3, 4)) is None
    True
    """
    if x.ndim != 2 or torch.is_autocast_enabled(x.device.type):
        return None
    if isinstance(net, LinearNet):
        return net.weight, net.bias
    layer = _only_layer(net)
    if layer is None:
        return None
    own: Any = layer._parameters
    prefix = ""
    if net.params is not None:
        own = net.params
        prefix = "" if layer is net.module else "head."
    weight = own[f"{prefix}weight"]
    bias = own.get(f"{prefix}bias")
    return weight, weight.new_zeros(len(weight)) if bias is None else bias


def linear_layers(objective: Any, nets: Mapping[str, Net]) -> dict[str, nn.Linear] | None:
    """Return the layers by role, where a step may take its closed form; otherwise None.

    All nets that it uses are live and linear then, and those with a loss learn as a whole.
    """
    if not objective.closed:
        return None
    found = {}
    for role in objective.roles:
        net = nets[role]
        layer = _only_layer(net)
        if layer is None or layer.bias is None or net.params is not None or net.noise is not None:
            return None
        found[role] = layer
    # A layer that two roles share has gradients of both.
    if len(set(map(id, found.values()))) < len(found):
        return None
    return found if all(_learns(found[role]) for role in objective.trained) else None


def _only_layer(net: Net) -> nn.Linear | None:
    """Return the layer that a net is, or None where it is more than that."""
    if net.across is not None:  # its logits are of more rows than its inputs
        return None
    layer = lone_linear(net.module)
    # Factorisations of matrices know no half precision.
    known = layer is not None and layer.weight.dtype in (torch.float32, torch.float64)
    return layer if known else None


def _learns(layer: nn.Linear) -> bool:
    both = (layer.weight, layer.bias)
    # Torch's names: what is not there any more counts as used.
    names = ("_backward_hooks", "_post_accumulate_grad_hooks")
    hooked = any(getattr(p, name, True) for p in both for name in names)
    return not hooked and all(p.requires_grad for p in both)
