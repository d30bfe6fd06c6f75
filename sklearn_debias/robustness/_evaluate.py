"""What an attack does to each row of X."""

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from sklearn_debias.arguments import is_seed
from sklearn_debias.attacks import AutoAttack, Look, StepwiseAttack, Threat, row_keys
from sklearn_debias.attacks.internal import codes_of
from sklearn_debias.exceptions import DivergedError, warn
from sklearn_debias.fitting import Opened, like_probabilities, open_model, readable_errors
from sklearn_debias.robustness._queue import SIGNS, Queue
from sklearn_debias.robustness._threats import Attack, row_shape
from sklearn_debias.training import Streams

FLAT = 0.1  # share of rows without a gradient that is worth a warning
ADVICE = "Pass fewer rows at a time"


@dataclass
class Outcome:
    """What became of each row.

    Parameters
    ----------
    y : ndarray of shape (n,)
        Codes of the classes.
    codes : ndarray of shape (n,)
        Predicted codes, at the point that fooled where one did.
    points : Tensor of shape (n, ...) or None
        The adversarial inputs, on the CPU, if they were to be kept.

    Attributes
    ----------
    signs : ndarray of shape (n, 3), bool
        Whether the attack met what makes its outcome doubtful there, see `SIGNS`.
    """

    y: np.ndarray
    codes: np.ndarray
    points: Tensor | None = None

    def __post_init__(self) -> None:
        self.signs = np.zeros((len(self.codes), len(SIGNS)), dtype=bool)

    @property
    def robust(self) -> np.ndarray:
        """Whether the row is classified right, and was not fooled; shape (n,)."""
        return self.codes == self.y


@dataclass
class Evaluation:
    """Rows, and a network to be attacked on them.

    Parameters
    ----------
    opened : Opened
    random_state : int, RandomState or None
    judge : {"any", "last"}
    verbose : int
        Above 0 shows a progress bar.
    quiet : bool
        Whether to keep warnings back.
    classes : ndarray of shape (k,), default=None
        Labels of the codes; None takes the codes.

    Attributes
    ----------
    low, high : ndarray of shape (c,)
        Range of the rows in each channel (or feature), in the units of the network.
    clean : Outcome
        Of the rows as they are.
    """

    opened: Opened
    random_state: Any = 0
    judge: str = "any"
    verbose: int = 0
    quiet: bool = False
    classes: Any = None

    def __post_init__(self) -> None:
        self.y = self.opened.y.numpy()  # type: ignore[union-attr]
        check_seed(self.random_state)
        self.streams = Streams(self.random_state)
        self.clean = self._clean()

    def run(
        self, attack: Attack, threat: Threat, *, keep: bool = False, mask: np.ndarray | None = None
    ) -> Outcome:
        """Attack the rows, or those of ``mask`` (n,).

        With judge="any" only rows that are classified right are attacked.
        """
        attack.check(threat, self.n_classes, row_shape(self.opened))
        out = copy.deepcopy(self.clean)
        out.points = self._originals() if keep else None
        if threat.epsilon == 0:
            return out
        # By the rule "last" rows that are missed anyway run too: their last point may be asked for.
        every = self.judge == "last" and isinstance(attack, StepwiseAttack)
        tried = np.ones(len(out.robust), dtype=bool) if every else out.robust.copy()
        if mask is not None:
            tried &= mask
        with self._working():
            if isinstance(attack, StepwiseAttack):
                self._stepwise(attack, threat, np.flatnonzero(tried), out)
            else:
                self._whole(attack, threat, np.flatnonzero(tried), out)
        return out

    def predict(self, points: Tensor) -> np.ndarray:
        """Return the codes of other inputs of the same rows, in the units of the network."""
        codes: list[Tensor] = []

        def look(x: Tensor, y: Any, index: np.ndarray) -> Tensor:
            with torch.no_grad():
                return codes_of(self.opened.net(points[index].to(x)), y)[0].cpu()

        with self._working():
            codes.extend(self.opened.batches(look))
        return torch.cat(codes).numpy()

    @contextmanager
    def _working(self) -> Iterator[None]:
        size = self.opened.batch_size or len(self.opened)
        with self.opened.terms(), readable_errors(None, batch_size=size, advice=ADVICE):
            yield

    def _clean(self) -> Outcome:
        """Return the outcome without an attack; refuse outputs that cannot be attacked."""
        likely = []
        ends = []

        def forward(x: Tensor, _: Any, index: np.ndarray) -> Tensor:
            channels = x.transpose(0, 1).flatten(1)
            ends.append(torch.stack([channels.amin(1), channels.amax(1)]).cpu())
            with torch.no_grad():
                logits = self.opened.net(x)
            if not torch.isfinite(logits).all():
                raise DivergedError(
                    "The outputs of the network are not finite for some rows of `X`. Scale X."
                )
            likely.append(like_probabilities(logits))
            return logits.cpu().double()

        with self._working():
            logits = torch.cat(list(self.opened.batches(forward)))
        low, high = torch.stack(ends).double().unbind(1)
        self.low, self.high = low.amin(0).numpy(), high.amax(0).numpy()
        # Rows that are read one by one know their range only now.
        inputs = replace(self.opened.inputs, low=float(low.min()), high=float(high.max()))
        self.opened = replace(self.opened, inputs=inputs)
        self.n_classes = logits.shape[1]
        if self.n_classes < 2:
            raise ValueError(
                "`estimator` must have at least two outputs, one per class, to be attacked, got "
                "one."
            )
        self.classes = (
            np.arange(self.n_classes) if self.classes is None else np.asarray(self.classes)
        )
        if all(likely) and not self.quiet:
            warn(
                "The outputs of the network look like probabilities. An attack needs logits: where "
                "a softmax saturates, its gradient vanishes, and the network looks robust. Remove "
                "the softmax."
            )
        codes = logits.argmax(1).numpy()
        return Outcome(self.y, codes)

    def _originals(self) -> Tensor:
        with self._working():
            return torch.cat(list(self.opened.batches(lambda x, y, index: x.cpu())))

    def _stepwise(
        self, attack: StepwiseAttack, threat: Threat, tried: np.ndarray, out: Outcome
    ) -> None:
        standing = tried
        with tqdm(
            total=len(tried), disable=not self.verbose, desc=type(attack).__name__, unit="row"
        ) as bar:

            def done(index: np.ndarray, look: Look, at: Tensor, signs: Tensor) -> None:
                fools = look.fools[at].cpu().numpy()
                out.codes[index[fools]] = look.codes[at].cpu().numpy()[fools]
                out.signs[index] |= signs.cpu().numpy()
                if out.points is not None:
                    out.points[torch.from_numpy(index)] = look.point[at].to(out.points)
                bar.update(len(index) if restart == 0 else 0)  # restarts run on rows counted before

            for restart in range(attack.restarts):
                seed = self.streams.seed("attack", str(restart))
                Queue(attack, self.opened, threat, seed, self.judge == "any", done).run(standing)
                # Another start is for those that none has fooled.
                standing = standing[out.robust[standing]]
                if len(standing) == 0:
                    break
        if not self.quiet:
            warn_of_signs(out.signs[tried], out.robust[tried], attack)

    def _whole(self, attack: AutoAttack, threat: Threat, index: np.ndarray, out: Outcome) -> None:
        """Attack the rows ``index`` at once."""
        if len(index) == 0:
            return
        x = self._originals()[torch.from_numpy(index)]
        # AutoAttack draws one stream for a batch: sorted by content, the order of X has no effect.
        order = np.argsort(row_keys(x, 0).numpy(), kind="stable")
        prepare = self.opened.prepare
        index = index[order]
        x = x[torch.from_numpy(order)].to(prepare.device, prepare.dtype)
        y = self.opened.y[index].to(x.device)  # type: ignore[index]
        points = attack.attack(self.opened.net, x, y, threat, seed=self.streams.seed("attack", "0"))
        everywhere = self._originals()
        everywhere[torch.from_numpy(index)] = points.to(everywhere)
        out.codes = self.predict(everywhere)
        if out.points is not None:
            out.points = everywhere


