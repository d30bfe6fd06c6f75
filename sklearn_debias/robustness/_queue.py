"""Attack many rows in one batch of fixed shape, whose places are filled anew as rows are done."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from sklearn_debias.attacks import Look, StepwiseAttack, Threat, row_keys
from sklearn_debias.fitting import Opened

SIGNS = ("flat", "lost", "undefined")  # of `Look`


@dataclass
class Queue:
    """Rows on their way through an attack.

    A batch has one shape from the first step to the last, since kernels sum in an order that
    depends on it: a row's result then depends neither on its neighbours nor on the order. A row
    that is done gives its place to the next; when none is left, the places idle.

    Parameters
    ----------
    attack : StepwiseAttack
    opened : Opened
    threat : Threat
    seed : int
        Of the random numbers, with each row's content.
    early : bool
        Whether a row is done as soon as it is fooled.
    done : callable
        ``done(row numbers, look, places, signs)`` with the places of the batch where these rows
        are, and what each of them met on its way: see `signs_of`.
    """

    attack: StepwiseAttack
    opened: Opened
    threat: Threat
    seed: int
    early: bool
    done: Callable[[np.ndarray, Look, Tensor, Tensor], None]
    waiting: deque = field(default_factory=deque)

    def run(self, numbers: np.ndarray) -> None:
        """Attack the rows of these ``numbers``."""
        device = self.opened.prepare.device
        places = self.opened.n_rows
        self.waiting.extend(numbers.tolist())
        # Places without a row repeat one, so that the batch has its shape; they are never read.
        index = np.resize(self._next(places), places)
        busy = np.arange(places) < len(numbers)
        x, y, state = self._load(index)
        signs = torch.zeros((places, len(SIGNS)), dtype=torch.bool, device=device)
        while busy.any():
            look = self.attack.step(self.opened.net, x, y, self.threat, state)
            state = dict(look.state)  # a copy, which `_fill` may change
            signs = signs | signs_of(look)
            over = look.over | look.fools if self.early else look.over
            leaving = np.flatnonzero(busy & over.cpu().numpy())
            if len(leaving) == 0:
                continue
            at = torch.from_numpy(leaving).to(device)
            self.done(index[leaving], look, at, signs[at])
            fresh = self._next(len(leaving))
            busy[leaving[len(fresh) :]] = False
            if len(fresh):
                self._fill(leaving[: len(fresh)], fresh, index, x, y, state, signs)

    def _next(self, n: int) -> np.ndarray:
        """Take up to ``n`` rows from those that wait."""
        n = min(n, len(self.waiting))
        return np.array([self.waiting.popleft() for _ in range(n)], dtype=int)

    def _load(self, index: np.ndarray) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
        """Return rows as the network sees them, their labels, and where their attack begins."""
        x = self.opened.prepare(self.opened.source.take(index))
        y = self.opened.y[index].to(x.device)  # type: ignore[index]
        return x, y, dict(self.attack.begin(x, self.threat, row_keys(x, self.seed)))

    def _fill(
        self,
        places: np.ndarray,
        fresh: np.ndarray,
        index: np.ndarray,
        x: Tensor,
        y: Tensor,
        state: dict[str, Tensor],
        signs: Tensor,
    ) -> None:
        """Put rows into places, in place: the tensors are this queue's own."""
        at = torch.from_numpy(places).to(x.device)
        x_new, y_new, state_new = self._load(fresh)
        index[places] = fresh
        x[at] = x_new
        y[at] = y_new
        signs[at] = False
        for name, value in state_new.items():
            state[name] = state[name].index_copy(0, at, value)


def signs_of(look: Look) -> Tensor:
    """Return which of `SIGNS` each sample shows in one step, (b, 3)."""
    shown = [getattr(look, name) for name in SIGNS]
    return torch.stack([look.flat & False if sign is None else sign for sign in shown], 1)
