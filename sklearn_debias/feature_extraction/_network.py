"""The network of an embedder: what goes in front of it, and where the embedding is taken."""

import os
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from sklearn_debias.core.internal import COLUMNS, TokenLimits, Unpacked, advice_on, is_tokens
from sklearn_debias.fitting import check_normalize
from sklearn_debias.maps import find_place
from sklearn_debias.models import (
    IMAGENET,
    Normalize,
    ToRGB,
    bare_module,
    load_weights,
    structure_only,
)
from sklearn_debias.models.internal import heads_of_timm, named_weights
from sklearn_debias.training import Noise, blamed, is_of_device, is_of_memory

MASK = COLUMNS.index("attention_mask")
LISTED = 60  # layer names that a message shows


class Features(nn.Module):
    """Embeddings (b, d) of inputs (b, ...): what one layer of a network takes in or gives out.

    Parameters
    ----------
    front : nn.Module
        Applied first: normalisation, grey to RGB.
    network : nn.Module
    layer : str
        Name of the layer in the network; "" is the network itself.
    side : {"input", "output"}
        Which end of the layer.
    pool : {"avg", "flatten"}
    channels : int, default=1
        Which axis of an output (b, ., ., .) has them.
    """

    def __init__(
        self,
        front: nn.Module,
        network: nn.Module,
        layer: str,
        side: str,
        pool: str,
        channels: int = 1,
    ) -> None:
        super().__init__()
        self.front = front
        self.network = network
        self.layer = layer
        self.side = side
        self.pool = pool
        self.channels = channels

    def forward(self, x: Tensor) -> Tensor:
        """Return the embeddings of ``x``, shape (b, d)."""
        taken: list[Tensor] = []

        def keep(module: nn.Module, args: tuple, kwargs: dict, output: Any) -> None:
            z = (*args, *kwargs.values())[0] if self.side == "input" else output
            taken[:] = [self._flat(z, x)]  # of a layer that runs again, the last run

        layer = self.network.get_submodule(self.layer)
        handle = layer.register_forward_hook(keep, with_kwargs=True)
        try:
            self.network(self.front(x))
        finally:
            handle.remove()
        if not taken:
            raise ValueError(
                f"`layer`={self.layer!r} does not run when `module` is called. Choose another one."
            )
        return taken[0]

    def _flat(self, z: Any, x: Tensor) -> Tensor:
        # Not len(): it would fix the size of a batch where the network is exported.
        n = x.shape[0]
        if not isinstance(z, Tensor) or z.ndim < 2 or z.shape[0] != n or not z.is_floating_point():
            found = tuple(z.shape) if isinstance(z, Tensor) else type(z).__name__
            where = f"`layer`={self.layer!r} of `module`" if self.layer else "`module`"
            named = [n for n in ("logits", "pooler_output", "last_hidden_state") if hasattr(z, n)]
            inside = f", or wrap it to return its .{named[0]}" if named else ""
            raise ValueError(
                f"{where} must give a floating tensor with one row for each of {n} inputs, got "
                f"{found}. Choose another `layer`{inside}."
            )
        if z.ndim == x.ndim == 3 and z.shape[1] == x.shape[2]:
            # Of rows of tokens, those that the network was let see.
            if self.pool == "flatten":
                raise ValueError(
                    "`pool`='flatten' needs rows of one length, got rows of tokens. Use 'avg'."
                )
            seen = x[:, MASK, :, None].to(z.dtype)
            return (z * seen).sum(1) / seen.sum(1)
        if self.pool == "avg" and z.ndim > 2:
            z = z.mean(1) if z.ndim == 3 else z.movedim(self.channels, 1).flatten(2).mean(2)
        return z.flatten(1).clone()  # a later layer may write in place


def build_features(
    params: dict[str, Any],
    shape: tuple[int, ...],
    x: Tensor,
    noise: Noise,
    look: Callable[[TokenLimits], Any],
) -> Features:
    """Return the network for rows of ``shape``, with its weights, after a try on ``x`` (b, ...).

    ``look`` raises where these are rows of tokens that the network cannot take.
    """
    module = params["module"]
    weights, file = _which_weights(params["weights"], params["module"])
    blame = ("module", "It must allow copy.deepcopy.")
    if weights is not None:
        blame = ("weights", "Pass a file instead: the state_dict of torchvision's download.")
    with noise:
        ours = () if isinstance(module, nn.Module) else (ValueError, TypeError, ImportError)
        with blamed(*blame, passing=ours):
            network = bare_module(module, shape, weights=file or weights)
        of_torchvision = type(network).__module__.startswith("torchvision.")
        named = isinstance(module, str | None) and of_torchvision
        front = _front(params["normalize"], shape, weights, rgb=named and shape[0] != 3)
        front = front.to(x.dtype).eval()
        network = network.to("cpu", x.dtype).eval()
        if is_tokens(shape):
            look(TokenLimits.of(network))
        layer, side = _locate(front, network, params["layer"], x, noise)
    unused = None  # the part behind the embedding
    if side == "input":
        unused = layer
    elif params["layer"] is None and layer == "body":
        unused = "head"
    if file is not None:
        _load(network, file, unused)
    if unused is not None and not isinstance(module, nn.Module):
        # They may be random, and the name of the network in the cache must not depend on them.
        for parameter in network.get_submodule(unused).parameters():
            parameter.detach().zero_()
    channels = _channel_axis(front, network, layer, x) if side == "output" else 1
    return Features(front, network, layer, side, params["pool"], channels).requires_grad_(False)


