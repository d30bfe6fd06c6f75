"""Coordinates in which a search for the weights of a linear layer goes fast.

The loss of a linear layer curves by its rows: long columns make it steep, columns that go together
make it a valley. A search takes a tenth of the iterations where it curves alike in all directions.
Coordinates change nothing else: weights, loss, gradient and minimum are the same in all of them.
"""

from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from sklearn_debias.training._linear_loss import LinearLoss

SAMPLE = 16  # rows that show how columns go together, per column
RIDGE = 1e-6  # of the mean curvature: a gap in the rows' rank must not become a long axis
GAPS = (1e-12, 1e-9, 1e-6)  # the same of the rows' products: the first that rounding lets pass


class Axes(Protocol):
    """Directions of the weights, each as long as it suits the rows."""

    size: int  # their number

    def weights(self, at: Tensor) -> Tensor:
        """Return the weights (k, size) at coordinates (k, r)."""

    def gradient(self, gradient: Tensor) -> Tensor:
        """Return the gradient along the axes, (k, r), of one by the weights, (k, size)."""

    def curvature(self, loss: LinearLoss, weights: Tensor) -> Tensor:
        """Return how the loss curves along the axes at these weights, by its mean over classes."""


class Columns:
    """The columns, each scaled by itself.

    Parameters
    ----------
    loss : LinearLoss
    """

    def __init__(self, loss: LinearLoss) -> None:
        # What the softmax of k equal logits curves along one of them. No squares: they overflow.
        curvature = (1 - 1 / loss.n_classes) / loss.n_classes
        scales = loss.scales()
        decay = scales.new_tensor(loss.decay)
        self.scale = torch.hypot(curvature**0.5 * scales, decay.sqrt())
        self.size = len(scales)

    def weights(self, at: Tensor) -> Tensor:
        return at / self.scale

    def gradient(self, gradient: Tensor) -> Tensor:
        return gradient / self.scale

    def curvature(self, loss: LinearLoss, weights: Tensor) -> Tensor:
        """Return it by a sample of the rows."""
        n = min(len(loss.y), max(SAMPLE * loss.n_features, SAMPLE * 256))
        chosen = np.unique(np.linspace(0, len(loss.y) - 1, n).astype(np.int64))
        x = loss.with_ones(loss.rows(chosen))
        there = torch.from_numpy(chosen).to(loss.weight.device)
        weight = loss.weight[there]
        weight = weight * (loss.weight.sum() / weight.sum())
        curved = _curved(loss, x @ weights.T, weight)
        return _products(x / self.scale, curved) + torch.diag(
            (loss.decay**0.5 / self.scale).square()
        )


class Span:
    """The span of the rows, where these are fewer than their columns, by orthonormal directions.

    Intercepts are a direction of their own. The minimum lies in the span: beyond it there is the
    penalty alone. A search that starts at 0 in other coordinates leaves the span, and comes back as
    slowly as the penalty is weak.

    Parameters
    ----------
    loss : LinearLoss
    """

    def __init__(self, loss: LinearLoss) -> None:
        x = loss.weight.new_empty(len(loss.y), loss.n_features)
        for part in loss.parts:
            x[part] = loss.rows(part)
        largest = max(float(x.max()), -float(x.min())) or 1.0  # products of large rows overflow
        x /= largest
        lower = _factor(x @ x.T)
        self.directions = torch.linalg.solve_triangular(lower, x, upper=False)
        # As steep as the steepest column, or as the penalty.
        self.unit = max(largest, loss.decay**0.5)
        # The rows are unit times lower times the directions.
        self.lower = largest / self.unit * lower
        self.size = len(x) + loss.intercept

    def weights(self, at: Tensor) -> Tensor:
        n, _ = self.directions.shape
        return torch.cat([(at[:, :n] / self.unit) @ self.directions, at[:, n:]], dim=1)

    def gradient(self, gradient: Tensor) -> Tensor:
        _, d = self.directions.shape
        return torch.cat([(gradient[:, :d] / self.unit) @ self.directions.T, gradient[:, d:]], 1)

    def curvature(self, loss: LinearLoss, weights: Tensor) -> Tensor:
        n, d = self.directions.shape
        logits = self.unit * (self.lower @ (self.directions @ weights[:, :d].T))
        if loss.intercept:
            logits = logits + weights[:, d]
        curved = _curved(loss, logits, loss.weight)
        decay = curved.new_full((self.size,), loss.decay)
        decay[:n] = (loss.decay**0.5 / self.unit) ** 2
        return _products(loss.with_ones(self.lower), curved) + torch.diag(decay)


def _products(x: Tensor, weight: Tensor) -> Tensor:
    """Return the weighted products of the columns of ``x``."""
    # Float32 will do for coordinates, and takes half the time.
    x = (x * weight.sqrt()[:, None]).float()
    return (x.T @ x).double()


def _factor(products: Tensor) -> Tensor:
    """Return the lower triangle of positive products, some of which rounding may have made 0."""
    for gap in GAPS:
        largest = float(products.diagonal().max()) or 1.0  # no row may hold anything
        ridge = torch.full_like(products.diagonal(), gap * largest)
        factor, failed = torch.linalg.cholesky_ex(products + torch.diag(ridge))
        if not failed:
            break
    return factor


def _curved(loss: LinearLoss, logits: Tensor, weight: Tensor) -> Tensor:
    """Return how the loss of each row curves along its logits, by the mean over the classes."""
    if loss.shift is not None:
        logits = logits + loss.shift
    p = logits.softmax(1)
    return weight * (p * (1 - p)).mean(1)


@dataclass(frozen=True)
class Coordinates:
    """Coordinates of weights, from an origin on.

    Parameters
    ----------
    axes : Axes
    origin : Tensor of shape (k, size)
    factor : Tensor of shape (r, r), default=None
        Lower triangle of the curvature along the axes, which it makes the same in all directions.
    """

    axes: Axes
    origin: Tensor
    factor: Tensor | None = None

    def whitened(self, loss: LinearLoss, unit: float) -> "Coordinates":
        """Return coordinates in which loss / unit curves alike at the origin, if that can be."""
        curvature = self.axes.curvature(loss, self.origin) / unit
        curvature.diagonal().add_(RIDGE * float(curvature.diagonal().mean()))
        factor, failed = torch.linalg.cholesky_ex(curvature)
        return self if failed else replace(self, factor=factor)

    def moved(self, weights: Tensor) -> "Coordinates":
        """Return the same axes from these weights on."""
        return replace(self, origin=weights)

    def weights(self, at: Tensor) -> Tensor:
        """Return the weights at coordinates (k, r)."""
        if self.factor is not None:
            at = torch.linalg.solve_triangular(self.factor, at, upper=False, left=False)
        return self.origin + self.axes.weights(at)

    def gradient(self, gradient: Tensor) -> Tensor:
        """Return the gradient along the coordinates."""
        along = self.axes.gradient(gradient)
        if self.factor is None:
            return along
        return torch.linalg.solve_triangular(self.factor.T, along, upper=True, left=False)
