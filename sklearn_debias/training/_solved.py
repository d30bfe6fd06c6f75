"""A phase that is solved at once, told to skorch's callbacks and history as one of epochs."""

from collections.abc import Callable

from sklearn_debias.core import Phase
from sklearn_debias.training._callbacks import Stop
from sklearn_debias.training._engine import Engine
from sklearn_debias.training._lbfgs import Minimum
from sklearn_debias.training._log import EpochLog, terms
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
    # These count epochs: a minimum would look like a phase that was given up.
    engine.callbacks_ = [one for one in engine.callbacks_ if not isinstance(one[1], EpochLog)]
    if engine.verbose:
        print(f"Phase {phase.name!r}: L-BFGS, {engine.max_epochs} iterations at most")
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
        engine.notify("on_epoch_end", dataset_train=None, dataset_valid=None)
    except Stop:
        pass
    finally:
        engine.observers = ()
        del engine.phase
    engine.history[-1]["dur"] = found.seconds[-1]  # skorch's timer has taken all for the last one
    if engine.verbose:
        row = terms(engine.history[-1])
        print(f"{_said(found)}{row}  {sum(found.seconds):.2f} s", flush=True)
    engine.notify("on_train_end", X=None, y=None)


def _said(found: Minimum) -> str:
    """Return how a search for the minimum has ended."""
    end = "Converged" if found.converged else "Not converged"
    return (
        f"{end}  iterations {len(found.losses)}  objective {found.objective:.4g}"
        f"  slope {found.slope:.1e}"
    )
