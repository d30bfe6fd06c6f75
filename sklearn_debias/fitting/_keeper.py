"""What a running fit keeps after each epoch, and how it goes on from there."""

import json
from collections.abc import Mapping
from types import FunctionType
from typing import Any

import numpy as np
from torch import Tensor

from sklearn_debias.content import key_of
from sklearn_debias.core import Phase
from sklearn_debias.fitting._checkpoint import Checkpoint
from sklearn_debias.fitting._observers import Monitor
from sklearn_debias.plain import NotPlainError, pack, unpack
from sklearn_debias.training import Engine, Epochs, Keeper, Progress, Streams

State = Mapping[str, Tensor]


class Past:
    """What the phases before the present one have left.

    Attributes
    ----------
    begun, states : dict of str to State
        What each phase began and ended with.
    history : list of dict
        Their rows of the history.
    """

    def __init__(self) -> None:
        self.begun: dict[str, State] = {}
        self.states: dict[str, State] = {}
        self.history: list[dict[str, Any]] = []

    def losses(self, phases: tuple[Phase, ...], phase: Phase) -> list[list[float]]:
        """Return the losses by epoch of the phases that ``phase`` continues, in their order."""
        number = phases.index(phase)
        first = number
        while phases[first].continues:
            first -= 1
        return [
            [row["train_loss"] for row in self.history if row["phase"] == one.name]
            for one in phases[first:number]
        ]


