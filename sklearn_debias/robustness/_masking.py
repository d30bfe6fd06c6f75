"""Signs that a network hides its gradients, so that attacks by gradients call it robust."""

import copy
from dataclasses import replace

import numpy as np

from sklearn_debias.attacks import FGSM, PGD, RandomSearch, Threat
from sklearn_debias.robustness._evaluate import Evaluation
from sklearn_debias.robustness._threats import reach

ROWS = 100  # that are looked at
STEPS = 10
RESTARTS = 5
TRIES = 100
FAR_STEPS = 40
CHANCE = 0.02  # of the rows, and at least two of them: less is no sign
LUCK = 0.1  # of the rows: what restarts may gain


def masking_signs(evaluation: Evaluation, threat: Threat, robust: np.ndarray) -> list[str]:
    """Return sentences on what looks wrong; ``robust`` (n,) are the rows that no attack fooled.

    The signs are those of Athalye, Carlini and Wagner, "Obfuscated Gradients Give a False Sense of
    Security", ICML 2018, Sec. 3.1: steps that do not help, chance that does, a black box that beats
    the gradient, and a ball that holds everything and still does not fool.
    """
    look = _Look(evaluation)
    if threat.epsilon == 0 or len(look.rows) == 0:
        return []
    one = look.fooled(FGSM(), threat)
    many = look.fooled(PGD(STEPS), threat)
    again = look.fooled(PGD(STEPS, restarts=RESTARTS), threat)
    blind = look.fooled(RandomSearch(TRIES), threat, among=robust)
    signs = []
    if look.many(one.sum() - many.sum()):
        signs.append(
            f"one step fools {one.sum()} of {look.n} rows, {STEPS} steps only {many.sum()}"
        )
    if again.sum() - many.sum() > max(LUCK * look.n, 2):
        signs.append(
            f"{RESTARTS} random restarts fool {again.sum()} of {look.n} rows, one start only "
            f"{many.sum()}"
        )
    if look.many(blind.sum()):
        signs.append(
            f"a search without gradients fools {blind.sum()} of {look.n} rows that no gradient did"
        )
    return signs + _far(look, threat)


def _far(look: "_Look", threat: Threat) -> list[str]:
    """Return the sign that a ball of all valid inputs leaves rows unfooled, if it does."""
    codes = look.evaluation.clean.codes
    if (codes == codes[0]).all():  # perhaps there is no other class to be found
        return []
    far = replace(threat, epsilon=reach(look.evaluation.opened, threat))
    left = look.n - look.fooled(PGD(FAR_STEPS), far).sum()
    if not look.many(left):
        return []
    return [f"a ball that holds all inputs leaves {left} of {look.n} rows"]


class _Look:
    """Some rows that are classified right, evenly among them."""

    def __init__(self, evaluation: Evaluation) -> None:
        self.evaluation = copy.copy(evaluation)  # shares the rows, but has rules of its own
        self.evaluation.judge = "any"
        self.evaluation.verbose = 0
        self.evaluation.quiet = True
        right = np.flatnonzero(evaluation.clean.robust)
        # Rows sorted by class would have none of the last classes among the first ROWS.
        spread = np.unique(np.linspace(0, len(right) - 1, ROWS, dtype=int))
        self.rows = right[spread] if len(right) else right
        self.n = len(self.rows)

    def fooled(
        self, attack: PGD | RandomSearch, threat: Threat, among: np.ndarray | None = None
    ) -> np.ndarray:
        """Return which of the rows (n,) the attack fools, as a mask."""
        mask = np.zeros(len(self.evaluation.y), dtype=bool)
        mask[self.rows] = True
        tried = mask if among is None else mask & among
        return ~self.evaluation.run(attack, threat, mask=tried).robust[self.rows]

    def many(self, count: int) -> bool:
        """Tell whether so many rows are more than chance."""
        return bool(count >= 2 and count > CHANCE * self.n)
