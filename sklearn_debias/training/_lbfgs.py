"""The minimum of a penalised cross entropy over the weights of a linear layer, by L-BFGS.

The loss is ``sum_i w_i CE(W x_i + b + shift, y_i) / n + decay / 2 (|W|^2 + |b|^2)``, which is what
Adam and SGD minimise with a `weight_decay`: torch's decays the intercepts, too.

L-BFGS (Liu and Nocedal, Mathematical Programming 45, 1989) is scipy's, in float64, and in
coordinates that suit the rows. Where rows can be told apart nearly without a loss, the minimum is a
small number, and the loss curves there as little: so often as it has become ten times smaller, a
new search goes on in that unit, and in coordinates that are white where it begins.
"""

from dataclasses import dataclass
from time import perf_counter

import numpy as np
import scipy.optimize
import torch
from torch import Tensor

from sklearn_debias.training._coordinates import Columns, Coordinates, Span
from sklearn_debias.training._linear_loss import LinearLoss

WIDEST = 4096  # columns, or rows, that are whitened together, if there are no fewer rows
LARGEST = 2**24  # values of rows that are turned into their span: they are held in float64
MANY = 4  # rows per column: the loss curves at its minimum about as at the start
FEWEST = 10  # iterations in columns that are scaled by themselves
CHEAP = 32  # columns: what it costs to whiten them is, per iteration, so many
TOLERANCE = 3e-6  # of each entry of the gradient, in the coordinates and the unit of the search
GOOD_ENOUGH = 1e-4  # where rounding ends the search
NEAR = 1e-6  # of the loss: as much above the minimum is as good as there
AGAIN = 4  # times as many in white ones, after which they are made anew
FALL = 0.1  # of the loss, after which the search begins anew
SMALLEST = 1e-10  # unit


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
        The largest entry of the gradient where the search ended, in its coordinates, and of the
        loss in the unit that it had come to.
    """

    weights: Tensor
    losses: list[float]
    seconds: list[float]
    converged: bool
    objective: float
    slope: float


def minimum(loss: LinearLoss, max_iter: int) -> Minimum:
    """Return the minimum of the loss, from weights of 0, by at most so many iterations."""
    search = _Search(loss, max_iter)
    along = _first(loss, search.weights)
    whiten = isinstance(along.axes, Span) or loss.n_features <= min(WIDEST, len(loss.y))
    # As many iterations as white coordinates cost: who needs few does not pay for them.
    cost = max(FEWEST, min(len(loss.y), loss.n_features) // CHEAP)
    few = cost if along.factor is None else AGAIN * cost
    while search.run(along, few if whiten else max_iter) and search.left > 0:
        along = along.moved(search.weights)
        if whiten:
            along = along.whitened(loss, search.unit)
            few = AGAIN * cost
    seconds = np.diff(search.clock).tolist()
    return Minimum(
        search.weights,
        search.losses,
        seconds,
        search.converged,
        search.objective,
        search.slope,
    )


def _first(loss: LinearLoss, weights: Tensor) -> Coordinates:
    """Return the coordinates in which a search begins at these weights."""
    n, d = len(loss.y), loss.n_features
    if d > n and n <= WIDEST and n * d <= LARGEST:
        return Coordinates(Span(loss), weights).whitened(loss, 1.0)
    columns = Coordinates(Columns(loss), weights)
    whiten = d <= WIDEST and n >= MANY * d
    return columns.whitened(loss, 1.0) if whiten else columns


class _Search:
    """A search for the minimum, in coordinates that may change on the way.

    Parameters
    ----------
    loss : LinearLoss
    max_iter : int
        Iterations in all.
    """

    def __init__(self, loss: LinearLoss, max_iter: int) -> None:
        self.loss = loss
        self.max_iter = max_iter
        self.weights = loss.weight.new_zeros(loss.n_classes, loss.size)
        self.losses: list[float] = []
        self.clock = [perf_counter()]
        self.objective = self.slope = float("nan")
        self.converged = False
        self.unit = 1.0

    @property
    def left(self) -> int:
        """Iterations that are left."""
        return self.max_iter - len(self.losses)

    def run(self, along: Coordinates, max_iter: int) -> bool:
        """Go on by at most so many iterations; return whether another run may come nearer."""
        shape = (self.loss.n_classes, along.axes.size)
        device = self.weights.device
        unit = self.unit
        fallen = False

        def value(flat: np.ndarray) -> tuple[float, np.ndarray]:
            at = torch.from_numpy(flat).reshape(shape).to(device)
            found, gradient = self.loss(along.weights(at))
            return found / unit, (along.gradient(gradient) / unit).cpu().numpy().ravel()

        def note(intermediate_result: scipy.optimize.OptimizeResult) -> None:
            nonlocal fallen
            self._note()
            # Without a penalty there may be no minimum to come near to.
            if self.loss.decay and unit > SMALLEST and intermediate_result.fun < FALL:
                fallen = True
                raise StopIteration

        before = len(self.losses)
        max_iter = min(max_iter, self.left)
        found = scipy.optimize.minimize(
            value,
            np.zeros(shape).ravel(),
            jac=True,
            method="L-BFGS-B",
            callback=note,
            options={
                "maxiter": max_iter,
                "maxfun": 50 * max_iter,
                "maxls": 50,
                "gtol": TOLERANCE,
                "ftol": 64 * np.finfo(np.float64).eps,
            },
        )
        if not self.losses:
            self._note()
        self.objective = unit * float(found.fun)
        self.slope = float(np.abs(found.jac).max())
        self.weights = along.weights(torch.from_numpy(found.x).reshape(shape).to(device))
        self.unit = unit * float(found.fun) if fallen else unit
        good = found.success or (found.status == 2 and self.slope <= GOOD_ENOUGH)
        self.converged = not fallen and bool(good or self._is_near())
        # Where rounding lets it take no step, another search would take none, either.
        return not self.converged and len(self.losses) > before

    def _is_near(self) -> bool:
        """Return whether the penalty alone shows that the minimum is hardly lower."""
        value, gradient = self.loss(self.weights)
        # A loss that curves by `decay` at least falls by no more than g^2 / (2 decay).
        return float(gradient.square().sum()) <= 2 * self.loss.decay * NEAR * value

    def _note(self) -> None:
        self.losses.append(self.loss.loss)  # the search ends an iteration where it looked last
        self.clock.append(perf_counter())
