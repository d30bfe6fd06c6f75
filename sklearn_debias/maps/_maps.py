"""Where a network looks: input gradients, integrated gradients, Grad-CAM, and attention by them.

================  ==============================================================================
map               of the logit z_c of a class c (or its log-probability)
================  ==============================================================================
input gradient    dz_c / dx (Simonyan et al., 2014)
gradient x input  x * dz_c / dx: exact shares of z_c for a linear network
IG                (x - x') * integral of dz_c/dx from the baseline x' to x (Sundararajan et al.,
                  2017, Eq. 1)
Grad-CAM          ReLU(sum_k alpha_k A_k), alpha_k the mean of dz_c/dA_k over positions
                  (Selvaraju et al., 2017)
================  ==============================================================================

All of them take a `Net`, which is frozen first: no buffer, gradient or random number is touched,
and nothing waits for the device, so that an objective may ask for a map in the middle of a step.
The results are detached.
"""

import torch
from torch import Tensor, nn
from torch.func import vjp

from sklearn_debias.core import Net, layer_of
from sklearn_debias.losses import saliency_cotangent
from sklearn_debias.maps._quadrature import gauss_legendre
from sklearn_debias.maps._scaling import min_max, resize

STEP_ROWS = 256  # points of the path of integrated gradients in one forward pass
POOLING = ("MaxPool", "AvgPool", "LPPool", "FractionalMaxPool")


def input_gradient(
    net: Net, x: Tensor, y: Tensor | None = None, *, scalar: str = "logit"
) -> Tensor:
    """Return the gradient of a class's scalar by the input.

    Parameters
    ----------
    net : Net
    x : Tensor of shape (b, ...)
    y : Tensor of shape (b,), int64, default=None
        The classes explained; None takes the predicted ones.
    scalar : {"logit", "log_prob"}, default="logit"

    Returns
    -------
    Tensor like x
    """
    return _gradient(net.frozen(), x, y, scalar)


def gradient_x_input(
    net: Net, x: Tensor, y: Tensor | None = None, *, scalar: str = "logit"
) -> Tensor:
    """Return the gradient times the input, like x.

    For a linear network it is what each entry adds to the logit, beside the bias.
    """
    return x.detach() * input_gradient(net, x, y, scalar=scalar)


