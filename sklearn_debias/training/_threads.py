"""How many CPU threads a fit uses."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import torch

_PROCESS = os.getpid()
_LOCK = threading.Lock()
_active = {"count": 0, "outside": 0}
_own = threading.local()


@contextmanager
def cpu_threads(*, small: bool) -> Iterator[None]:
    """Use one thread for small problems, and in forked children of a process that used several.

    A head of a few thousand weights loses far more to the hand-over between threads than it gains;
    a forked child would wait for threads that only its parent has. The caller's number comes back
    after the outermost of nested uses.
    """
    if getattr(_own, "inside", False) or (not small and os.getpid() == _PROCESS):
        yield
        return
    with _LOCK:
        # Asked for by the first of several threads: the others may find the 1 that it has set.
        if _active["count"] == 0:
            _active["outside"] = torch.get_num_threads()
        _active["count"] += 1
    torch.set_num_threads(1)
    _own.inside = True
    try:
        yield
    finally:
        _own.inside = False
        with _LOCK:
            _active["count"] -= 1
            torch.set_num_threads(_active["outside"])
