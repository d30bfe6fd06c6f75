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

from typing import Any

import torch
from torch import Tensor
from torch.func import vjp

from sklearn_debias.core import Net, layer_of
from sklearn_debias.losses import saliency_cotangent
from sklearn_debias.maps._places import Place, find_place
from sklearn_debias.maps._quadrature import gauss_legendre
from sklearn_debias.maps._scaling import max_abs, min_max, resize

GRAD_CAM = ("grad_cam", "gradcam")  # one word, in both spellings
STEP_ROWS = 256  # points of the path of integrated gradients in one forward pass


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
    nodes = torch.tensor(gauss_legendre(n_steps), dtype=x.dtype, device="cpu")
    # Not made where x is: that would wait for the device, in every step of a fit that looks on.
    nodes = nodes.to(x.device, non_blocking=True)
    path = x - baseline
    total = torch.zeros_like(x)
    for at, weight in nodes.split(max(1, STEP_ROWS // len(x)), dim=1):
        points = baseline + at.view(-1, *[1] * x.ndim) * path
        found = _gradient(net, points.flatten(0, 1), y.repeat(len(at)), scalar).view_as(points)
        total = total + torch.tensordot(weight, found, dims=1)
    return path * total


def grad_cam(
    net: Net, x: Tensor, y: Tensor | None, layer: str | Place, *, scalar: str = "logit"
) -> Tensor:
    """Return Grad-CAM at a layer, from one forward pass and a backward one down to the layer.

    Parameters
    ----------
    net : Net
    x : Tensor of shape (b, ...)
    y : Tensor of shape (b,), int64, or None
        The classes explained; None takes the predicted ones.
    layer : str or Place
        A name as in ``named_modules``, whose output has channels at positions; `find_place` tells
        in which order. Given its result the search, a pass of one row, is spared.
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
    place = find_place(net, x, layer) if isinstance(layer, str) else layer
    seen = list[Tensor]()

    def begin_here(*event: object) -> Tensor:
        # The graph begins at this leaf: no gradient runs further down. What follows may write in
        # place, and what came before may share its memory: both get copies.
        out: Any = event[-1]
        seen.append(out.detach().clone().requires_grad_())
        return seen[-1].clone()

    hook = layer_of(net.module, place.layer).register_forward_hook(begin_here)
    try:
        with torch.enable_grad():
            logits = net(x.detach().clone())
    finally:
        hook.remove()
    activation = seen[-1]
    gradient = torch.zeros_like(seen[-1])
    # Where the layer does not reach the logits its gradient is 0.
    if logits.requires_grad:
        cotangent = _cotangent(logits.detach(), y, scalar)
        (gradient,) = torch.autograd.grad(logits, activation, cotangent, materialize_grads=True)
    # Under autocast both may be of half precision.
    activation = place.maps(activation.detach()).to(x.dtype)
    gradient = place.maps(gradient).to(x.dtype)
    return (gradient.mean((2, 3), keepdim=True) * activation).sum(1).relu()


def grad_cam_attention(
    net: Net, x: Tensor, y: Tensor | None, layer: str | Place, *, scalar: str = "logit"
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
    """Return the largest ``|gradient|`` of a pixel's channels, scaled to [0, 1].

    Of shape (b, h, w), or (b, d) for 2-D x.
    """
    found = input_gradient(net, x, y, scalar=scalar).abs()
    return min_max(found.amax(1) if found.ndim == 4 else found)


def signed_map(found: Tensor, *, additive: bool) -> Tensor:
    """Return a gradient, or what is like one, as signed maps in [-1, 1].

    Parameters
    ----------
    found : Tensor like x
        Images, or 2-D rows.
    additive : bool
        Whether channels add up to what a pixel does, as those of integrated gradients do. Else a
        pixel has the entry of the largest magnitude over its channels, with its sign.

    Returns
    -------
    Tensor of shape (b, h, w), or (b, d) for 2-D x
        Each divided by its largest magnitude.
    """
    if found.ndim == 4:
        largest = found.abs().argmax(1, keepdim=True)
        found = found.sum(1) if additive else found.gather(1, largest)[:, 0]
    return max_abs(found)


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
