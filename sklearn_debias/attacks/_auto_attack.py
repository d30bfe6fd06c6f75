"""AutoAttack, by its reference implementation."""

import logging
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from sklearn_debias.attacks._stepwise import (
    check_finite,
    check_points,
    logits_and_gradient,
    read_count,
)
from sklearn_debias.attacks._threat import Threat
from sklearn_debias.exceptions import warn

NORMS = {"linf": "Linf", "l2": "L2"}
PARTS = ("apgd-ce", "apgd-dlr", "apgd-t", "fab", "fab-t", "square")
TARGETS = 9  # of the targeted parts, at most
FEWEST = {"apgd-dlr": 3, "apgd-t": 4}  # classes that the losses of these parts need
_ONE_AT_A_TIME = threading.RLock()  # the package seeds torch's global generators


@dataclass(frozen=True)
class AutoAttack:
    """The ensemble APGD-CE, targeted APGD-DLR, targeted FAB and Square [1]_.

    Runs the package ``pyautoattack``, the authors' code: ``pip install "sklearn-debias[robust]"``.

    Parameters
    ----------
    parts : tuple of {"apgd-ce", "apgd-dlr", "apgd-t", "fab", "fab-t", "square"} or None, \
default=None
        None is the standard version. With fewer than four classes, for which its targeted DLR loss
        is not defined, that is "apgd-ce", "apgd-dlr" (three classes), "fab-t" and "square".
    batch_size : int, default=250
        Samples attacked at a time.

    Notes
    -----
    For images in [0, 1]. All samples of a batch share random numbers: an evaluation sorts them by
    content, so that their order does not matter, but which other samples there are may.

    References
    ----------
    .. [1] Croce and Hein, "Reliable Evaluation of Adversarial Robustness with an Ensemble of
       Diverse Parameter-Free Attacks", ICML 2020. Code: github.com/fra31/auto-attack

    Examples
    --------
    >>> from sklearn_debias.attacks import AutoAttack
    >>> AutoAttack(parts=("apgd-ce", "square"))
    AutoAttack(parts=('apgd-ce', 'square'), batch_size=250)
    """

    parts: tuple[str, ...] | None = None
    batch_size: int = 250

    def __post_init__(self) -> None:
        listed = isinstance(self.parts, list | tuple) and len(self.parts) > 0
        known = listed and all(part in PARTS for part in self.parts or ())
        if self.parts is not None and not known:
            raise ValueError(
                f"`parts` of AutoAttack must be some of {PARTS}, or None, got {self.parts!r}."
            )
        read_count(self, "batch_size")
        object.__setattr__(self, "parts", self.parts and tuple(self.parts))

    def check(self, threat: Threat, n_classes: int, shape: tuple[int, ...]) -> None:
        """Raise unless the package is there, and rows are images in [0, 1]."""
        _load()
        check_finite("AutoAttack", threat)
        # Bounds may be tensors, per channel.
        unit = threat.clip is not None and all(
            bool((torch.as_tensor(bound, device="cpu") == value).all())
            for bound, value in zip(threat.clip, (0, 1), strict=True)
        )
        if len(shape) != 3 or not unit:
            raise ValueError(
                "`attack`='autoattack' needs images in [0, 1] and `clip`=(0, 1), got rows of "
                f"shape {shape} and clip={threat.clip!r}. Use 'pgd-20' and 'cw' instead."
            )
        few = [part for part in self.parts or () if n_classes < FEWEST.get(part, 2)]
        if few:
            raise ValueError(
                f"`parts`={self.parts!r} of AutoAttack: {few} need more than the {n_classes} "
                "classes."
            )

    def attack(
        self,
        net: Callable[[Tensor], Tensor],
        x: Tensor,
        y: Tensor,
        threat: Threat,
        *,
        seed: int = 0,
    ) -> Tensor:
        """Attack all samples; where nothing fools, return x.

        Parameters
        ----------
        net : callable
            Maps inputs like ``x`` to logits (b, k). Frozen and in eval mode, by the caller.
        x : Tensor of shape (b, c, h, w)
            Images in [0, 1].
        y : Tensor of shape (b,), int64
        threat : Threat
        seed : int, default=0

        Returns
        -------
        Tensor like x

        Raises
        ------
        TypeError, ValueError
            For rows, labels or a threat of another kind, and what `check` refuses; where no
            gradient reaches x, unless all parts do without.
        """
        n_classes = check_points(net, x, y, threat)
        self.check(threat, n_classes, tuple(x.shape[1:]))
        reference = _load()
        devices = range(torch.cuda.device_count() if torch.cuda.is_available() else 0)
        # Raises where no gradient reaches x, which the package would take for robustness. Square
        # alone does without gradients.
        if self.parts is None or set(self.parts) != {"square"}:
            logits_and_gradient(net, x[:1], lambda logits, _: logits.sum(1), y[:1])

        def forward(inputs: Tensor) -> Tensor:
            # The package works in float32, and views gradients as flat rows: flattened inputs have
            # contiguous ones.
            flat = inputs.flatten(1).clone()
            return net(flat.view(inputs.shape).to(x.dtype)).float()

        with _ONE_AT_A_TIME, torch.random.fork_rng(devices), _own_tracing(), _messages():
            adversary = reference.AutoAttack(
                forward,
                norm=NORMS[threat.norm],
                eps=float(threat.epsilon),
                seed=seed % 2**32,
                version="custom",
                attacks=list(self._parts(n_classes)),
                device=x.device,
            )
            # A custom version begins with other numbers: these are the standard version's, with as
            # many targets as there are.
            for part in (adversary.apgd, adversary.fab, adversary.apgd_targeted):
                part.n_restarts = 1
            for part in (adversary.fab, adversary.apgd_targeted):
                part.n_target_classes = min(TARGETS, n_classes - 1)
            images = x.detach().float().contiguous()
            found, _ = adversary.run_standard_evaluation(images, y, batch_size=self.batch_size)
        return found.to(x.dtype)

    def _parts(self, n_classes: int) -> tuple[str, ...]:
        if self.parts is not None:
            return self.parts
        if n_classes > 3:
            first: tuple[str, ...] = ("apgd-ce", "apgd-t")
        else:  # of two classes not even the plain DLR loss is defined
            first = ("apgd-ce", "apgd-dlr")[: n_classes - 1]
        return (*first, "fab-t", "square")


def _load() -> Any:
    """Import the package, or say how to install it."""
    try:
        import pyautoattack
    except ImportError as error:
        raise ImportError(
            "AutoAttack needs the package pyautoattack. Install it: pip install "
            '"sklearn-debias[robust]".'
        ) from error
    return pyautoattack


@contextmanager
def _own_tracing() -> Iterator[None]:
    """Give debuggers and coverage their hook back, which a check of the package takes."""
    before = sys.gettrace()
    try:
        yield
    finally:
        sys.settrace(before)


class _Collect(logging.Handler):
    """Keep the warnings that the package logs."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.found: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        message = record.getMessage().partition(" See flags_doc")[0]
        if "classes" not in message:  # how many there are is checked before, and better
            self.found.append(message)


@contextmanager
def _messages() -> Iterator[None]:
    """Turn what the package logs as a warning into a DebiasWarning."""
    logger = logging.getLogger("auto-attack")
    handler = _Collect()
    before = logger.propagate
    logger.addHandler(handler)
    logger.propagate = False  # a message is warned about once, and not logged beside
    try:
        yield
    finally:
        logger.propagate = before
        logger.removeHandler(handler)
    for message in dict.fromkeys(handler.found):
        warn(f"AutoAttack: {message}")
