"""A fit's way through its phases: from the beginning, or from where it was kept."""

from sklearn_debias.core import Phase
from sklearn_debias.fitting._checkpoint import Checkpoint
from sklearn_debias.fitting._convex import solve
from sklearn_debias.fitting._fit import Fit
from sklearn_debias.fitting._keeper import FitKeeper, Past
from sklearn_debias.fitting._observers import CallbackBridge
from sklearn_debias.fitting._scale import forecast
from sklearn_debias.training import Engine, Observer, cpu_threads


def train(
    fit: Fit, bridge: CallbackBridge | None = None, checkpoint: Checkpoint | None = None
) -> None:
    """Train through all phases, `bridge` looking on, and let the fit set its results.

    Where there is a ``checkpoint``, go on from what it holds, and keep each epoch in it.
    """
    with cpu_threads(small=fit.small):
        run = Run(fit, bridge, checkpoint)
        for phase in fit.phases:
            run.train(phase)
        if checkpoint is not None:
            checkpoint.write()
        kept = None if run.monitor is None else run.monitor.restore(run.engine)
    fit.finish(run.engine, run.past.states, run.past.history, kept)


class Run:
    """What the phases of one fit share while they are trained, one after another.

    Parameters
    ----------
    fit : Fit
    bridge : CallbackBridge or None
    checkpoint : Checkpoint or None
    """

    def __init__(
        self, fit: Fit, bridge: CallbackBridge | None, checkpoint: Checkpoint | None
    ) -> None:
        self.fit = fit
        self.bridge = bridge
        self.past = Past()
        self.engine: Engine = fit.engine()
        self.engine.forecast = self.forecast = forecast(fit.estimator, fit.training.inputs)
        self.data = fit.data()
        self.monitor = fit.monitor()
        self.keeper = None
        if checkpoint is not None:
            device = fit.prepare.device
            self.keeper = FitKeeper(
                *(checkpoint, fit.phases, self.past, fit.streams, device, self.monitor),
                self.engine,
            )

    def train(self, phase: Phase) -> None:
        """Train a phase, or what is left of it."""
        keeper = self.keeper
        if keeper is not None and keeper.is_past(phase):
            self._pass_over(phase)
            return
        number = self.fit.phases.index(phase)
        self.engine.epochs_left = sum(p.max_epochs for p in self.fit.phases[number:])
        self.forecast.begin(self.engine.epochs_left)
        observers: list[Observer] = [] if self.bridge is None else [self.bridge]
        if self.monitor is not None and phase is self.fit.phases[-1]:
            observers.append(self.monitor)
        nets = self.fit.nets(phase)
        if keeper is not None and keeper.is_resumed(phase):
            state = self.fit.begin_again(phase, keeper.begun_before(), self.engine)
            self._skip(keeper.epochs_before())
        else:
            state = self.fit.begin(phase, nets, self.data)
        self.fit.inspect(phase, state)
        if self.fit.solved:
            solve(self.fit, self.engine, phase, self.data, state, tuple(observers))
            self.past.states[phase.name] = state
            self.past.history += [{"phase": phase.name, **row} for row in self.engine.history]
            return
        epochs = self.fit.epochs(phase, self.data, state)
        if keeper is not None:
            keeper.begin(phase, state, epochs)
        self.past.begun[phase.name] = state
        self.past.states[phase.name] = self.engine.run_phase(
            phase,
            nets,
            state,
            epochs,
            amp=self.fit.estimator.amp,
            lr_schedule=self.fit.schedule(phase),
            observers=tuple(observers),
            keeper=keeper,
        )
        self.past.history += [{"phase": phase.name, **row} for row in self.engine.history]

    def _pass_over(self, phase: Phase) -> None:
        """Look at a phase that was over before this call, as if it had just been trained."""
        begun = dict(self.past.begun[phase.name])
        self.fit.note_begun(phase, begun)
        self.fit.inspect(phase, begun)
        self._skip(sum(row["phase"] == phase.name for row in self.past.history))

    def _skip(self, n_epochs: int) -> None:
        if self.bridge is not None:
            self.bridge.skip(n_epochs)
