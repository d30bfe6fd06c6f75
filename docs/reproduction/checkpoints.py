"""Does a fit that is killed end as one that is not? And what becomes of a damaged checkpoint?

    python docs/reproduction/checkpoints.py kills 25       # of each fit; writes checkpoints.csv
    python docs/reproduction/checkpoints.py mutations 2000

Kills: each fit runs in processes of its own, which get SIGKILL at a random moment until one comes
to its end; what it leaves is compared bit by bit with the fit that nobody disturbed. Mutations: one
of the two files of the last checkpoint is changed, and the folder is read again.
"""

import os
import shutil
import signal
import sys
import tempfile
import time
import warnings
from contextlib import suppress
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import nn

from sklearn_debias import (
    BiasAdvClassifier,
    DHATClassifier,
    ERMClassifier,
    GroupDROClassifier,
    JTTClassifier,
    MetaIADAClassifier,
    SELFClassifier,
    ULEClassifier,
)
from sklearn_debias.checkpoints import Checkpoints
from sklearn_debias.content import installed
from sklearn_debias.datasets import load_biased_digits, make_spurious_embeddings

OUT = Path(__file__).with_suffix(".csv")
COSINE = partial(torch.optim.lr_scheduler.CosineAnnealingLR, T_max=100)
WORKERS = {"iterator_train__num_workers": 2}


def noisy_mlp(n_features, n_classes):
    return nn.Sequential(
        nn.Linear(n_features, 32),
        nn.BatchNorm1d(32),
        nn.ReLU(),
        nn.Dropout(),
        nn.Linear(32, n_classes),
    )


# By name: the kind of rows, and the estimator; each runs for a second or a few.
FITS = {
    "ERM, monitored": (
        "heads",
        partial(
            ERMClassifier, max_epochs=200, validation=0.2, monitor="accuracy", lr_schedule=COSINE
        ),
    ),
    "JTT, mlp with dropout": (
        "heads",
        partial(JTTClassifier, noisy_mlp, identification_epochs=40, max_epochs=60, optimizer="sgd"),
    ),
    "BiasAdv on LfF": ("heads", partial(BiasAdvClassifier, noisy_mlp, max_epochs=60)),
    "ULE": ("heads", partial(ULEClassifier, max_epochs=100)),
    "Meta-IADA": ("heads", partial(MetaIADAClassifier, "mlp", max_epochs=40)),
    "GroupDRO": ("heads", partial(GroupDROClassifier, max_epochs=300)),
    "SELF": ("heads", partial(SELFClassifier, max_epochs=60, finetuning_epochs=100)),
    "DHAT, images": ("images", partial(DHATClassifier, "simple_cnn", max_epochs=4, n_steps=2)),
    "BiasAdv on JTT, augmented images": (
        "images",
        partial(
            BiasAdvClassifier,
            "simple_cnn",
            base=JTTClassifier(identification_epochs=4),
            max_epochs=6,
            augment="crop-flip",
        ),
    ),
    "ERM, images by two workers": (
        "images",
        partial(
            ERMClassifier, "simple_cnn", max_epochs=12, augment="crop-flip", net_params=WORKERS
        ),
    ),
}


def rows(kind):
    if kind == "heads":
        train = make_spurious_embeddings(600, random_state=0).train
    else:
        train = load_biased_digits(random_state=0).train
    return train.data, train.target, train.bias_labels


def fit(name, folder, every):
    """What a fit leaves, as arrays by name."""
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    kind, make = FITS[name]
    X, y, bias = rows(kind)
    clf = make(random_state=0, checkpoint=folder, checkpoint_every=every)
    if clf._needs_groups():
        clf.fit(X, y, bias_labels=bias)
    else:
        clf.fit(X, y)
    found = {f"net.{key}": t.numpy() for key, t in clf.net_.module_.state_dict().items()}
    history = clf.history_.drop(columns="seconds")
    found |= {f"history.{key}": history[key].to_numpy().astype(str) for key in history}
    return found | {"probabilities": clf.predict_proba(X)}


def in_a_process(name, folder, every, out):
    """Begin a fit in a new process; return its number."""
    child = os.fork()
    if child:
        return child
    try:
        os.setsid()  # so that a kill reaches its workers, too
        np.savez(out, **fit(name, folder, every))
        os._exit(0)
    except BaseException as error:
        print(name, repr(error), flush=True)
        os._exit(1)


