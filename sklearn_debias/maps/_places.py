"""The layers that Grad-CAM can look at: those that have channels at positions of the image."""

import math
from dataclasses import dataclass, replace
from typing import NamedTuple

import torch
from torch import Tensor, nn

from sklearn_debias.core import Net, layer_of
from sklearn_debias.maps._axes import Axes, Follow, kind_of, size_of

POOLING = ("MaxPool", "AvgPool", "LPPool", "FractionalMaxPool")
SHOWN = 12  # names in an error
NOISE = 0.02  # about the size of the weights of a layer


@dataclass(frozen=True)
class Place:
    """A layer, and how its output becomes maps (n, channels, h', w').

    Parameters
    ----------
    layer : str
        As in ``named_modules``.
    order : tuple of int
        Which axes are rows, channels, and positions: two axes of them, or a sequence.
    grid : (height, width)
        Of the positions, which a sequence holds row by row.
    skip : int, default=0
        Of a sequence: tokens before the positions.
    """

    layer: str
    order: tuple[int, ...]
    grid: tuple[int, int]
    skip: int = 0

    def maps(self, out: Tensor) -> Tensor:
        """Return an output of the layer, or its gradient, as maps (n, channels, h', w')."""
        out = out.permute(self.order)
        if len(self.order) == 4:
            return out
        height, width = self.grid
        return out[..., self.skip : self.skip + height * width].unflatten(-1, (height, width))


class _Output(NamedTuple):
    """What a layer returned; ``place`` is None where it does not serve."""

    name: str
    value: object
    place: Place | None
    pooled: bool


def find_place(net: Net | nn.Module, x: Tensor, layer: str | None = None) -> Place:
    """Return where Grad-CAM looks: at ``layer``, or by default at the last layer that serves.

    A layer serves whose output has channels at positions of the image: (b, channels, h, w),
    channels-last, or a sequence of positions. The last one, in order of execution, has more than
    one position and is not pooled. Where it is a sequence, its positions reach the logits by every
    channel: behind the last attention to a class token they do not.

    Parameters
    ----------
    net : Net or nn.Module
        Run in eval mode on one row, to see the outputs; left as it is.
    x : Tensor of shape (b, ...)
    layer : str or None, default=None
        A name of ``named_modules``.

    Raises
    ------
    ValueError
        If there is none, or the one that is named does not serve, with what to use instead.
    """
    net = (Net(net) if isinstance(net, nn.Module) else net).frozen()
    # The row twice: an axis of one row would look like any other of length 1.
    x = x[:1].detach().repeat(2, *[1] * (x.ndim - 1))
    outputs = _outputs(net, x)
    if layer is not None:
        return _named_place(layer, layer_of(net.module, layer), outputs)
    reached = _reached(net, x, outputs)
    for output in reversed(outputs.values()):
        place = output.place
        if place is None or output.pooled or math.prod(place.grid) == 1:
            continue
        if len(place.order) == 4 or output.name in reached:
            return place
    raise ValueError(
        "Grad-CAM needs a layer with an output of shape (n, channels, height, width) and more than "
        'one position, and this module has none for such inputs. Use "integrated_gradients" or '
        '"input_gradient", or name a `layer`.'
    )


def last_conv_layer(net: Net | nn.Module, x: Tensor) -> str:
    """Return the name of the layer that Grad-CAM takes by default, see `find_place`."""
    return find_place(net, x).layer


