"""The minimum of a penalised cross entropy over the weights of a linear layer, by L-BFGS.

The loss is ``sum_i w_i CE(W x_i + b + shift, y_i) / n + decay / 2 (|W|^2 + |b|^2)``, which is what
Adam and SGD minimise with a `weight_decay`: torch's decays the intercepts, too.

L-BFGS (Liu and Nocedal, Mathematical Programming 45, 1989) is scipy's. It sees other coordinates:
at first columns on one scale; and where that does not end soon, coordinates in which the loss
curves alike in all directions, where it takes a tenth of the iterations. Both are float64; the rows
are read chunk by chunk, in the type that they have.
"""

import copy
from collections.abc import Callable
from dataclasses import dataclass, field
from time import perf_counter

import numpy as np
import scipy.optimize
import torch
from torch import Tensor

CHUNK = 2**18  # values of the rows at a time: a chunk is read twice, and stays in the cache
WIDEST = 4096  # columns that are whitened together, if there are no fewer rows
MANY = 4  # rows per column: the loss curves at its minimum about as at the start
SAMPLE = 16  # rows that show how columns go together, per column
FEWEST = 10  # iterations in columns that are scaled by themselves
CHEAP = 32  # columns: what it costs to whiten them is, per iteration, so many
TOLERANCE = 3e-6  # of each entry of the gradient, in the coordinates of the search
GOOD_ENOUGH = 1e-4  # where rounding ends the search
RIDGE = 1e-6  # of a column's curvature: a gap in the rows' rank must not become a long axis


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
        return self.loss + self.decay / 2 * float(weights.square().sum()), gradient

    def scales(self) -> Tensor:
        """Return the root of each column's mean square, 1 for one of zeros; (size,)."""
        square = self.weight.new_zeros(self.n_features)
        for part in self.parts:
            square += self.weight[part] @ self.rows(part).square()
        square = torch.cat([square, self.weight.sum()[None]])[: self.size]
        return torch.where(square > 0, square, 1.0).sqrt()


class Coordinates:
    """Coordinates of the weights in which the loss curves about alike in all directions.

    At first each column is scaled by itself. `whitened` takes all columns together, as the loss
    curves at given weights.

    Parameters
    ----------
    loss : LinearLoss
    """

    def __init__(self, loss: LinearLoss) -> None:
        # What the softmax of k equal logits curves along one of them.
        curvature = (1 - 1 / loss.n_classes) / loss.n_classes
        self.scale = (curvature * loss.scales().square() + loss.decay).sqrt()
        self.factor: Tensor | None = None

    def whitened(self, loss: LinearLoss, weights: Tensor) -> "Coordinates":
        """Return coordinates that are white at these weights, or these if there are none."""
        factor, failed = torch.linalg.cholesky_ex(_curvature(loss, weights, self.scale))
        if failed:
            return self
        white = copy.copy(self)
        white.factor = factor
        return white

    def weights(self, at: Tensor) -> Tensor:
        """Return the weights at coordinates (k, size)."""
        if self.factor is not None:
            at = torch.linalg.solve_triangular(self.factor, at, upper=False, left=False)
        return at / self.scale

    def of(self, weights: Tensor) -> Tensor:
        """Return the coordinates of weights (k, size)."""
        scaled = weights * self.scale
        return scaled if self.factor is None else scaled @ self.factor

    def gradient(self, gradient: Tensor) -> Tensor:
        """Return the gradient along the coordinates."""
        scaled = gradient / self.scale
        if self.factor is None:
            return scaled
        return torch.linalg.solve_triangular(self.factor.T, scaled, upper=True, left=False)


