"""A phase that is solved at once, told to skorch's callbacks and history as one of epochs."""

from collections.abc import Callable

from sklearn_debias.core import Phase
from sklearn_debias.training._callbacks import Stop
from sklearn_debias.training._engine import Engine
from sklearn_debias.training._lbfgs import Minimum
from sklearn_debias.training._observer import Observer


def run_solved(
    engine: Engine,
    phase: Phase,
    solve: Callable[[], Minimum],
    observers: tuple[Observer, ...] = (),
) -> None:
    """Let ``solve`` train the model; write a row of the history for each of its iterations.

    Callbacks and observers are told of one epoch, which ends with the last iteration.
    """
    engine.phase = phase
    engine.observers = observers
    engine._lowest = {}
    engine.initialize_history()
    engine.fresh_optimizer(None)
    try:
        engine.notify("on_train_begin", X=None, y=None)
        engine.notify("on_epoch_begin", dataset_train=None, dataset_valid=None)
        found = solve()
        for number, (loss, seconds) in enumerate(zip(found.losses, found.seconds, strict=True)):
            if number:
                engine.history.new_epoch()
                engine.history.record("epoch", number + 1)
            engine.history.record("model_loss", loss)
            engine.record_loss("train_loss", loss)
            engine.history.record("dur", seconds)
        engine.epochs_left = len(found.losses)  # what is printed forecasts no more of this phase
        engine.notify("on_epoch_end", dataset_train=None, dataset_valid=None)
    except Stop:
        pass
    finally:
        engine.observers = ()
        engine.close_logs()
        del engine.phase
    engine.history[-1]["dur"] = found.seconds[-1]  # skorch's timer has taken all for the last one
    engine.notify("on_train_end", X=None, y=None)
