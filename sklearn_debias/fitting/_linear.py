"""The weights of linear networks, as scikit-learn's linear models show theirs."""

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from sklearn_debias.core.internal import lone_linear
from sklearn_debias.fitting._types import Classifier


def _layer(module: nn.Module) -> nn.Linear | None:
    """Return the layer that a network is; hooks must let its outputs be."""
    layer = lone_linear(module, hooked=True)
    if layer is None or lone_linear(module) is layer:
        return layer
    with torch.no_grad():
        x = torch.eye(2, layer.in_features).to(layer.weight)
        same = torch.equal(module(x), F.linear(x, layer.weight, layer.bias))
    return layer if same else None


def linear_weights(classifier: Classifier) -> tuple[np.ndarray, np.ndarray]:
    """Return weights (1 or k, d) and intercepts (1 or k,) of a fitted linear network.

    For two classes they are those of the difference of the logits, which `decision_function` gives.

    Raises
    ------
    AttributeError
        If the network is more than a linear layer of 2-D X, so that ``hasattr`` says so.
    """
    layer = _layer(classifier.module_)
    if layer is None or len(classifier.input_shape_) != 1:
        raise AttributeError(
            f"{type(classifier).__name__} has no coef_ and intercept_: its network is not a linear "
            "layer of 2-D X, or a hook does more than that."
        )
    weight = layer.weight.detach().double().cpu().numpy()
    intercept = np.zeros(len(weight))
    if layer.bias is not None:
        intercept = layer.bias.detach().double().cpu().numpy()
    if len(weight) == 2:
        return weight[1:] - weight[:1], intercept[1:] - intercept[:1]
    return weight.copy(), intercept.copy()