def integrated_gradients(
    net: Net,
    x: Tensor,
    y: Tensor | None = None,
    *,
    n_steps: int = 50,
    baseline: float | Tensor = 0.0,
    scalar: str = "logit",
) -> Tensor:
    """Return integrated gradients, by Gauss-Legendre quadrature.

    They sum to the scalar at ``x`` minus that at the baseline.

    Parameters
    ----------
    net : Net
    x : Tensor of shape (b, ...)
    y : Tensor of shape (b,), int64, default=None
        The classes explained; None takes the ones predicted for ``x``.
    n_steps : int, default=50
        Points on the path; several are run in one forward pass.
    baseline : float or Tensor that broadcasts against x, default=0
        Where the path begins: the input without information.
    scalar : {"logit", "log_prob"}, default="logit"

    Returns
    -------
    Tensor like x
    """
    net = net.frozen()
    x = x.detach()
    if y is None:
        with torch.no_grad():
            y = net(x.clone()).argmax(-1)
    nodes = x.new_tensor(gauss_legendre(n_steps))
    path = x - baseline
    total = torch.zeros_like(x)
    for at, weight in nodes.split(max(1, STEP_ROWS // len(x)), dim=1):
        points = baseline + at.view(-1, *[1] * x.ndim) * path
        found = _gradient(net, points.flatten(0, 1), y.repeat(len(at)), scalar).view_as(points)
        total = total + torch.tensordot(weight, found, dims=1)
    return path * total


def grad_cam(net: Net, x: Tensor, y: Tensor | None, layer: str, *, scalar: str = "logit") -> Tensor:
    """Return Grad-CAM at a layer, from one forward pass and a backward one down to the layer.

    Parameters
    ----------
    net : Net
    x : Tensor of shape (b, ...)
    y : Tensor of shape (b,), int64, or None
        The classes explained; None takes the predicted ones.
    layer : str
        As in ``named_modules``; its output must be (b, channels, h', w').
    scalar : {"logit", "log_prob"}, default="logit"

    Returns
    -------
    Tensor of shape (b, h', w')
        At least 0.

    Raises
    ------
    ValueError
        If there is no such layer, or its output has no positions.
    """
    net = net.frozen()
    seen = list[Tensor]()

    def begin_here(*event: object) -> Tensor:
        # The graph begins at this leaf: no gradient runs further down. What follows may write in
        # place, and what came before may share its memory: both get copies.
        seen.append(_spatial(event[-1], layer).detach().clone().requires_grad_())
        return seen[-1].clone()

    hook = layer_of(net.module, layer).register_forward_hook(begin_here)
    try:
        with torch.enable_grad():
            logits = net(x.detach().clone())
    finally:
        hook.remove()
    if not seen:
        raise ValueError(f"`layer`={layer!r} is not used in the forward pass. Name another.")
    activation = seen[-1]
    gradient = torch.zeros_like(seen[-1])
    # Where the layer does not reach the logits its gradient is 0.
    if logits.requires_grad:
        cotangent = _cotangent(logits.detach(), y, scalar)
        (gradient,) = torch.autograd.grad(logits, activation, cotangent, materialize_grads=True)
    # Under autocast both may be of half precision.
    activation = activation.detach().to(x.dtype)
    gradient = gradient.to(x.dtype)
    return (gradient.mean((2, 3), keepdim=True) * activation).sum(1).relu()


def grad_cam_attention(
    net: Net, x: Tensor, y: Tensor | None, layer: str, *, scalar: str = "logit"
) -> Tensor:
    """Return Grad-CAM of images, each scaled to [0, 1], then resized to the image: (b, h, w)."""
    scaled = min_max(grad_cam(net, x, y, layer, scalar=scalar))
    return resize(scaled, x.shape[-2:])


def integrated_gradients_attention(
    net: Net,
    x: Tensor,
    y: Tensor | None = None,
    n_steps: int = 50,
    *,
    baseline: float | Tensor = 0.0,
    scalar: str = "logit",
) -> Tensor:
    """Return the magnitude of a pixel's integrated gradients, scaled to [0, 1].

    The channels are added up: (b, h, w), or (b, d) for 2-D x.
    """
    found = integrated_gradients(net, x, y, n_steps=n_steps, baseline=baseline, scalar=scalar)
    return min_max(_over_channels(found).abs())


def gradient_x_input_attention(
    net: Net, x: Tensor, y: Tensor | None = None, *, scalar: str = "logit"
) -> Tensor:
    """Return what speaks for the class: ReLU of gradient x input, scaled to [0, 1].

    The channels are added up before: (b, h, w), or (b, d) for 2-D x.
    """
    return min_max(_over_channels(gradient_x_input(net, x, y, scalar=scalar)).relu())


def input_gradient_attention(
    net: Net, x: Tensor, y: Tensor | None = None, *, scalar: str = "logit"
) -> Tensor:
    """Return the largest |gradient| over the channels of a pixel, scaled to [0, 1].

    Of shape (b, h, w), or (b, d) for 2-D x.
    """
    found = input_gradient(net, x, y, scalar=scalar).abs()
    return min_max(found.amax(1) if found.ndim == 4 else found)


def last_conv_layer(net: Net | nn.Module, x: Tensor) -> str:
    """Return the name of the layer that Grad-CAM takes by default.

    One row is passed forward to see the outputs.

    It is the last layer, in order of execution, whose output is (b, channels, h, w) with more than
    one position and is not pooled: the last stage of a ResNet, the last activation of a small CNN.

    Parameters
    ----------
    net : Net or nn.Module
        Run in eval mode; left as it is.
    x : Tensor of shape (b, ...)

    Raises
    ------
    ValueError
        If there is none, with what to use instead.
    """
    net = (Net(net) if isinstance(net, nn.Module) else net).frozen()
    found = list[str]()
    pooled = list[Tensor]()
    hooks = []

    def look(name: str, layer: nn.Module, out: object) -> None:
        if not isinstance(out, Tensor) or out.ndim != 4 or out.shape[-2] * out.shape[-1] == 1:
            return
        if any(kind in type(layer).__name__ for kind in POOLING):
            pooled.append(out)
        # A Sequential, or Dropout in eval mode, hands on the pooled tensor itself: pooled as well.
        if all(out is not other for other in pooled):
            found.append(name)

    try:
        for name, layer in net.module.named_modules():
            if name:  # the whole module has none
                # A default argument, or every hook would see the last name of the loop.
                hooks.append(
                    layer.register_forward_hook(lambda m, _, out, name=name: look(name, m, out))
                )
        with torch.no_grad():
            net(x[:1].detach().clone())
    finally:
        for hook in hooks:
            hook.remove()
    if found:
        return found[-1]
    raise ValueError(
        "Grad-CAM needs a layer with an output of shape (n, channels, height, width) and more than "
        'one position, and this module has none for such inputs. Use "integrated_gradients" or '
        '"input_gradient", or name a `layer`.'
    )


def _gradient(net: Net, x: Tensor, y: Tensor | None, scalar: str) -> Tensor:
    """Return the gradient of a class's scalar by the input; ``net`` is frozen by the caller."""
    # Of a copy, which the first layer may write to.
    logits, pull = vjp(lambda moving: net(moving.clone()), x.detach())  # type: ignore[misc]
    return pull(_cotangent(logits.detach(), y, scalar))[0].detach()


def _cotangent(logits: Tensor, y: Tensor | None, scalar: str) -> Tensor:
    """Return the gradient of a scalar of ``y``, or of the predicted class, by the logits."""
    if y is None:
        return saliency_cotangent(logits, logits.argmax(-1), scalar)
    return saliency_cotangent(logits, y, f"label_{scalar}")


def _over_channels(found: Tensor) -> Tensor:
    """Return images added up over their channels; 2-D maps have none."""
    return found.sum(1) if found.ndim == 4 else found


def _spatial(out: object, layer: str) -> Tensor:
    """Return a layer's output if it is (b, channels, h, w), else raise."""
    if isinstance(out, Tensor) and out.ndim == 4:
        return out
    shape = tuple(out.shape) if isinstance(out, Tensor) else type(out).__name__
    raise ValueError(
        f"`layer`={layer!r} must give outputs of shape (n, channels, height, width) for Grad-CAM, "
        f'got {shape}. Name another layer, or use "integrated_gradients" or "input_gradient".'
    )