def open_rows(model: Any, X: Any, y: Any, name: str = "estimator") -> Opened:
    """Open a model on rows to be attacked."""
    check_labels(y)
    return open_model(model, X, y, name=name)


def check_labels(y: Any) -> None:
    """Raise unless there are labels."""
    if y is None:
        raise ValueError("`y` must hold the labels of the rows to be attacked, got None.")


def check_seed(random_state: Any) -> None:
    """Raise unless it is an int >= 0, a RandomState or None."""
    if not is_seed(random_state) and not isinstance(random_state, np.random.RandomState | None):
        raise ValueError(
            f"`random_state` must be an int >= 0, a RandomState or None, got {random_state!r}."
        )


def warn_of_signs(signs: np.ndarray, robust: np.ndarray, attack: Attack) -> None:
    """Warn where what the rows (b, 3) met on their way makes the outcome doubtful."""
    n = len(robust)
    # A gradient without use did no harm where the row is fooled all the same.
    flat, lost = (signs[:, i] & robust for i in (0, 1))
    undefined = signs[:, 2] & ~robust
    if n and flat.mean() > FLAT:
        warn(
            f"The gradient of {flat.sum()} of {n} attacked rows is exactly zero on the way of "
            f"{attack!r}: it cannot move them, and they count as robust. Try "
            "attack='random-search'."
        )
    if lost.any():
        warn(
            f"The gradient of {lost.sum()} of {n} attacked rows is NaN or infinite on the way of "
            f"{attack!r}: what is not finite in it does not move them, and they count as robust. "
            "Look for 0 / 0 or a root of 0 in the network, or try attack='random-search'."
        )
    if undefined.any():
        warn(
            f"The outputs of the network are NaN for {undefined.sum()} of {n} rows as {attack!r} "
            "moved them: they count as misclassified. Look for what overflows, or for 0 / 0, in "
            "the network."
        )
