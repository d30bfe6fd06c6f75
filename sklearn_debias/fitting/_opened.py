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
from sklearn_debias.training import ArraySource, Prepare, Source, blamed, cpu_threads, padded


@dataclass(frozen=True)
class Opened:
    """A frozen network in eval mode, and rows of X and y.

    Parameters
    ----------
    net : Net
        Frozen: its parameters and buffers are read, never written.
    source : Source
        The rows.
    prepare : Prepare
        Makes of them what the network sees: floats on its device, uint8 images in [0, 1].
    y : Tensor of shape (n,), int64, or None
        Class codes on the CPU.
    low, high : float
        Range of the prepared values.
    small : bool, default=False
        Whether one CPU thread is faster than several.
    rows : int or None, default=None
        Rows of a batch; None takes the device's number.
    """

    net: Net
    source: Source
    prepare: Prepare
    y: Tensor | None
    low: float
    high: float
    small: bool = False
    rows: int | None = None

    def __len__(self) -> int:
        return len(self.source)

    def batches(self, function: Callable[[Tensor, Any, np.ndarray], Tensor]) -> Iterator[Tensor]:
        """``function(x, y, row numbers)`` of batches padded to one shape: no row depends on its neighbours.

        ``x`` and ``y`` are on the network's device; ``y`` is None where no labels were given.
        """

        def prepared(x: Tensor, index: np.ndarray) -> Tensor:
            out = function(x, None if self.y is None else self.y[index].to(x.device), index)
            return (
                out.float() if out.dtype in (torch.bfloat16, torch.float16) else out
            )  # NumPy knows no bfloat16

        return padded(prepared, self.source, self.prepare, self.rows)

    @contextmanager
    def terms(self) -> Iterator[None]:
        """Work with gradients whatever the caller's mode, on as many threads as suit; both come back."""
        with torch.inference_mode(False), torch.enable_grad(), cpu_threads(small=self.small):
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
    with torch.inference_mode(False):  # copies made inside of it would have no gradient
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
    """The estimator inside scikit-learn's `FrozenEstimator`."""
    return model.estimator if isinstance(model, FrozenEstimator) else model


def _open_module(module: nn.Module, X: Any, y: Any, name: str) -> Opened:
    with blamed("X", "For a module it must be a float array or tensor (n, ...), or uint8 images."):
        if isinstance(X, Tensor):
            X = X.detach().cpu()
            X = X.float() if X.dtype == torch.bfloat16 else X  # NumPy knows no bfloat16
        rows = np.asarray(X)
        if rows.dtype.kind not in "fiub" or rows.ndim < 2:
            raise ValueError(f"it has dtype {rows.dtype} and shape {rows.shape}")
        if 0 in rows.shape:
            raise ValueError(f"it is empty: shape {rows.shape}")
        if not np.isfinite(rows).all():
            raise ValueError("it contains NaN or infinity")
        rows = rows.astype(
            rows.dtype.newbyteorder("="), copy=False
        )  # torch knows this machine's byte order only
    parameter = next(module.parameters(), torch.zeros(0))
    scaled = 255.0 if rows.dtype == np.uint8 and rows.ndim == 4 else 1.0
    codes = None
    if y is not None:
        with blamed(
            "y", "For a module it must hold class codes 0 to classes - 1, one per row of X."
        ):
            labels = np.asarray(y.cpu() if isinstance(y, Tensor) else y)
            if labels.dtype.kind in "OSU" and any(
                isinstance(label, str | bytes) for label in labels.flat
            ):
                raise ValueError("it holds string labels, pass codes")
            codes = torch.tensor(labels.astype(labels.dtype.newbyteorder("=")))
            if codes.shape != rows.shape[:1] or codes.is_floating_point() or codes.is_complex():
                raise ValueError(
                    f"it has dtype {codes.dtype} and shape {tuple(codes.shape)} for {len(rows)} "
                    "rows"
                )
            codes = codes.long()
    prepare = Prepare(parameter.device, parameter.dtype)
    with blamed(
        name,
        "It is copied: set to None what it keeps of earlier calls, such as outputs with a "
        "gradient.",
    ):
        net = Net(split(copy.deepcopy(module))).frozen()
    source = ArraySource(rows)
    with (
        torch.no_grad(),
        blamed(name, "It must map rows like X, images as (n, c, h, w), to logits (n, classes)."),
    ):
        logits = net(prepare(source.take(np.arange(1))))
    if not isinstance(logits, Tensor) or logits.ndim != 2:
        raise ValueError(f"`{name}` must map rows to logits of shape (n, classes).")
    if codes is not None and (codes.min() < 0 or codes.max() >= logits.shape[1]):
        raise ValueError(
            f"`y` must hold class codes 0 to {logits.shape[1] - 1}, got {codes.min()} to "
            f"{codes.max()}."
        )
    return Opened(
        net, source, prepare, codes, float(rows.min()) / scaled, float(rows.max()) / scaled
    )