def _load(network: nn.Module, file: str | os.PathLike, unused: str | None) -> None:
    """Fill a network from a file; the part behind the embedding keeps what it has."""
    body = getattr(network, "body", network)
    if isinstance(body, Unpacked):  # the file knows nothing of what is around it
        known = [f"{body.head_name}.{name}" for name in ("weight", "bias")]
        load_weights(body.network, file, known=known)
    else:
        known = [f"{head}.{name}" for head in heads_of_timm(network) for name in ("weight", "bias")]
        load_weights(network, file, known=known, optional=unused)


def bare_features(params: Mapping[str, Any], shape: tuple[int, ...]) -> tuple[nn.Module, nn.Module]:
    """Return what goes in front, and the network, as `build_features` does, without weights."""
    module = params["module"]
    weights = named_weights(module, params["weights"]) if isinstance(module, str) else None
    with structure_only():
        network = bare_module(module, shape, weights=params["weights"])
    of_torchvision = type(network).__module__.startswith("torchvision.")
    named = isinstance(module, str | None) and of_torchvision
    return _front(params["normalize"], shape, weights, rgb=named and shape[0] != 3), network


def run(features: nn.Module, x: Tensor) -> Tensor:
    """Return embeddings of ``x``; say what the network cannot do in the embedder's words."""
    shape = tuple(x.shape)
    try:
        return features(x)
    except Exception as error:
        if isinstance(error, ValueError) and str(error).startswith("`"):
            raise
        if is_of_memory(error) or is_of_device(error):  # the embedder has advice on these
            raise
        advice = advice_on(features, x) or (
            "Check its input layer against X; some networks need images of one size, set by "
            "`image_size`."
        )
        raise ValueError(
            f"`module` cannot process a batch of shape {shape}: {str(error).rstrip('. ')}. {advice}"
        ) from error


def _which_weights(weights: Any, module: Any) -> tuple[Any, str | os.PathLike | None]:
    """Return ``weights`` as torchvision's enum or as a file."""
    if weights is None:
        return None, None
    path = os.path.expanduser(weights)
    if os.path.isfile(path):
        return None, path
    names = []
    if isinstance(module, str):
        from torchvision import models

        if module in models.list_models(module=models):
            known = models.get_model_weights(module)
            if weights in known.__members__:
                return known[str(weights)], None
            names = list(known.__members__)
    known_names = (
        f", or one of {names}" if names else " (names need a `module` of torchvision by name)"
    )
    raise ValueError(
        f"`weights` must be None, an existing file with a state_dict{known_names}, got "
        f"{weights!r:.80}."
    )


def _front(normalize: Any, shape: tuple[int, ...], weights: Any, *, rgb: bool) -> nn.Module:
    layers: list[nn.Module] = []
    if is_tokens(shape) and normalize not in ("auto", None):
        raise ValueError(
            f"`normalize` must be None or 'auto' for rows of tokens, whose ids are names, got "
            f"{normalize!r}."
        )
    if normalize not in ("auto", None):
        check_normalize(normalize, shape[0])
        layers.append(Normalize(*(IMAGENET if normalize == "imagenet" else normalize)))
    if rgb:
        layers.append(ToRGB(shape[0]))
    if normalize == "auto" and weights is not None:
        preset = weights.transforms()
        layers.append(Normalize(preset.mean, preset.std))
    return nn.Sequential(*layers)


def _channel_axis(front: nn.Module, network: nn.Module, layer: str, x: Tensor) -> int:
    """Return which axis of the layer's output has its channels: the last one in some networks."""
    if x.ndim != 4:
        return 1
    try:
        place = find_place(nn.Sequential(front, network), x, f"1.{layer}".removesuffix("."))
    except ValueError:  # its output is no image
        return 1
    return place.order[1] if len(place.order) == 4 else 1


def _locate(
    front: nn.Module, network: nn.Module, layer: str | None, x: Tensor, noise: Noise
) -> tuple[str, str]:
    """Return the name of the layer that gives the embeddings, and which end of it."""
    names = [name for name, _ in network.named_modules()]
    for inner in (f"network.{layer}", f"body.network.{layer}"):
        layer = inner if layer and layer not in names and inner in names else layer
    if layer is not None and layer not in names:
        shown = names if len(names) <= LISTED else [name for name in names if name.count(".") < 2]
        hidden = len(names) - len(shown)
        deeper = f" and {hidden} layers inside of these" if hidden else ""
        raise ValueError(
            f"`layer` must be one of {shown}{deeper} ('' is the output of `module`), got {layer!r}."
        )
    last: list[tuple[str, Any]] = []
    handles = [
        module.register_forward_hook(lambda _, args, output, name=name: last.append((name, output)))
        for name, module in network.named_modules()
        if isinstance(module, nn.Linear)
    ]
    before = [generator.get_state() for generator in noise.generators()]
    output = run(nn.Sequential(front, network), x)
    for handle in handles:
        handle.remove()
    pairs = zip(before, noise.generators(), strict=True)
    if not all(torch.equal(state, generator.get_state()) for state, generator in pairs):
        raise ValueError(
            "`module` draws random numbers in eval mode, so that a row would have another "
            "embedding in each call. Remove what draws, such as F.dropout without "
            "training=self.training."
        )
    if layer is not None:
        return layer, "output"
    if all(isinstance(getattr(network, part, None), nn.Module) for part in ("body", "head")):
        return "body", "output"
    return (last[-1][0], "input") if last and last[-1][1] is output else ("", "output")
