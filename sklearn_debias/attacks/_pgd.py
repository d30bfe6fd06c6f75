"""FGSM and PGD: steps along the gradient, inside a ball."""

from dataclasses import dataclass, field

import torch
from torch import Tensor

from sklearn_debias.arguments import is_one_of, is_switch
from sklearn_debias.attacks._ascend import within
from sklearn_debias.attacks._attack_losses import FEWEST_CLASSES, LOSSES
from sklearn_debias.attacks._stepwise import (
    Look,
    Network,
    State,
    StepwiseAttack,
    codes_of,
    draw,
    logits_and_gradient,
    read_count,
    read_positive,
)
from sklearn_debias.attacks._threat import Threat


@dataclass(frozen=True)
class PGD(StepwiseAttack):
    """Projected gradient ascent on a loss of the logits [1]_.

    Parameters
    ----------
    n_steps : int, default=20
        At least 1.
    step_size : float or None, default=None
        Length of a step, in the units of the input; None is ``2.5 epsilon / n_steps``, and at most
        ``epsilon``.
    loss : {"ce", "margin", "dlr"}, default="ce"
        The cross entropy; the margin of Carlini and Wagner (under Linf the "C&W" of the papers'
        tables); or the difference of logits ratio, which needs three classes. None of them vanishes
        on a confident network: see `confidence_loss`.
    random_start : bool, default=True
        Start at a random point of the ball, and not at the sample.
    restarts : int, default=1
        Times an evaluation tries each sample that was not fooled before. `attack` tries once.

    References
    ----------
    .. [1] Madry et al., "Towards Deep Learning Models Resistant to Adversarial Attacks", ICLR 2018.

    Examples
    --------
    >>> import torch
    >>> from sklearn_debias.attacks import PGD, Threat
    >>> net = torch.nn.Linear(2, 2)
    >>> x, y = torch.zeros(3, 2), torch.tensor([0, 1, 1])
    >>> PGD(n_steps=5).attack(net, x, y, Threat(0.5)).abs().amax(1)
    tensor([0.5000, 0.5000, 0.5000])
    """

    n_steps: int = 20
    step_size: float | None = None
    loss: str = "ce"
    random_start: bool = True
    restarts: int = 1

    def __post_init__(self) -> None:
        read_count(self, "n_steps")
        read_count(self, "restarts")
        if self.step_size is not None:
            read_positive(self, "step_size")
        if not is_one_of(self.loss, LOSSES):
            raise ValueError(
                f"`loss` of {type(self).__name__} must be one of {sorted(LOSSES)}, got "
                f"{self.loss!r}."
            )
        if not is_switch(self.random_start):
            raise ValueError(
                f"`random_start` of PGD must be a bool, got {self.random_start!r:.60}."
            )
        if self.restarts > 1 and not self.random_start:
            raise ValueError(
                "`restarts` of PGD above 1 need random_start=True: else all of them are the same."
            )

    def check(self, threat: Threat, n_classes: int, shape: tuple[int, ...]) -> None:
        """Raise where there are too few classes for the loss, or no radius."""
        super().check(threat, n_classes, shape)
        if n_classes < FEWEST_CLASSES[self.loss]:
            raise ValueError(
                f"`loss`={self.loss!r} of {type(self).__name__} needs {FEWEST_CLASSES[self.loss]} "
                f"classes, got {n_classes}. Use loss='margin'."
            )

    def begin(self, x: Tensor, threat: Threat, keys: Tensor) -> State:
        """Return the first perturbation, and the number of steps made."""
        delta = draw(threat.whole, x, keys) if self.random_start else torch.zeros_like(x)
        return {
            "delta": within(x, delta, threat.clip),
            "t": torch.zeros(len(x), dtype=torch.int64, device=x.device),
        }

    def step(self, net: Network, x: Tensor, y: Tensor, threat: Threat, state: State) -> Look:
        """Take one gradient, whose logits also tell whether the present point fools."""
        ball = threat.ball(self.step_size, self.n_steps)
        delta = state["delta"]
        point = x + delta
        logits, gradient, lost = logits_and_gradient(net, point, LOSSES[self.loss], y)
        step = ball.step_size * ball.direction(gradient)
        moved = within(x, ball.project(delta + step), threat.clip)
        codes, undefined = codes_of(logits, y)
        fools = codes != y
        still = (gradient == 0).flatten(1).all(1) & ~lost
        after = {"delta": moved, "t": state["t"] + 1}
        # One look more than steps: the last one judges the point of the last step.
        over = state["t"] >= self.n_steps
        return Look(after, point, codes, fools, over, still & ~fools, lost, undefined)


@dataclass(frozen=True)
class FGSM(PGD):
    """The fast gradient sign method: one step of the whole radius from the sample [1]_.

    Parameters
    ----------
    loss : {"ce", "margin", "dlr"}, default="ce"

    References
    ----------
    .. [1] Goodfellow, Shlens and Szegedy, "Explaining and Harnessing Adversarial Examples", ICLR
       2015.

    Examples
    --------
    >>> from sklearn_debias.attacks import FGSM
    >>> FGSM()
    FGSM(loss='ce')
    """

    # Not to be chosen: with other values it would be PGD. The step is the whole radius, for
    # 2.5 / n_steps is above 1, and is cut to it.
    n_steps: int = field(default=1, init=False, repr=False)
    step_size: float | None = field(default=None, init=False, repr=False)
    random_start: bool = field(default=False, init=False, repr=False)
    restarts: int = field(default=1, init=False, repr=False)
