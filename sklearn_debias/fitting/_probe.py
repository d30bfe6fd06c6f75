"""A look at a module before the first step: does it fit the data, does it draw numbers."""

import copy
import math
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.conv import _ConvNd
from torch.overrides import TorchFunctionMode

from sklearn_debias.core import Net
from sklearn_debias.core.internal import Unpacked, advice_on, is_of_transformers
from sklearn_debias.training import blamed, is_of_device, is_of_memory

# Below these, handing work between threads costs more than it gains.
SMALL = 1_000_000  # parameters
TINY_IMAGE = 512  # values


def check_module(module: nn.Module, x: Tensor, n_classes: int, name: str) -> Tensor:
    """Return the logits of ``x`` (b, ...); raise unless they are (b, n_classes) and can learn."""
    module.eval()  # BatchNorm's statistics must not see the rows that it is tried on
    with torch.no_grad():
        logits = _logits(module, x, n_classes, name, "")
    advice = "It must allow copy.deepcopy; parametrizations do, old-style weight_norm does not."
    with blamed(name, advice):
        # What trains may answer otherwise than in eval mode.
        learner = copy.deepcopy(module).train()
    if not _logits(learner, x, n_classes, name, " in train mode").requires_grad:
        raise ValueError(
            f"`{name}` has nothing to train: no gradient of its outputs reaches a parameter. Set "
            f"requires_grad, and remove detach() and no_grad() from its forward."
        )
    return logits


def _logits(module: nn.Module, x: Tensor, n_classes: int, name: str, mode: str) -> Tensor:
    version = x._version  # torch counts writes in place
    try:
        logits = module(x)
    except Exception as error:
        if is_of_memory(error) or is_of_device(error):
            raise
        advice = advice_on(module, x) or (
            "Check its input layer against X, or set `image_size`, as some networks take images of "
            "one size, or from a size up."
            if x.ndim == 4
            else "Check its input layer against X, or pass a name such as 'linear' or 'mlp'."
        )
        raise ValueError(
            f"`{name}` cannot process a batch of shape {tuple(x.shape)}{mode}: "
            f"{str(error).rstrip('. ')}. {advice}"
        ) from error
    found = tuple(logits.shape) if isinstance(logits, Tensor) else type(logits).__name__
    if found != (len(x), n_classes):
        raise ValueError(
            f"`{name}` must return one logit per class, a tensor of shape {(len(x), n_classes)} "
            f"for {len(x)} rows and {n_classes} classes, got {found}{mode}. "
            f"{_with_head(module, n_classes) or unpacking(logits)}"
        )
    if not logits.is_floating_point():
        raise ValueError(f"`{name}` must return floating logits, got {logits.dtype}.")
    if x._version != version:
        raise ValueError(
            f"`{name}` must not change its input in place: other networks see the same batch. Use "
            f"inplace=False in its first layers."
        )
    return logits


def _with_head(module: nn.Module, n_classes: int) -> str:
    """Return how a network of transformers gets a head for as many classes."""
    heads = [part.head_name for part in module.modules() if isinstance(part, Unpacked)]
    if any(heads):
        return f"Set num_labels={n_classes} in its configuration."
    if not any(is_of_transformers(part) for part in module.modules()):
        return ""
    return (
        "Pass a *ForSequenceClassification or *ForImageClassification of its kind, or put "
        "Embedder(module) in front of a classifier."
    )


def unpacking(output: Any) -> str:
    """Return what to do about a module that returns ``output`` instead of a tensor of logits."""
    if isinstance(output, Tensor):
        return "Change its last layer."
    if isinstance(getattr(output, "logits", None), Tensor):
        return "Its logits are inside: wrap it in a module whose forward returns module(x).logits."
    return (
        "Wrap it in a module whose forward returns the logits alone, or switch auxiliary outputs "
        "off."
    )


def check_gradient(module: nn.Module, x: Tensor, name: str) -> None:
    """Raise unless the logits depend on ``x`` differentiably."""
    x = x.detach().clone().requires_grad_(True)
    logits = module(x)
    gradient = None
    if logits.requires_grad:  # by its parameters at least
        (gradient,) = torch.autograd.grad(logits.sum(), x, allow_unused=True)
    if gradient is None:
        raise ValueError(
            f"`{name}` must be differentiable in its input to be attacked, but no gradient reaches "
            f"X. Remove argmax, rounding, detach() or no_grad() from its forward."
        )


def draws(module: nn.Module, x: Tensor, noise: Any) -> bool:
    """Return whether the module draws random numbers in train mode, as dropout does."""
    twin = copy.deepcopy(module).train()
    with noise, torch.no_grad():
        before = [generator.get_state() for generator in noise.generators()]
        try:
            twin(x)
        except (RuntimeError, ValueError):  # two rows may be too few for it: assume the worse
            return True
        after = [generator.get_state() for generator in noise.generators()]
    return not all(torch.equal(a, b) for a, b in zip(before, after, strict=True))


def mixes_rows(module: nn.Module, x: Tensor) -> bool:
    """Return whether the logits of the first row of ``x``, in train mode, depend on the others.

    What BatchNorm does is left aside. A module that cannot be tried is not suspected.
    """
    # As many rows in both, or kernels would round otherwise.
    copies = x[:1].expand_as(x).contiguous()
    try:
        with torch.no_grad(), WithoutBatchNorm() if has_batch_norm(module) else nullcontext():
            # From one state each: a pass may move buffers.
            among, alike = (Net(awake(module), eager=True)(rows)[0] for rows in (x, copies))
    except Exception as error:
        if is_of_memory(error) or is_of_device(error):
            raise
        return False
    if not bool((among.isfinite() & alike.isfinite()).all()):
        return False
    return bool((among - alike).abs().max() > 1e-3 * among.abs().max())


def awake(module: nn.Module) -> nn.Module:
    """Return a copy in train mode, whose weights of 0 would hide what stands before them."""
    twin = copy.deepcopy(module).train()
    for p in twin.parameters():
        if p.ndim > 1 and not p.any():
            p.copy_(torch.arange(p.numel(), device=p.device).cos().view_as(p))
    return twin


class WithoutBatchNorm(TorchFunctionMode):
    """A context in which BatchNorm in train mode returns its input, and moves no statistics."""

    def __torch_function__(
        self, func: Callable, types: Any, args: tuple = (), kwargs: dict | None = None
    ) -> Any:
        """Run a function of torch, but `batch_norm`."""
        if func is F.batch_norm:
            return args[0] if args else (kwargs or {})["input"]
        return func(*args, **(kwargs or {}))


def has_batch_norm(module: nn.Module) -> bool:
    """Return whether training needs batches of more than one row."""
    return any(isinstance(m, _BatchNorm) for m in module.modules())


def is_small(module: nn.Module, shape: tuple[int, ...]) -> bool:
    """Return whether the module runs faster on one CPU thread, as heads and perceptrons do."""
    parts = list(module.modules())
    light = sum(p.numel() for m in parts for p in m._parameters.values() if p is not None) < SMALL
    if not light or len(shape) == 1:
        return light
    return math.prod(shape) <= TINY_IMAGE or not any(isinstance(m, _ConvNd) for m in parts)


def like_probabilities(logits: Tensor) -> bool:
    """Return whether the outputs of a module look like probabilities."""
    total = logits.sum(-1)
    return bool((logits >= 0).all()) and torch.allclose(total, torch.ones_like(total), atol=1e-4)