def _curvature(loss: LinearLoss, weights: Tensor, scale: Tensor) -> Tensor:
    """Return the mean curvature over the classes, in scaled columns, by a sample of the rows."""
    n = min(len(loss.y), max(SAMPLE * loss.n_features, SAMPLE * 256))
    chosen = np.unique(np.linspace(0, len(loss.y) - 1, n).astype(np.int64))
    there = torch.from_numpy(chosen).to(loss.weight.device)
    weight = loss.weight[there]
    weight = weight * (loss.weight.sum() / weight.sum())
    x = loss.rows(chosen)
    if loss.intercept:
        x = torch.cat([x, x.new_ones(len(x), 1)], dim=1)
    logits = x @ weights.T
    if loss.shift is not None:
        logits = logits + loss.shift
    p = logits.softmax(1)
    root = (weight * (p * (1 - p)).mean(1)).sqrt()
    # Float32 will do for coordinates, and takes half the time.
    x = (x / scale * root[:, None]).float()
    return (x.T @ x).double() + torch.diag(loss.decay / scale.square() + RIDGE)


@dataclass(frozen=True)
class Minimum:
    """What a search for the minimum found.

    Parameters
    ----------
    weights : Tensor of shape (k, size), float64
    losses : list of float
        Cross entropy after each iteration; of the start, if it is the minimum.
    seconds : list of float
        That each iteration took.
    converged : bool
    objective : float
        Penalised loss of ``weights``.
    slope : float
        The largest entry of the gradient in the coordinates of the search.
    """

    weights: Tensor
    losses: list[float]
    seconds: list[float]
    converged: bool
    objective: float
    slope: float


def minimum(loss: LinearLoss, max_iter: int) -> Minimum:
    """Return the minimum of the loss, from weights of 0, by at most so many iterations."""
    search = _Search(loss)
    simple = Coordinates(loss)
    if loss.n_features > min(WIDEST, len(loss.y)):
        found = search.run(simple, max_iter)
    elif len(loss.y) >= MANY * loss.n_features:
        found = search.run(simple.whitened(loss, search.weights), max_iter)
    else:
        # As many iterations as white coordinates cost: who needs few does not pay for them.
        found = search.run(simple, min(max_iter, max(FEWEST, loss.n_features // CHEAP)))
        left = max_iter - len(search.losses)
        if not found and left > 0:
            found = search.run(simple.whitened(loss, search.weights), left)
    seconds = np.diff(search.clock).tolist()
    return Minimum(search.weights, search.losses, seconds, found, search.objective, search.slope)


class _Search:
    """A search for the minimum, in coordinates that may change on the way.

    Parameters
    ----------
    loss : LinearLoss
    """

    def __init__(self, loss: LinearLoss) -> None:
        self.loss = loss
        self.weights = loss.weight.new_zeros(loss.n_classes, loss.size)
        self.losses: list[float] = []
        self.clock = [perf_counter()]
        self.objective = self.slope = float("nan")

    def run(self, along: Coordinates, max_iter: int) -> bool:
        """Go on by at most so many iterations; return whether the minimum is reached."""
        shape = self.weights.shape
        device = self.weights.device

        def value(flat: np.ndarray) -> tuple[float, np.ndarray]:
            at = torch.from_numpy(flat).reshape(shape).to(device)
            found, gradient = self.loss(along.weights(at))
            return found, along.gradient(gradient).cpu().numpy().ravel()

        found = scipy.optimize.minimize(
            value,
            along.of(self.weights).cpu().numpy().ravel(),
            jac=True,
            method="L-BFGS-B",
            callback=self._note,
            options={
                "maxiter": max_iter,
                "maxfun": 50 * max_iter,
                "maxls": 50,
                "gtol": TOLERANCE,
                "ftol": 64 * np.finfo(np.float64).eps,
            },
        )
        if not self.losses:
            self._note(found.x)
        self.objective = float(found.fun)
        self.slope = float(np.abs(found.jac).max())
        self.weights = along.weights(torch.from_numpy(found.x).reshape(shape).to(device))
        return bool(found.success or (found.status == 2 and self.slope <= GOOD_ENOUGH))

    def _note(self, _: np.ndarray) -> None:
        self.losses.append(self.loss.loss)  # the search ends an iteration where it looked last
        self.clock.append(perf_counter())
