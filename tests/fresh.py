"""Fresh processes that need not import torch: forks of a server that has, and nothing of ours."""

import contextlib
import multiprocessing
import os
import signal
import sys
import tempfile
import textwrap
import warnings

LIBRARIES = [
    "torch",
    "torch._dynamo",  # which torch imports with the first optimiser
    "torchvision",
    "sklearn.model_selection",
    "skorch",
    "pandas",
    "scipy.stats",
    "matplotlib.pyplot",
]
PATIENCE = 120  # seconds


def server():
    """Return the context whose processes have the libraries, which are imported once."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(LIBRARIES)
    return context


def said_by(program, folder):
    """Run the text of a program in the folder; return what it printed.

    One that hangs is killed, with all processes that it has started.
    """
    with tempfile.NamedTemporaryFile() as log:  # not a pipe, which orphans would keep open
        arguments = textwrap.dedent(program), str(folder), log.name
        process = server().Process(target=_run, args=arguments)
        process.start()
        process.join(PATIENCE)
        hangs = process.exitcode is None
        if hangs:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.join()
        said = log.read().decode()
        assert not hangs, said
        assert process.exitcode == 0, said
    return said


def _run(program, folder, log):
    os.setsid()
    for stream in (1, 2):
        os.dup2(os.open(log, os.O_WRONLY | os.O_APPEND), stream)
    os.chdir(folder)
    sys.path.insert(0, folder)
    warnings.simplefilter("ignore")
    exec(compile(program, "program", "exec"), {"__name__": "__main__"})
    sys.stdout.flush()
