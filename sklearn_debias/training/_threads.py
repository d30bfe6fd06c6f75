"""How many CPU threads a fit uses."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.dummy import DummyProcess

import torch

_PROCESS = os.getpid()
_LOCK = threading.Lock()
_active = {"count": 0, "outside": 0}
_own = threading.local()


@contextmanager
def cpu_threads(*, small: bool) -> Iterator[None]:
    """Use one thread for small problems, and in forked children of a process that used several.

    A head of a few thousand weights loses far more to the hand-over between threads than it gains;
    a forked child would wait for threads that only its parent has. In a pool of threads, such as
    joblib's, each worker takes its share, or they would wait for each other. The caller's number
    comes back after the outermost of nested uses.
    """
    alone = small or os.getpid() != _PROCESS
    workers = _workers()
    if getattr(_own, "inside", False) or (not alone and workers < 2):
        yield
        return
    with _LOCK:
        # Asked for by the first of several threads: the others may find the 1 that it has set.
        if _active["count"] == 0:
            _active["outside"] = torch.get_num_threads()
        _active["count"] += 1
        number = 1 if alone else max(1, _active["outside"] // workers)
    torch.set_num_threads(number)
    _own.inside = True
    try:
        yield
    finally:
        _own.inside = False
        with _LOCK:
            _active["count"] -= 1
            torch.set_num_threads(_active["outside"])


def _workers() -> int:
    """Return the number of threads in pools of this process; 0 outside of these."""
    if not isinstance(threading.current_thread(), DummyProcess):
        return 0
    return sum(isinstance(thread, DummyProcess) for thread in threading.enumerate())