def run(name, folder, every, out, until=None):
    """Run a fit, and kill it after so many seconds; return whether it came to its end."""
    child = in_a_process(name, folder, every, out)
    deadline = float("inf") if until is None else time.monotonic() + until
    while time.monotonic() < deadline:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            assert status == 0, f"{name} failed"
            return True
        time.sleep(0.002)
    for kill in (os.kill, os.killpg):
        with suppress(ProcessLookupError):  # it has no group of its own yet
            kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return False


def kills(wanted):
    rng = np.random.default_rng(0)
    table = []
    installed("torch")  # the list of packages, which each process would read again
    with tempfile.TemporaryDirectory() as scratch:
        scratch = Path(scratch)
        for name in FITS:
            start = time.monotonic()
            run(name, None, 1, scratch / "undisturbed.npz")
            seconds = time.monotonic() - start
            expected = dict(np.load(scratch / "undisturbed.npz"))
            killed = identical = fits = 0
            while killed < wanted:
                folder = scratch / "run"
                shutil.rmtree(folder, ignore_errors=True)
                fits += 1
                every = [1, 3, "0.2s"][fits % 3]
                # Some kills come before any epoch, some lives are long enough for the whole fit.
                out = scratch / "out.npz"
                while not run(name, folder, every, out, rng.uniform(0, 1.5 * seconds)):
                    killed += 1
                found = dict(np.load(scratch / "out.npz"))
                same = found.keys() == expected.keys() and all(
                    np.array_equal(found[key], expected[key]) for key in expected
                )
                identical += same
            row = {"fit": name, "kills": killed, "fits": fits, "identical": identical}
            table.append({**row, "seconds undisturbed": round(seconds, 2)})
            print(table[-1], flush=True)
    frame = pd.DataFrame(table)
    frame.to_csv(OUT, index=False)
    print(frame.to_string(index=False))
    print(
        f"{frame.kills.sum()} kills, {frame.identical.sum()} of {frame.fits.sum()} fits identical"
    )


def mutated(content, rng):
    """Content with something changed, and the name of what was done."""
    content = bytearray(content)
    place = int(rng.integers(len(content)))
    length = int(rng.integers(1, 200))
    kind = str(rng.choice(["bit", "byte", "zeros", "cut", "swapped", "appended", "removed"]))
    if kind == "bit":
        content[place] ^= 1 << int(rng.integers(8))
    elif kind == "byte":
        content[place] = int(rng.integers(256))
    elif kind == "zeros":
        content[place : place + length] = bytes(len(content[place : place + length]))
    elif kind == "cut":
        del content[place:]
    elif kind == "swapped":
        other = int(rng.integers(len(content)))
        content[place], content[other] = content[other], content[place]
    elif kind == "appended":
        content += rng.bytes(length)
    else:
        del content[place : place + length]
    return bytes(content), kind


def mutations(wanted):
    rng = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "run"
        fit("BiasAdv on LfF", folder, 1)
        last, before = (stem(folder, number) for number in numbers(folder)[::-1])
        whole = {path.name: path.read_bytes() for path in folder.iterdir()}
        table = []
        for _ in range(wanted):
            name = last.name + str(rng.choice([".json", ".safetensors"]))
            changed, kind = mutated(whole[name], rng)
            (folder / name).write_bytes(changed)
            with warnings.catch_warnings(record=True) as said:
                warnings.simplefilter("always")
                found = read(folder)
            if changed == whole[name]:
                outcome = "nothing changed"
            elif found == before.name and said:
                outcome = "the one before, with a warning"
            else:
                outcome = f"WRONG: {found}"
            table.append({"file": name.split(".")[1], "mutation": kind, "outcome": outcome})
            (folder / name).write_bytes(whole[name])
    frame = pd.DataFrame(table)
    print(pd.crosstab([frame.file, frame.mutation], frame.outcome).to_string())
    print(frame.outcome.value_counts().to_string())


def numbers(folder):
    checkpoints = Checkpoints(folder)
    found = checkpoints.numbers()
    checkpoints.close()
    return found


def stem(folder, number):
    return folder / f"epoch-{number:06d}"


def read(folder):
    """Name of the checkpoint that a fit would go on from."""
    checkpoints = Checkpoints(folder)
    try:
        saved = checkpoints.last()
        return saved.path.stem
    finally:
        checkpoints.close()


if __name__ == "__main__":
    what, wanted = sys.argv[1], int(sys.argv[2])
    {"kills": kills, "mutations": mutations}[what](wanted)
