"""The processes of `test_ranks.py`: what one does alone, and two together."""

import contextlib
import io
import os
import pickle
import signal
import sys
import time
import warnings
from collections.abc import Callable
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
from skorch.callbacks import Callback

from sklearn_debias import (
    BiasAdvClassifier,
    DHATClassifier,
    ERMClassifier,
    GroupDROClassifier,
    JTTClassifier,
    LfFClassifier,
)
from sklearn_debias.core import SplitModule
from sklearn_debias.training import Ranks

N_PROCESSES = 2
PATIENCE = timedelta(seconds=60)


def connected(rank: int, store: str) -> Any:
    """Join the processes, and return the accelerator; what stands for it where there is none."""
    # Before Accelerate, which would ask for a port.
    files = dist.FileStore(store, N_PROCESSES)
    dist.init_process_group(
        "gloo", store=files, rank=rank, world_size=N_PROCESSES, timeout=PATIENCE
    )
    for prefix in ("", "LOCAL_"):
        os.environ |= {f"{prefix}RANK": str(rank), f"{prefix}WORLD_SIZE": str(N_PROCESSES)}
    try:
        from accelerate import Accelerator
    except ImportError:
        device = torch.device("cpu")
        return SimpleNamespace(num_processes=N_PROCESSES, process_index=rank, device=device)
    return Accelerator(cpu=True)


