"""What autograd keeps of a backward pass that has failed."""

from contextlib import suppress
from types import TracebackType

import torch


def forget_backward() -> None:
    """Let autograd drop what is left of a backward pass that failed in this thread.

    Its engine has a queue for each thread. The steps that such a pass did not come to stay there
    with what they need, up to all activations of a batch, until the next pass looks at the queue.
    """
    # A device that has failed may refuse even this one; it holds nothing more for anybody.
    with suppress(RuntimeError), torch.inference_mode(False), torch.enable_grad():
        torch.zeros((), device="cpu", requires_grad=True).backward()


def came_of_autograd(error: BaseException) -> bool:
    """Return whether an error, or one before it, has come through autograd.

    Autograd starts threads where it first runs, and must not do so where nothing is trained: a
    process that is forked later could train no more.
    """
    known: BaseException | None = error
    while known is not None:
        if _is_of_autograd(known.__traceback__):
            return True
        known = known.__context__
    return False


def _is_of_autograd(frames: TracebackType | None) -> bool:
    while frames is not None:
        if str(frames.tb_frame.f_globals.get("__name__")).startswith("torch.autograd"):
            return True
        frames = frames.tb_next
    return False
