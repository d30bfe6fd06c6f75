"""Networks that are one linear layer."""

from typing import Any

import torch
from torch import Tensor, nn

from sklearn_debias.core._closed import LinearNet
from sklearn_debias.core._net import Net, is_hooked, is_plain_linear
from sklearn_debias.core._split import SplitModule


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
    if net.across is not None:  # its logits are of more rows than x
        return None
    prefix = ""
    module: Any = net.module
    if type(module) is SplitModule:
        if type(module.body) is not nn.Identity or is_hooked(module) or is_hooked(module.body):
            return None
        prefix = "head."
        module = module.head
    if not is_plain_linear(module):
        return None
    own = module._parameters if net.params is None else net.params
    prefix = "" if net.params is None else prefix
    weight = own[f"{prefix}weight"]
    # Factorisations of matrices know no half precision.
    if weight.dtype not in (torch.float32, torch.float64):
        return None
    bias = own.get(f"{prefix}bias")
    return weight, weight.new_zeros(len(weight)) if bias is None else bias
