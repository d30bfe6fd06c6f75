"""The penalised cross entropy of a linear layer, as a function of its weights."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

CHUNK = 2**18  # values of the rows at a time: a chunk is read twice, and stays in the cache


@dataclass
class LinearLoss:
    """A penalised cross entropy of a linear layer, as a function of its weights.

    Parameters
    ----------
    rows : callable
        ``rows(numbers)`` returns features (b, d), float64, of a slice or of an array of numbers;
        those of a slice are good until the next call.
    y : Tensor of shape (m,), int64
        Class codes.
    weight : Tensor of shape (m,), float64
        Above 0, divided by the number of training rows.
    n_classes : int
    n_features : int
    shift : Tensor of shape (k,), float64, default=None
        What is added to the logits.
    intercept : bool, default=True
        Whether the layer has a bias.
    decay : float, default=0.0
        At least 0.

    Attributes
    ----------
    loss : float
        Cross entropy of the last weights, without the penalty.
    """

    rows: Callable[[slice | np.ndarray], Tensor]
    y: Tensor
    weight: Tensor
    n_classes: int
    n_features: int
    shift: Tensor | None = None
    intercept: bool = True
    decay: float = 0.0
    loss: float = field(init=False, default=float("nan"))

    @property
    def size(self) -> int:
        """Weights of one class."""
        return self.n_features + self.intercept

    @property
    def parts(self) -> list[slice]:
        """The rows, chunk by chunk."""
        step = max(64, CHUNK // max(1, self.n_features))
        return [slice(first, first + step) for first in range(0, len(self.y), step)]

    def __call__(self, weights: Tensor) -> tuple[float, Tensor]:
        """Return the penalised loss of weights (k, size), intercepts last, and its gradient."""
        # Contiguous: BLAS takes a multiple of the time for columns of a wider matrix.
        W = weights[:, : self.n_features].contiguous()
        # What is added to all rows: intercepts, and the shift.
        added = weights.new_zeros(self.n_classes)
        if self.intercept:
            added = weights[:, -1]
        if self.shift is not None:
            added = added + self.shift
        gradient = torch.zeros_like(W)
        of_intercepts = weights.new_zeros(self.n_classes)
        total = weights.new_zeros(())
        for part in self.parts:
            x = self.rows(part)
            logits = torch.addmm(added, x, W.T)
            y = self.y[part, None]
            weight = self.weight[part]
            log_sum = logits.logsumexp(1)
            total += weight @ (log_sum - logits.gather(1, y).squeeze(1))
            residual = logits.sub_(log_sum[:, None]).exp_()
            residual.scatter_add_(1, y, residual.new_full((1, 1), -1.0).expand_as(y))
            residual *= weight[:, None]
            gradient.addmm_(residual.T, x)
            of_intercepts += residual.sum(0)
        if self.intercept:
            gradient = torch.cat([gradient, of_intercepts[:, None]], dim=1)
        gradient.add_(weights, alpha=self.decay)
        self.loss = float(total)
        # Without a penalty weights may be so large that their squares overflow.
        penalty = self.decay / 2 * float(weights.square().sum()) if self.decay else 0.0
        return self.loss + penalty, gradient

    def with_ones(self, x: Tensor) -> Tensor:
        """Return rows (b, d) as the weights see them, intercepts last; (b, size)."""
        return torch.cat([x, x.new_ones(len(x), 1)], dim=1) if self.intercept else x

    def scales(self) -> Tensor:
        """Return the root of each column's mean square, 1 for one of zeros; (size,)."""
        scales = self._scales(None)
        if not bool(((scales > 0) & scales.isfinite()).all()):
            # Squares of very large or small values are no numbers any more, or 0.
            largest = torch.stack([self.rows(part).abs().amax(0) for part in self.parts]).amax(0)
            largest = torch.where(largest > 0, largest, 1.0)
            scales = largest * self._scales(largest)
        scales = torch.cat([scales, self.weight.sum().sqrt()[None]])[: self.size]
        return torch.where(scales > 0, scales, 1.0)

    def _scales(self, unit: Tensor | None) -> Tensor:
        """Return the root of each column's mean square, in the units given; (d,)."""
        square = self.weight.new_zeros(self.n_features)
        for part in self.parts:
            x = self.rows(part)
            square += self.weight[part] @ (x if unit is None else x / unit).square()
        return square.sqrt()