class FitKeeper(Keeper):
    """Keeps a fit in its checkpoint.

    Parameters
    ----------
    checkpoint : Checkpoint
    phases : tuple of Phase
    past : Past
        Filled with what was found.
    streams : Streams
    device : torch.device
    monitor : Monitor or None
        That of the last phase.
    engine : Engine
        Before its first phase.
    """

    def __init__(
        self,
        checkpoint: Checkpoint,
        phases: tuple[Phase, ...],
        past: Past,
        streams: Streams,
        device: Any,
        monitor: Monitor | None,
        engine: Engine,
    ) -> None:
        self.checkpoint = checkpoint
        self.phases = phases
        self.augment = _content(checkpoint.estimator.augment)
        self.described = [_described(phase) for phase in phases]
        self.past = past
        self.streams = streams
        self.device = device
        self.monitor = monitor
        copies = {role for phase in phases for role in phase.snapshots}
        self.progress = Progress(engine, copies)
        self.resumed: dict[str, Any] | None = None
        if checkpoint.found is not None:
            self._find()

    def _find(self) -> None:
        """Read what was kept; raise where these phases do not lead there."""
        found = self.checkpoint.found
        assert found is not None
        now = self.checkpoint.unpacked("now", self.device)
        names = [phase.name for phase in self.phases]
        known: list[list[Any]] = found["phases"]
        number = names.index(now["phase"]) if now["phase"] in names else -1
        here = self.described
        same = number >= 0 and here[:number] == known[:number]
        # More epochs than before are gone on with, where nothing else depends on their number.
        if not same or here[number][0] != known[number][0] or found["schedule"] != self._schedule():
            raise ValueError(
                f"`checkpoint`={str(self.checkpoint.folder)!r} is of a fit with "
                f"`max_epochs`={found['max_epochs']}, on which its phases or its `lr_schedule` or "
                f"`monitor_every` depend, got {self.checkpoint.estimator.max_epochs}. Set it "
                "as it was, or name another folder."
            )
        if now["epoch"] > self.phases[number].max_epochs:
            raise ValueError(
                f"`max_epochs` must be at least {now['epoch']}, the epochs of {now['phase']!r} "
                f"that `checkpoint`={str(self.checkpoint.folder)!r} has, got "
                f"{self.phases[number].max_epochs}."
            )
        if found["start"] != self.progress.start:
            raise ValueError(
                f"`checkpoint`={str(self.checkpoint.folder)!r} is of another fit: the "
                "networks begin otherwise now. A file of weights, or the code of `module`, has "
                "changed. Put it back, or name another folder."
            )
        past = self.checkpoint.unpacked("past", self.device)
        self.past.begun.update(past["begun"])
        self.past.states.update(past["states"])
        self.past.history.extend(past["history"])
        state = now["engine"]["state"]
        now["begun"].update({name: state[name] for name in now["unchanged"]})
        self.resumed = now

    def is_past(self, phase: Phase) -> bool:
        """Return whether a phase was over before the progress that was found."""
        return phase.name in self.past.states

    def is_resumed(self, phase: Phase) -> bool:
        """Return whether the progress that was found is of this phase."""
        return self.resumed is not None and self.resumed["phase"] == phase.name

    def begun_before(self) -> dict[str, Tensor]:
        """Return what the phase that is gone on with began with."""
        assert self.resumed is not None
        return self.resumed["begun"]

    def epochs_before(self) -> int:
        """Return the epochs of that phase that are over."""
        assert self.resumed is not None
        return self.resumed["epoch"]

    def begin(self, phase: Phase, begun: State, epochs: Epochs) -> None:
        """Look at a phase that begins."""
        self.phase = phase
        self.begun = begun
        self.epochs = epochs
        self._arrays: dict[str, np.ndarray] = {}
        self._history: list[str] = []
        past = {
            "begun": self.past.begun,
            "states": self.past.states,
            "history": self.past.history,
        }
        self._past = pack(past, self._arrays, "past", copy=True)

    def resume(self, engine: Engine) -> int:
        """Put back what was found of this phase; return the epochs that are left."""
        self.progress.begin()
        left = self.phase.max_epochs
        if not self.is_resumed(self.phase):
            return left
        now = self.resumed
        assert now is not None
        packed = self.checkpoint.found["history"]  # type: ignore[index]
        rows = [unpack(row, self.checkpoint.found["arrays"]) for row in packed]  # type: ignore[index]
        # Anew: numbers of NumPy in them lie among the arrays.
        again = [pack(row, self._arrays, "history", copy=True) for row in rows]
        self._history = [json.dumps(row) for row in again]
        losses = [row["train_loss"] for row in rows]
        engine.repeat_schedule([*self.past.losses(self.phases, self.phase), losses])
        self.progress.put_back(now["engine"], rows)
        self.streams.put_back(now["streams"])
        self.epochs.put_back(now["rows"])
        if self.monitor is not None and now["monitor"] is not None:
            self.monitor.put_back(now["monitor"], engine)
        # As large as the networks and their optimisers.
        self.resumed = self.checkpoint.found = None
        return 0 if now["stopped"] else left - now["epoch"]

    def check(self, engine: Engine) -> None:
        """Raise after the first batch where something could not be kept."""
        self._taken(engine, stopped=False, arrays={})

    def end_epoch(self, engine: Engine, *, stopped: bool) -> None:
        """Hold the progress after an epoch; write it when it is due."""
        if not self.checkpoint.writes:
            return
        # By row: a long history would be packed anew after each epoch.
        last = engine.history[-1]
        row = {**last, "batches": last["batches"][-1:]}  # all of a long fit would be many
        row = pack(row, self._arrays, "history", copy=True)
        self._history.append(json.dumps(row))
        arrays = dict(self._arrays)
        now = self._taken(engine, stopped=stopped, arrays=arrays)
        parts = {
            "now": now,
            "past": self._past,
            "phases": self.described,
            "start": self.progress.start,
            "schedule": self._schedule(),
            "max_epochs": self.checkpoint.estimator.max_epochs,
        }
        epochs = len(self.past.history) + len(engine.history)
        self.checkpoint.note(epochs, parts, arrays, list(self._history))
        self.checkpoint.write_if_due()

    def _check_augment(self) -> None:
        if _content(self.checkpoint.estimator.augment) != self.augment:
            raise ValueError(
                "`checkpoint` cannot keep this fit: `augment` holds what changes with each batch. "
                "Pass a function, or checkpoint=None."
            )

    def _taken(self, engine: Engine, *, stopped: bool, arrays: dict[str, np.ndarray]) -> Any:
        self._check_augment()
        try:
            progress = self.progress.taken()
            state = progress["state"]
            unchanged = [n for n, value in self.begun.items() if state.get(n) is value]
            watched = self.monitor is not None and self.phase is self.phases[-1]
            now = {
                "phase": self.phase.name,
                "epoch": len(engine.history),
                "stopped": stopped,
                "engine": progress,
                "unchanged": unchanged,
                "begun": {n: v for n, v in self.begun.items() if n not in unchanged},
                "streams": self.streams.taken(),
                "rows": self.epochs.taken(),
                "monitor": self.monitor.taken(engine) if watched else None,  # type: ignore[union-attr]
            }
            return pack(now, arrays, "now", copy=True)
        except NotPlainError as error:
            raise ValueError(
                f"`checkpoint` cannot keep this fit: {error}, which is no plain data. Leave it out "
                "of `module`, `optimizer` or `callbacks`, or pass checkpoint=None."
            ) from error

    def _schedule(self) -> Any:
        """Return the number of epochs where the schedule, or what is scored, depends on it."""
        estimator = self.checkpoint.estimator
        # The last epoch is scored out of turn: with more of them it would not have been.
        monitor = self.monitor
        out_of_turn = monitor is not None and self.phases[-1].max_epochs % monitor.every != 0
        depends = estimator.lr_schedule == "drops" or out_of_turn
        return estimator.max_epochs if depends else None


def _content(augment: Any) -> str | None:
    """Return what an object that augments holds; a function holds nothing."""
    if augment is None or isinstance(augment, str | FunctionType):
        return None
    try:
        return key_of(augment)
    except TypeError:  # refused before
        return None


def _described(phase: Phase) -> list[Any]:
    """Return what a phase does, and its epochs."""
    try:
        steps = key_of(list(phase.steps))
    except TypeError:  # the parameters that they come from are compared
        steps = repr([type(step).__name__ for step in phase.steps])
    rest = (phase.name, phase.continues, phase.restarts, phase.snapshots)
    return [repr((steps, rest)), phase.max_epochs]
