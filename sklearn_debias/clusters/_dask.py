"""joblib's dask backend, with workers that are looked at first and whose death loses no rows."""

import platform
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pkgutil import resolve_name
from typing import Any

from joblib import parallel_config

from sklearn_debias.arguments import is_real

# What decides the figures of a fit, or how estimators travel.
PACKAGES = ("sklearn_debias", "torch", "sklearn", "numpy", "joblib")
LARGE = "distributed.admin.large-graph-warning-threshold"
ADVICE = "Install the same environment on all machines."


@contextmanager
def on_dask(client: Any, *, timeout: float = 60) -> Iterator[None]:
    """Send the fits inside to the workers of a dask cluster.

    All that runs by joblib goes there: the searches of scikit-learn, `compare`, shards of an
    `Embedder`. It is ``joblib.parallel_config("dask", client=client)``, and two things more. The
    workers are looked at first: each must have this package, torch, scikit-learn, NumPy and joblib
    in the versions that are here. And rows are sent as tasks that dask repeats, not as data that is
    lost with the worker that holds it: a worker that is killed costs the fits that it was at.

    Parameters
    ----------
    client : dask.distributed.Client
        Connected to the cluster. Not an asynchronous one.
    timeout : float, default=60
        Seconds to wait for the first worker, > 0.

    Yields
    ------
    None

    Raises
    ------
    ImportError
        If ``distributed`` is not installed here.
    TypeError, ValueError
        If ``client`` or ``timeout`` is something else.
    TimeoutError
        If no worker comes.
    RuntimeError
        If a worker cannot import one of the packages, or has another version of it. What follows a
        "+" in the version of torch, such as "cpu", may differ. Workers that come later are not
        looked at.

    Notes
    -----
    dask counts how often a worker dies at a task, and gives up the fourth time (its setting
    ``distributed.scheduler.allowed-failures``). joblib sends fits that take less than .2 seconds in
    batches, and such a batch is repeated as one. The scheduler holds the rows while the fits run.

    Examples
    --------
    >>> from dask.distributed import Client  # doctest: +SKIP
    >>> from sklearn_debias.clusters import on_dask  # doctest: +SKIP
    >>> with Client("tcp://scheduler:8786") as client, on_dask(client):  # doctest: +SKIP
    ...     search.fit(X, y, bias_labels=bias_labels)
    """
    _check(client, timeout)
    try:
        client.wait_for_workers(1, timeout)
    except TimeoutError as error:
        raise TimeoutError(
            f"`client` has no worker after {timeout:g} seconds. Start workers, or raise `timeout`."
        ) from error
    check_workers(client)
    with parallel_config("dask", client=_Resending(client)):
        yield


def check_workers(client: Any) -> None:
    """Raise RuntimeError unless all workers have the packages of this process."""
    for package in PACKAGES:
        name = f"{package}:__version__"
        _compare(client, package, resolve_name(name), resolve_name, name)
    _compare(client, "Python", platform.python_version(), platform.python_version)


def _compare(client: Any, package: str, here: str, ask: Callable, *args: Any) -> None:
    """Compare a version with what a function, one of Python's own, says on each worker."""
    for address, there in client.run(ask, *args, on_error="return").items():
        if isinstance(there, BaseException):
            raise RuntimeError(
                f"`client`: the worker {address} cannot import {package}: "
                f"{type(there).__name__}: {there}. {ADVICE}"
            )
        if _public(package, there) != _public(package, here):
            raise RuntimeError(
                f"`client`: the worker {address} has {package} {there}, and here it is {here}. "
                f"{ADVICE}"
            )


def _public(package: str, version: str) -> str:
    """Return what must be equal of a version: code travels between patches of one Python."""
    if package == "Python":
        return version.rpartition(".")[0]
    return str(version).partition("+")[0]


def _check(client: Any, timeout: Any) -> None:
    try:
        from distributed import Client
    except ImportError as error:
        raise ImportError(
            "Fits on dask need distributed: pip install distributed, or pip install "
            "sklearn-debias[distributed]."
        ) from error
    if not isinstance(client, Client):
        raise TypeError(
            f"`client` must be a dask.distributed.Client, got {type(client).__name__}. Pass "
            "Client(cluster), or Client('tcp://scheduler:8786')."
        )
    if client.asynchronous:
        raise ValueError("`client` must not be asynchronous: fits are waited for.")
    if not is_real(timeout) or not timeout > 0:
        raise ValueError(f"`timeout` must be a number > 0, of seconds, got {timeout!r}.")


class _Resending:
    """A client whose scattered data are results of tasks, which dask computes again where lost."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    async def scatter(self, data: Any, **_: Any) -> Any:
        import dask

        # dask advises to scatter what is large; that is what must not be done here.
        with dask.config.set({LARGE: "1 PiB"}):
            return self._client.submit(_same, data, pure=False)


def _same(data: Any) -> Any:
    return data