def images() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return images of two classes, labels, and a bias that goes with the class mostly."""
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 29)
    bias = np.where(rng.random(29) < 0.8, y, 1 - y)
    X = rng.random((29, 3, 8, 8)) * 0.4
    X[:, 0] += 0.5 * bias[:, None, None]
    X[:, 1, 2:5] += 0.2 * y[:, None, None]
    return X.clip(0, 1), y, bias


def normed(n_classes: int = 2) -> SplitModule:
    """Return a small network with BatchNorm."""
    nn = torch.nn
    convolved = [nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU()]
    flat = [nn.Conv2d(4, 5, 3, stride=2), nn.BatchNorm2d(5), nn.ReLU(), nn.Flatten()]
    columns = [nn.Linear(45, 6), nn.BatchNorm1d(6), nn.ReLU()]
    return SplitModule(nn.Sequential(*convolved, *flat, *columns), nn.Linear(6, n_classes))


SHARED = {
    "module": "simple_cnn",
    "max_epochs": 2,
    "batch_size": 9,  # uneven shares, and a last batch of two rows
    "random_state": 0,
    "device": "cpu",
    "dtype": "float64",
}
ONE_LEFT = SHARED | {"batch_size": 14}  # a last batch of fewer rows than processes
NORMED = SHARED | {"module": normed}
HEAD = NORMED | {"freeze": "body"}
# Classifiers, and what `fit` is given beside X and y.
CASES: dict[str, tuple[Any, tuple[str, ...]]] = {
    "ERM": (ERMClassifier(**ONE_LEFT), ()),
    "ERM in float32": (ERMClassifier(**SHARED | {"dtype": "float32"}), ()),
    "ERM, augmented": (ERMClassifier(**SHARED, augment="crop-flip"), ()),
    "ERM, weighted": (ERMClassifier(**SHARED, optimizer="sgd"), ("sample_weight",)),
    "ERM with BatchNorm": (ERMClassifier(**NORMED), ()),
    "ERM of a head": (ERMClassifier(**HEAD), ()),
    "ERM with a loader": (
        ERMClassifier(**SHARED, net_params={"iterator_train__num_workers": 0}),
        (),
    ),
    "ERM, stopped by its monitor": (
        ERMClassifier(**SHARED | {"max_epochs": 9}, validation=0.3, monitor="accuracy", patience=1),
        (),
    ),
    "LfF": (LfFClassifier(**ONE_LEFT), ()),
    "LfF with BatchNorm": (LfFClassifier(**NORMED), ()),
    "JTT by duplication": (JTTClassifier(**SHARED, identification_epochs=1), ()),
    "JTT by weights": (
        JTTClassifier(**SHARED, identification_epochs=1, upweight_by="weight"),
        (),
    ),
    "GroupDRO": (GroupDROClassifier(**SHARED), ("bias_labels",)),
    "BiasAdv of ERM": (BiasAdvClassifier(**NORMED), ()),
    "BiasAdv of LfF": (BiasAdvClassifier(**ONE_LEFT, base=LfFClassifier(), random_start=True), ()),
    "DHAT": (DHATClassifier(**ONE_LEFT, n_steps=2), ()),
    "DHAT with BatchNorm": (DHATClassifier(**NORMED, n_steps=2), ()),
    "DHAT by integrated gradients": (
        DHATClassifier(**SHARED, n_steps=1, attention="integrated_gradients", attack_mode="eval"),
        (),
    ),
}


def result_of(clf: Any, wanted: tuple[str, ...] = ()) -> dict[str, Any]:
    """Return the history and the predictions of a fit."""
    X, y, bias = images()
    beside = {"bias_labels": bias, "sample_weight": np.linspace(0, 2, len(y))}
    clf.fit(X, y, **{name: beside[name] for name in wanted})
    history = clf.history_.drop(columns=["seconds", "phase"])
    return {
        "history": history.to_dict("list"),
        "logits": clf.decision_function(X),
        "buffers": {n: b.numpy() for n, b in clf.module_.named_buffers()},
        "saved": pickle.dumps(clf),
    }


def error_of(run: Callable[[], Any]) -> tuple[str, str, float]:
    """Return the class of the error that ends a call, its text, and the seconds until then."""
    start = time.monotonic()
    try:
        run()
    except BaseException as error:
        return type(error).__name__, str(error), time.monotonic() - start
    return "", "", time.monotonic() - start


class At(Callback):
    """Do something in the third batch."""

    def __init__(self, act: Callable[[], Any]) -> None:
        self.act = act
        self.seen = 0

    def on_batch_begin(self, net: Any, **kwargs: Any) -> None:
        self.seen += 1
        if self.seen == 3:
            self.act()


def fail() -> None:
    raise OSError("the disk of one process is gone")


def interrupt() -> None:
    signal.raise_signal(signal.SIGINT)


def kill() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def start_by_process(n_classes: int) -> torch.nn.Module:
    """Return a network that starts otherwise in each process."""
    module = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(192, n_classes))
    torch.nn.init.constant_(module[1].bias, float(os.environ["RANK"]))
    return module


class CountsRows(torch.nn.Module):
    """A network that keeps a statistic of the rows it sees."""

    def __init__(self, n_classes: int) -> None:
        super().__init__()
        self.layers = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(192, n_classes))
        self.register_buffer("mean", torch.zeros(()))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.training:
            self.mean += x.detach().mean()
        return self.layers(x)


class Centred(torch.nn.Module):
    """A network that mixes the rows of a batch."""

    def __init__(self, n_classes: int) -> None:
        super().__init__()
        self.layer = torch.nn.Linear(192, n_classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x.flatten(1)
        return self.layer(x - x.mean(0))


def tracking(n_classes: int) -> torch.nn.Module:
    """Return a network that keeps statistics of each row."""
    norm = torch.nn.InstanceNorm2d(3, track_running_stats=True)
    return torch.nn.Sequential(norm, torch.nn.Flatten(), torch.nn.Linear(192, n_classes))


def errors(rank: int, accelerator: Any) -> dict[str, tuple[str, str, float]]:
    """Return how fits end that cannot go on."""
    X, y, _ = images()
    own = {"accelerator": accelerator}

    def fit(X: np.ndarray = X, y: np.ndarray = y, **params: Any) -> Callable[[], Any]:
        return lambda: ERMClassifier(**SHARED | {"net_params": own} | params).fit(X, y)

    def act(action: Callable[[], None]) -> Callable[[], Any]:
        return fit(callbacks=[At(action)] if rank else None)

    signal.signal(signal.SIGINT, signal.default_int_handler)  # a background shell ignores it
    dropout = {"module": "mlp", "net_params": own | {"module__dropout": 0.5}}
    return {
        "rows": error_of(fit(X + 0.01 * rank)),
        "labels": error_of(fit(y=y if rank else 1 - y)),
        "seeds": error_of(fit(random_state=rank)),
        "a fresh seed": error_of(fit(random_state=0 if rank else None)),
        "parameters": error_of(fit(lr=0.1 / (1 + rank))),
        "starts": error_of(fit(module=start_by_process)),
        "statistics": error_of(fit(module=CountsRows)),
        "mixed rows": error_of(fit(module=Centred)),
        "InstanceNorm": error_of(fit(module=tracking)),
        "dropout": error_of(lambda: ERMClassifier(**SHARED | dropout).fit(X.reshape(29, -1), y)),
        "an error": error_of(act(fail)),
        "Ctrl-C": error_of(act(interrupt)),
    }


def timeout_of_a_fit(rank: int) -> timedelta:
    """Return how long the processes of a fit wait for each other."""
    ranks = Ranks(N_PROCESSES, rank)
    options = ranks.group._get_backend(torch.device("cpu")).options
    dist.barrier(ranks.group)  # one that is still connecting would find the other gone
    ranks.close()
    return options._timeout


def kept(folder: str, accelerator: Any) -> dict[str, Any]:
    """Return a fit that went on from a checkpoint, and what lies in the folder."""
    own = {"checkpoint": f"{folder}/kept", "net_params": {"accelerator": accelerator}}
    ERMClassifier(**SHARED | {"max_epochs": 1} | own).fit(*images()[:2])
    found = result_of(ERMClassifier(**SHARED | own))
    return found | {"files": sorted(os.listdir(f"{folder}/kept"))}


def refused(folder: str, accelerator: Any) -> dict[str, tuple[str, str, float]]:
    """Return how fits end whose checkpoints the first process cannot open."""

    def fit(name: str, **params: Any) -> Callable[[], Any]:
        own = {"checkpoint": f"{folder}/{name}", "net_params": {"accelerator": accelerator}}
        return lambda: ERMClassifier(**SHARED | own | params).fit(*images()[:2])

    return {
        "of another fit": error_of(fit("kept", lr=0.5)),
        "below a file": error_of(fit("store/kept")),
    }


def together(rank: int, folder: str) -> None:
    """Fit the cases, and what fails, as one of the processes; write what came out."""
    accelerator = connected(rank, f"{folder}/store")
    found: dict[str, Any] = {"accelerator": type(accelerator).__name__}
    found["timeout"] = timeout_of_a_fit(rank)
    for name, (clf, wanted) in CASES.items():
        clf.set_params(accelerator=accelerator)
        found[name] = result_of(clf, wanted)
    found["errors"] = errors(rank, accelerator)
    # After all that has failed: nothing of it stands in the way.
    own = {"net_params": {"accelerator": accelerator}}
    found["kept"] = kept(folder, accelerator)
    found["refused"] = refused(folder, accelerator)
    found["whole"] = result_of(ERMClassifier(**SHARED | own))
    found["fresh seed"] = result_of(ERMClassifier(**SHARED | own | {"random_state": None}))
    with contextlib.redirect_stdout(io.StringIO()) as said:
        ERMClassifier(**SHARED | own, verbose=1).fit(*images()[:2])
    found["said"] = said.getvalue()
    if rank:
        write(found, folder, str(rank))  # it does not come back
    callbacks = [At(kill)] if rank else None
    last = ERMClassifier(**SHARED | own, callbacks=callbacks)
    found["killed"] = error_of(lambda: last.fit(*images()[:2]))
    # From now on this process is the only one that calls `fit`.
    dist.distributed_c10d._set_pg_timeout(timedelta(seconds=1))
    found["absent"] = error_of(lambda: last.fit(*images()[:2]))
    write(found, folder, str(rank))


def write(found: dict[str, Any], folder: str, name: str) -> None:
    with open(f"{folder}/{name}.pickle", "wb") as file:
        pickle.dump(found, file)


def main(folder: str) -> None:
    """Fit the cases alone, then as two processes; a fork spares one of them half its time."""
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")  # two epochs teach nothing
    write({name: result_of(clf, wanted) for name, (clf, wanted) in CASES.items()}, folder, "alone")
    child = os.fork()
    together(int(child == 0), folder)
    os.waitpid(child, 0)


if __name__ == "__main__":
    main(sys.argv[1])
