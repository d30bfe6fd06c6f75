"""A script run as users do, in a process that has the libraries imported already."""

import os
import runpy
import sys


def as_main(path, folder, out, environment, smaller, fewer):
    """Run the script in the folder; write what it prints to `out`, its errors beside.

    `smaller` holds statements that the script's globals go through before its `main` is called.
    `fewer` holds arguments of `compare` that stand in for those of the script.
    """
    for stream, name in ((1, out), (2, out.with_suffix(".err"))):
        os.dup2(os.open(name, os.O_WRONLY | os.O_CREAT), stream)
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    sys.argv = [str(path)]
    import matplotlib

    matplotlib.use("agg")
    if fewer:
        _with(fewer)
    if smaller:
        main = runpy.run_path(str(path))["main"]
        exec(smaller, main.__globals__)
        main()
    else:
        runpy.run_path(str(path), run_name="__main__")
    sys.stdout.flush()


def _with(fewer):
    from sklearn_debias import comparison

    compare = comparison.compare
    comparison.compare = lambda *args, **given: compare(*args, **{**given, **fewer})
