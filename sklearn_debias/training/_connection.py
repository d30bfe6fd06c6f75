"""How long connected processes wait for each other, and what is said when one is gone."""

import pickle
import re
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import torch.distributed as dist

from sklearn_debias.exceptions import ProcessLostError
from sklearn_debias.training._blame import is_of_device, is_of_memory

LOST = (
    "Another process of this fit has stopped, or cannot be reached: see what it says. This one "
    "cannot go on without it."
)
ABSENT = (
    "Another process of this fit has not begun it before the timeout. Call `fit` in every process: "
    "under `if accelerator.is_main_process` goes only what scores, prints or saves. Or it has "
    "stopped: see what it says."
)


def patience() -> timedelta | None:
    """Return how long the connected processes wait for each other; None is torch's default.

    A new group would begin with that default, whatever the user asked of the first one.
    """
    every: Any = dist.group.WORLD
    try:
        return every._get_backend(every._device_types[0]).options._timeout
    except (AttributeError, IndexError, RuntimeError):  # torch has no public name for it
        return None


@contextmanager
def told(words: str = LOST) -> Iterator[None]:
    """Say in our words that another process is gone."""
    try:
        yield
    except RuntimeError as error:  # torch's own classes are among them
        if is_of_memory(error) or is_of_device(error):
            raise
        # Gloo says where in its code, and guesses why.
        message = re.sub(r"^\[[^]]*\] |\. This is typically.*", "", str(error).partition("\n")[0])
        # Its frames hold the group, which must end with this process's part in it.
        traceback.clear_frames(error.__traceback__)
        raise ProcessLostError(f"{words} ({message or type(error).__name__})") from None


def portable(error: Exception) -> Exception:
    """Return an error as other processes can read it."""
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:  # it has arguments of its own
        return RuntimeError(f"{type(error).__name__}: {error}")
    return error
