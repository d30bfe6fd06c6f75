"""Steps of stacked linear layers, by gradients in closed form."""

from collections.abc import Mapping

from torch import Tensor

from sklearn_debias.core import Net, Objective
from sklearn_debias.core.internal import LinearNet, linear_layers

Names = dict[str, str]  # of a layer's "weight" and "bias" within its module


def linear_names(objective: Objective, nets: Mapping[str, Net]) -> dict[str, Names] | None:
    """Return where the layers of all roles are, or None where a step needs autograd."""
    layers = linear_layers(objective, nets)
    if layers is None:
        return None
    found = {}
    for role, layer in layers.items():
        name_of = {id(p): name for name, p in nets[role].module.named_parameters()}
        found[role] = {"weight": name_of[id(layer.weight)], "bias": name_of[id(layer.bias)]}
    return found


def linear_net(parameters: Mapping[str, Tensor], names: Names) -> LinearNet:
    """Return the layer of a role with the parameters of its module."""
    return LinearNet(parameters[names["weight"]], parameters[names["bias"]])


def gradients_of(net: LinearNet, names: Names) -> dict[str, Tensor]:
    """Return what was pulled into a layer, by the names of its module."""
    return {names[short]: gradient for short, gradient in net.gradients().items()}
