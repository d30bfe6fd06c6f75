"""skorch's callbacks: copies of a fit's own, what they may be, and errors in their name."""

import copy
import dis
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from skorch.callbacks import BatchScoring, Callback, EpochScoring, InputShapeSetter
from skorch.exceptions import SkorchException

BATCH_HOOKS = ("on_batch_begin", "on_batch_end", "on_grad_computed")
SCORED_HERE = "Use `validation` and `monitor`, whose score of each epoch is in `history_`."
# What looks into parts of a skorch net that a fit of ours does not have.
UNSUITED: dict[type, str] = {
    EpochScoring: SCORED_HERE,
    BatchScoring: SCORED_HERE,
    InputShapeSetter: "A class or factory as `module` is called with n_features or in_channels.",
}
# Errors of something missing. Others a callback may raise on purpose, to end a search's trial.
MISSING = (KeyError, IndexError, AttributeError, TypeError, SkorchException)


class Stop(Exception):
    """A callback asked to end the phase."""


def check_callbacks(callbacks: Any) -> None:
    """Raise unless ``callbacks`` is made of skorch callbacks, or (name, callback) pairs."""
    for entry in callbacks if isinstance(callbacks, (list, tuple)) else ():
        callback = _of(entry)
        made = callback if isinstance(callback, type) else type(callback)
        if not callable(getattr(made, "on_train_begin", None)):
            raise TypeError(
                f"`callbacks` must hold skorch callbacks, or (name, callback) pairs, got {entry!r}."
            )
        for unsuited, advice in UNSUITED.items():
            if issubclass(made, unsuited):
                raise ValueError(f"`callbacks` must not hold {made.__name__} here. {advice}")


def own_callbacks(callbacks: Any) -> Any:
    """Return copies for one fit, which keep state between epochs.

    What a callback points to (a writer, a trial of a search, a list) is the caller's; another
    callback of the same fit is its copy.
    """
    if not isinstance(callbacks, (list, tuple)):
        return callbacks
    copies = {id(_of(entry)): copy.copy(_of(entry)) for entry in callbacks}
    for twin in copies.values():
        if isinstance(twin, type):
            continue
        for name, value in list(vars(twin).items()):
            if id(value) in copies:
                setattr(twin, name, copies[id(value)])
    return [
        (entry[0], copies[id(_of(entry))]) if _is_pair(entry) else copies[id(entry)]
        for entry in callbacks
    ]


def batch_hooks(callbacks: list[tuple[str, Callback]]) -> set[str]:
    """Return the hooks of a batch that any of the callbacks has: the others need no calls."""
    return {
        hook
        for hook in BATCH_HOOKS
        for _, callback in callbacks
        if getattr(type(callback), hook) is not getattr(Callback, hook)
    }


@contextmanager
def in_the_name_of(name: str, callback: Callback, engine: Any) -> Iterator[None]:
    """Say which callback of an engine missed something, and what there is."""
    try:
        yield
    except MISSING as error:
        history = engine.history
        found = sorted(set(history[-1]) - {"batches"}) if len(history) else []
        known = f"The history of this phase has {', '.join(found)}; " if found else ""
        looked_up = isinstance(error, LookupError | SkorchException)
        advice = (
            f" {known}valid_loss and valid_loss_best are there in the last phase of a fit with "
            "`validation` rows, where `monitor_every` has them scored."
        )
        if any(observer.every > 1 for observer in engine.observers):
            advice += " Set monitor_every=1, or use `patience` to end a fit early."
        raise ValueError(
            f"`callbacks`: {name} ({type(callback).__name__}) failed with {type(error).__name__}: "
            f"{str(error).rstrip('.')}.{advice if looked_up else ''}"
        ) from error


def raised_in_code(error: BaseException) -> bool:
    """Return whether a ``raise`` statement made the error, not a signal."""
    # A signal interrupts anything; an error of code stands at a raise in its innermost frame.
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return (
        trace is not None
        and trace.tb_frame.f_code.co_code[trace.tb_lasti] == dis.opmap["RAISE_VARARGS"]
    )


def _is_pair(entry: Any) -> bool:
    return isinstance(entry, tuple) and len(entry) == 2


def _of(entry: Any) -> Any:
    """Return the callback of an entry, with or without a name."""
    return entry[-1] if _is_pair(entry) else entry
