"""A trained network and rows as it sees them: what attacks and attention maps work on."""

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from sklearn.frozen import FrozenEstimator
from torch import Tensor, nn

from sklearn_debias.core import Net, split
from sklearn_debias.core.internal import is_tokens
from sklearn_debias.fitting._devices import on_own_terms
from sklearn_debias.fitting._inputs import FIRST, Inputs, open_inputs
from sklearn_debias.fitting._probe import unpacking
from sklearn_debias.fitting._targets import read_codes
from sklearn_debias.rows import check_same_rows
from sklearn_debias.training import Prepare, Source, blamed, inference_rows, padded

NO_GRADIENT = (
    "`X` must hold features or images to be attacked or explained, got rows of tokens, whose ids "
    "are names: no gradient reaches them. Fit a model to embeddings of text, by Embedder(module)."
)


@dataclass(frozen=True)
class Opened:
    """A frozen network in eval mode, and rows of X and y.

    Parameters
    ----------
    net : Net
        Frozen: its parameters and buffers are read, never written.
    inputs : Inputs
        The rows.
    prepare : Prepare
        Makes of them what the network sees: floats on its device, uint8 images in [0, 1].
    y : Tensor of shape (n,), int64, or None
        Class codes on the CPU.
    small : bool, default=False
        Whether one CPU thread is faster than several.
    batch_size : int or None, default=None
        Rows of a batch; None takes as many as images are predicted in.
    """

    net: Net
    inputs: Inputs
    prepare: Prepare
    y: Tensor | None
    small: bool = False
    batch_size: int | None = None

    def __len__(self) -> int:
        return len(self.inputs)

    @property
    def source(self) -> Source:
        """The rows, by number."""
        return self.inputs.source

    @property
    def n_rows(self) -> int:
        """Rows of a batch, as they are predicted."""
        return self.batch_size or inference_rows(self.prepare.device, self.inputs.shape)

    def batches(self, function: Callable[[Tensor, Any, np.ndarray], Tensor]) -> Iterator[Tensor]:
        """Yield ``function(x, y, row numbers)`` of batches padded to one shape.

        ``x`` and ``y`` are on the network's device; ``y`` is None where no labels were given.
        """

        def prepared(x: Tensor, index: np.ndarray) -> Tensor:
            out = function(x, None if self.y is None else self.y[index].to(x.device), index)
            # NumPy knows no bfloat16.
            return out.float() if out.dtype in (torch.bfloat16, torch.float16) else out

        return padded(prepared, self.source, self.prepare, self.n_rows)

    @contextmanager
    def terms(self) -> Iterator[None]:
        """Work with gradients, on as many threads as suit; the caller's settings come back."""
        with on_own_terms(small=self.small):
            yield


def open_model(model: Any, X: Any, y: Any = None, *, name: str = "estimator") -> Opened:
    """Open a fitted classifier of this package, or a plain module, on some rows.

    Parameters
    ----------
    model : fitted classifier, also in a FrozenEstimator, or nn.Module
        A module maps inputs to logits; its labels are the codes 0 to classes - 1. It is left as it
        is.
    X : array-like
        For a module: a float array or tensor (n, ...); uint8 images are scaled to [0, 1].
    y : array-like of shape (n,), default=None
    name : str, default="estimator"
        What the caller calls ``model``; for messages.

    Raises
    ------
    TypeError
        For anything else, pipelines among them: a gradient does not reach through their steps.
    """
    model = unwrapped(model)
    check_same_rows({"X": X, "y": y})
    with on_own_terms(small=False):  # a copy made in inference mode would have no gradient
        if hasattr(type(model), "_opened"):
            return model._opened(X, y)
        if isinstance(model, nn.Module):
            return _open_module(model, X, y, name)
    advice = " Pass its last step, and X as that step sees it." if hasattr(model, "steps") else ""
    advice = " Pass its best_estimator_." if hasattr(model, "best_estimator_") else advice
    raise TypeError(
        f"`{name}` must be a fitted classifier of sklearn_debias or a torch module, got a "
        f"{type(model).__name__}: no gradient reaches its input.{advice}"
    )


def unwrapped(model: Any) -> Any:
    """Return the estimator inside scikit-learn's `FrozenEstimator`."""
    return model.estimator if isinstance(model, FrozenEstimator) else model


def _open_module(module: nn.Module, X: Any, y: Any, name: str) -> Opened:
    with blamed("X", "For a module it must hold rows of numbers, and not be empty."):
        inputs = open_inputs(X, dtype=None, any_rank=True)
    if is_tokens(inputs.shape):
        raise ValueError(NO_GRADIENT)
    codes = None if y is None else read_codes(y, len(inputs))
    parameter = next(module.parameters(), torch.zeros(0))  # a module may have none
    prepare = Prepare(parameter.device, parameter.dtype)
    advice = (
        "It is copied: set to None what it keeps of earlier calls, such as outputs with a gradient."
    )
    with blamed(name, advice):
        net = Net(split(copy.deepcopy(module))).frozen()
    advice = "It must map rows like X, images as (n, c, h, w), to logits (n, classes)."
    with torch.no_grad(), blamed(name, advice):
        logits = net(prepare(inputs.source.take(FIRST)))
    if not isinstance(logits, Tensor) or logits.ndim != 2:
        found = tuple(logits.shape) if isinstance(logits, Tensor) else type(logits).__name__
        raise ValueError(
            f"`{name}` must map rows to logits of shape (n, classes), got {found} for one row. "
            f"{unpacking(logits)}"
        )
    if codes is not None and (codes.min() < 0 or codes.max() >= logits.shape[1]):
        raise ValueError(
            f"`y` must hold class codes 0 to {logits.shape[1] - 1}, got {codes.min()} to "
            f"{codes.max()}."
        )
    return Opened(net, inputs, prepare, codes)