def _outputs(net: Net, x: Tensor) -> dict[nn.Module, _Output]:
    """Return what the layers of a frozen net made of x, in order of execution."""
    names = {layer: name for name, layer in net.module.named_modules() if name}
    follow = Follow(x)
    outputs = dict[nn.Module, _Output]()
    pools = list[object]()

    def look(layer: nn.Module, _: object, out: object) -> None:
        if any(kind in type(layer).__name__ for kind in POOLING):
            pools.append(out)
        # A Sequential, or Dropout in eval mode, hands on the pooled tensor itself: pooled as well.
        pooled = any(out is pool for pool in pools)
        axes = follow.axes(out) if isinstance(out, Tensor) else ()
        # Of several calls the last one counts, in the order, too.
        outputs.pop(layer, None)
        outputs[layer] = _Output(names[layer], out, _place(names[layer], axes), pooled)

    hooks = [layer.register_forward_hook(look) for layer in names]
    try:
        with torch.no_grad(), follow:
            net(x.clone())
    finally:
        for hook in hooks:
            hook.remove()
    return outputs


def _place(name: str, axes: Axes) -> Place | None:
    """Return a layer as a place, if an output of these axes has channels at positions."""
    kinds = [kind_of(axis) for axis in axes]
    if sorted(kinds) == ["c", "h", "n", "w"]:
        order = tuple(kinds.index(kind) for kind in "nchw")
        return Place(name, order, (size_of(axes[order[2]]), size_of(axes[order[3]])))
    sequence = next((kind for kind in kinds if kind in ("hw", "t")), "")
    if sorted(kinds) != sorted(["n", "c", sequence]):
        return None
    axis = axes[kinds.index(sequence)]
    order = tuple(kinds.index(kind) for kind in ("n", "c", sequence))
    if sequence == "t":
        return Place(name, order, axis[0].grid, axis[0].skip)
    return Place(name, order, (axis[0].size, axis[1].size))


def _reached(net: Net, x: Tensor, outputs: dict[nn.Module, _Output]) -> set[str]:
    """Return the sequences whose positions reach the logits by every channel, by name."""
    places = {
        layer: output.place
        for layer, output in outputs.items()
        if output.place is not None and len(output.place.order) == 3
    }
    if not places:
        return set()
    seen = dict[nn.Module, Tensor]()
    hooks = [
        layer.register_forward_hook(lambda layer, _, out: seen.update({layer: out}))
        for layer in places
    ]
    # Elsewhere in its parameters, for some networks begin with a head of zeros.
    generator = torch.Generator("cpu").manual_seed(0)
    moved = {
        name: p + NOISE * torch.randn(p.shape, generator=generator, device="cpu").to(p)
        for name, p in net.parameters.items()
    }
    try:
        with torch.enable_grad():
            logits = replace(net, params=moved)(x.clone().requires_grad_())
            # Not their sum, which is constant behind a softmax.
            weights = torch.arange(1, logits.shape[-1] + 1, device=logits.device)
            total = (logits * weights.to(logits)).sum()
            found = torch.autograd.grad(total, list(seen.values()), materialize_grads=True)
    finally:
        for hook in hooks:
            hook.remove()
    gradients = dict(zip(seen, found, strict=True))
    return {
        place.layer
        for layer, place in places.items()
        if bool((place.maps(gradients[layer]) != 0).flatten(2).any(2).all())
    }


def _named_place(name: str, layer: nn.Module, outputs: dict[nn.Module, _Output]) -> Place:
    """Return the place of the layer that the user named, or say which layers serve."""
    if layer not in outputs:
        raise ValueError(f"`layer`={name!r} is not used in the forward pass. Name another.")
    _, value, place, _ = outputs[layer]
    if place is not None:
        return replace(place, layer=name)
    shape = type(value).__name__
    if isinstance(value, Tensor):
        shape = f"({', '.join(['n', *map(str, value.shape[1:])])})"
    serve = [o.name.removeprefix("body.") for o in outputs.values() if o.place is not None]
    several = f"the last of those that serve are {', '.join(map(repr, serve[-SHOWN:]))}"
    raise ValueError(
        f"`layer`={name!r} must give outputs of shape (n, channels, height, width) for Grad-CAM, "
        f"or channels at positions of the image in another order, got {shape}: "
        f"{several if serve else 'no layer serves'}. Name another layer, or use "
        '"integrated_gradients" or "input_gradient".'
    )
