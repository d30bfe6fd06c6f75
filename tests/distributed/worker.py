"""One of the processes of `test_ranks.py`: fits all cases, alone and together with the others."""

import os
import pickle
import sys
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
import torch.distributed as dist

from sklearn_debias import (
    BiasAdvClassifier,
    DHATClassifier,
    ERMClassifier,
    GroupDROClassifier,
    JTTClassifier,
    LfFClassifier,
)

N_PROCESSES = 2


def connected(rank: int, store: str) -> Any:
    """Join the processes, and return the accelerator; what stands for it where there is none."""
    # Before Accelerate, which would ask for a port.
    dist.init_process_group(
        "gloo", store=dist.FileStore(store, N_PROCESSES), rank=rank, world_size=N_PROCESSES
    )
    for prefix in ("", "LOCAL_"):
        os.environ |= {f"{prefix}RANK": str(rank), f"{prefix}WORLD_SIZE": str(N_PROCESSES)}
    try:
        from accelerate import Accelerator
    except ImportError:
        return SimpleNamespace(
            num_processes=N_PROCESSES, process_index=rank, device=torch.device("cpu")
        )
    return Accelerator(cpu=True)


def images() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return images of two classes, labels, and a bias that goes with the class mostly."""
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 29)
    bias = np.where(rng.random(29) < 0.8, y, 1 - y)
    X = rng.random((29, 3, 8, 8)).astype(np.float32) * 0.4
    X[:, 0] += 0.5 * bias[:, None, None]
    X[:, 1, 2:5] += 0.2 * y[:, None, None]
    return X.clip(0, 1), y, bias


class Normed(torch.nn.Sequential):
    """A small network with BatchNorm."""

    def __init__(self) -> None:
        super().__init__(
            torch.nn.Conv2d(3, 4, 3, padding=1),
            torch.nn.BatchNorm2d(4),
            torch.nn.ReLU(),
            torch.nn.Conv2d(4, 6, 3, stride=2),
            torch.nn.BatchNorm2d(6),
            torch.nn.ReLU(),
            torch.nn.Flatten(),
            torch.nn.Linear(6 * 9, 2),
        )


SHARED = {
    "module": "simple_cnn",
    "max_epochs": 2,
    "batch_size": 9,  # uneven shares, and a last batch of two rows
    "random_state": 0,
    "device": "cpu",
    "dtype": "float64",
}
# Names, classifiers, what `fit` is given beside X and y.
CASES: dict[str, tuple[Any, tuple[str, ...]]] = {
    "ERM": (ERMClassifier(**SHARED), ()),
    "ERM, augmented": (ERMClassifier(**SHARED, augment="crop-flip"), ()),
    "ERM, weighted": (ERMClassifier(**SHARED), ("sample_weight",)),
    "LfF": (LfFClassifier(**SHARED), ()),
    "JTT": (JTTClassifier(**SHARED, identification_epochs=1), ()),
    "GroupDRO": (GroupDROClassifier(**SHARED), ("bias_labels",)),
    "BiasAdv": (BiasAdvClassifier(**SHARED, base=LfFClassifier(), random_start=True), ()),
    "DHAT": (DHATClassifier(**SHARED, n_steps=2), ()),
}


def result_of(clf: Any, wanted: tuple[str, ...]) -> dict[str, Any]:
    """Return the history and the predictions of a fit."""
    X, y, bias = images()
    beside = {"bias_labels": bias, "sample_weight": np.linspace(0, 2, len(y))}
    clf.fit(X, y, **{name: beside[name] for name in wanted})
    history = clf.history_.drop(columns="seconds")
    return {
        "history": history.drop(columns="phase").to_numpy(float),
        "columns": list(history.columns),
        "logits": clf.decision_function(X),
        "size": len(pickle.dumps(clf)),
    }


def main(rank: int, folder: str) -> None:
    """Fit the cases, and write what came out."""
    accelerator = connected(rank, f"{folder}/store")
    found = {}
    for number, (name, (clf, wanted)) in enumerate(CASES.items()):
        if number % N_PROCESSES == rank:
            found[f"alone: {name}"] = result_of(clf, wanted)
    for name, (clf, wanted) in CASES.items():
        clf.set_params(accelerator=accelerator)
        found[name] = result_of(clf, wanted)
    with open(f"{folder}/{rank}.pickle", "wb") as file:
        pickle.dump(found, file)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])
