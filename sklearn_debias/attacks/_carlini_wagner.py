"""The attack of Carlini and Wagner: the smallest perturbation, by optimisation."""

from dataclasses import dataclass

import torch
from torch import Tensor

from sklearn_debias.arguments import is_real
from sklearn_debias.attacks._attack_losses import margin_loss
from sklearn_debias.attacks._stepwise import (
    Look,
    Network,
    State,
    StepwiseAttack,
    codes_of,
    no_gradient,
    not_finite,
    read_count,
    read_positive,
    wide,
)
from sklearn_debias.attacks._threat import Threat

BETAS = (0.9, 0.999)
TINY = 1e-8  # of Adam
INSIDE = 0.999999  # of the range: arctanh of its ends is infinite
GROWTH = 10.0  # of c, while nothing is found


@dataclass(frozen=True)
class CarliniWagner(StepwiseAttack):
    """Minimise ``|delta|_2^2 + c max(z_y - max_{k != y} z_k + confidence, 0)`` by Adam [1]_.

    With a range of valid inputs, x + delta is ``low + (high - low) (tanh(w) + 1) / 2`` and w is
    free; without one delta is. The constant is searched for each sample: a tenfold while nothing
    fools, then by bisection.

    Parameters
    ----------
    n_steps : int, default=200
        Steps of Adam for each constant, at least 1.
    search_steps : int, default=6
        Constants to try, at least 1.
    lr : float, default=0.01
        Learning rate, > 0.
    c : float, default=0.01
        First constant, > 0.
    confidence : float, default=0.0
        Margin by which the class is to be missed, at least 0.

    Notes
    -----
    `attack` returns the nearest input that fools, of those within the radius of the threat (which
    may be infinite: then the nearest of all); and x itself where none was found. In an evaluation
    the first within the radius is enough. The authors take 10 000 steps, 20 constants and c from
    0.01; six constants reach c = 1000.

    References
    ----------
    .. [1] Carlini and Wagner, "Towards Evaluating the Robustness of Neural Networks", S&P 2017.

    Examples
    --------
    >>> import torch
    >>> from sklearn_debias.attacks import CarliniWagner, Threat
    >>> net = lambda x: torch.stack([0.5 - x[:, 0], x[:, 0]], 1)
    >>> x = CarliniWagner().attack(
    ...     net, torch.zeros(1, 2), torch.tensor([0]), Threat(float("inf"), norm="l2")
    ... )
    >>> x.round(decimals=2)
    tensor([[0.2500, 0.0000]])
    """

    n_steps: int = 200
    search_steps: int = 6
    lr: float = 0.01
    c: float = 0.01
    confidence: float = 0.0

    def __post_init__(self) -> None:
        for name in ("n_steps", "search_steps"):
            read_count(self, name)
        for name in ("lr", "c"):
            read_positive(self, name)
        if not is_real(self.confidence) or not 0 <= self.confidence < float("inf"):
            raise ValueError(
                f"`confidence` of CarliniWagner must be a number >= 0, got {self.confidence!r}."
            )
        object.__setattr__(self, "confidence", float(self.confidence))

    def check(self, threat: Threat, n_classes: int, shape: tuple[int, ...]) -> None:
        """Raise unless the norm is L2."""
        if threat.norm != "l2":
            raise ValueError(
                f"`norm` must be 'l2' for CarliniWagner, got {threat.norm!r}: it minimises the L2 "
                f"norm. The C&W of tables under Linf is 'cw', PGD on the margin loss."
            )

    def begin(self, x: Tensor, threat: Threat, keys: Tensor) -> State:
        """Return the variable, Adam's moments, the bracket of c, and the best perturbation."""
        x = wide(x)
        per_row = x.new_zeros(len(x))
        w = _free(x, threat)
        # Counters are per row, too: an evaluation fills the places of finished samples with others.
        return {
            "w": w,
            "start": w,
            "m": torch.zeros_like(x),
            "v": torch.zeros_like(x),
            "t": per_row,
            "round": per_row,
            "c": per_row + self.c,
            "low": per_row,
            "high": per_row + torch.inf,
            "found": per_row.bool(),
            "best": torch.zeros_like(x),
            "norm": per_row + torch.inf,
            "codes": per_row.long(),
        }

    def step(self, net: Network, x: Tensor, y: Tensor, threat: Threat, state: State) -> Look:
        """Look at the present point, keep it if it is the best, and take one step of Adam."""
        dtype = x.dtype
        x = wide(x)
        with torch.enable_grad():
            w = state["w"].detach().requires_grad_()
            delta = _bounded(w, threat) - x
            logits = net((x + delta).to(dtype)).to(x.dtype)
            margin = margin_loss(logits, y)
            still = _still(margin, delta)
            squares = delta.square().flatten(1).sum(1)
            loss = squares + state["c"] * (self.confidence - margin).clamp(min=0)
            (gradient,) = torch.autograd.grad(loss.sum(), w)
        delta = delta.detach()
        codes, undefined = codes_of(logits.detach(), y)
        # With a confidence it is not enough that the class is missed.
        fools = (codes != y) & ((margin.detach() >= self.confidence) | undefined)
        better = fools & (squares.detach().sqrt() < state["norm"])
        new = {
            **state,
            "found": state["found"] | fools,
            "best": torch.where(_like(better, x), delta, state["best"]),
            "norm": torch.where(better, squares.detach().sqrt(), state["norm"]),
            "codes": torch.where(better, codes, state["codes"]),
        }
        # What is not finite counts as no slope: it would stay in Adam's moments.
        new = dict(self._next_constant(self._adam(new, gradient.nan_to_num(0.0, 0.0, 0.0))))
        near = new["norm"] <= threat.epsilon
        point = torch.where(_like(near, x), x + new["best"], x).to(dtype)
        over = new["round"] >= self.search_steps
        lost = not_finite(gradient)
        return Look(new, point, new["codes"], near, over, still & ~near, lost, undefined)

    def _adam(self, state: State, gradient: Tensor) -> dict[str, Tensor]:
        """Take one step of Adam in each row, which has its own count of steps."""
        t = state["t"] + 1
        m = BETAS[0] * state["m"] + (1 - BETAS[0]) * gradient
        v = BETAS[1] * state["v"] + (1 - BETAS[1]) * gradient.square()
        first, second = (_like(1 - beta**t, gradient) for beta in BETAS)
        step = self.lr * (m / first) / ((v / second).sqrt() + TINY)
        return {**state, "w": state["w"] - step, "m": m, "v": v, "t": t}

    def _next_constant(self, state: dict[str, Tensor]) -> State:
        """Choose the next constant where all steps are made, and start from the sample again."""
        ends = state["t"] >= self.n_steps
        found = state["found"]
        high = torch.where(found, state["c"], state["high"])
        low = torch.where(found, state["low"], state["c"])
        # Nothing has fooled yet while the bracket is open above.
        after = torch.where(high.isinf(), low * GROWTH, (low + high) / 2)
        over = {
            "c": after,
            "low": low,
            "high": high,
            "round": state["round"] + 1,
            "found": torch.zeros_like(found),
        }
        zeros = {name: torch.zeros_like(state[name]) for name in ("m", "v", "t")}
        reset = {**over, **zeros, "w": state["start"]}
        changed = {k: torch.where(_like(ends, state[k]), v, state[k]) for k, v in reset.items()}
        return {**state, **changed}


def _free(x: Tensor, threat: Threat) -> Tensor:
    """Return the variable that stands for ``x``."""
    if threat.clip is None:
        return x.clone()
    low, high = threat.clip
    return torch.atanh(((x - low) / (high - low) * 2 - 1) * INSIDE)


def _bounded(w: Tensor, threat: Threat) -> Tensor:
    """Return the input that the variable stands for."""
    if threat.clip is None:
        return w
    low, high = threat.clip
    return low + (high - low) * (torch.tanh(w) + 1) / 2


def _still(margin: Tensor, delta: Tensor) -> Tensor:
    """Return where the gradient of the margin is exactly zero, (b,).

    The loss would have one there, that of the distance.
    """
    gradient = None
    if margin.requires_grad:
        (gradient,) = torch.autograd.grad(margin.sum(), delta, retain_graph=True, allow_unused=True)
    if gradient is None:
        raise no_gradient()
    return (gradient == 0).flatten(1).all(1)


def _like(rows: Tensor, x: Tensor) -> Tensor:
    """Return ``rows`` (b,) with as many axes as ``x``."""
    return rows.view(-1, *[1] * (x.ndim - 1))
