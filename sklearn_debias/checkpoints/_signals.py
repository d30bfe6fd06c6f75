"""A request to end the process, turned into an error that can be acted upon."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


class TerminatedError(BaseException):
    """The process was asked to end."""


@contextmanager
def terminable() -> Iterator[None]:
    """Raise where SIGTERM arrives, and pass the signal on at the end of the block.

    In the main thread only, where Python handles signals; not where SIGTERM is ignored.
    """
    before: Any = None
    if threading.current_thread() is threading.main_thread():
        before = signal.getsignal(signal.SIGTERM)
    if before is None or before is signal.SIG_IGN:
        yield
        return

    def end(number: int, frame: Any) -> None:
        signal.signal(signal.SIGTERM, before)  # a second one ends the process at once
        raise TerminatedError

    signal.signal(signal.SIGTERM, end)
    try:
        yield
    except TerminatedError:
        signal.raise_signal(signal.SIGTERM)  # to who was asked before: the system ends the process
        raise SystemExit(128 + signal.SIGTERM) from None
    finally:
        signal.signal(signal.SIGTERM, before)
