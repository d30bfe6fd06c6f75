"""How much memory and time do heads take on embeddings that are larger than memory?

    python docs/reproduction/size.py make FOLDER --rows 10000000  # 10 GB; delete them afterwards
    python docs/reproduction/size.py fit FOLDER --rows 10000000 --methods ERM JTT GroupDRO

Each method is fitted in a process of its own, and prints a row of the table: rows, GB of the file,
seconds, CPU seconds, the MB by which the anonymous memory of the process grew at most, and the
accuracy on the first rows. Pages of the file are not in it: the system drops them where others need
the room. Anonymous memory is read from /proc, which only Linux has.
"""

import argparse
import subprocess
import sys
import threading
import time
import warnings
from pathlib import Path

import numpy as np
import torch

from sklearn_debias import (
    DFRClassifier,
    ERMClassifier,
    GroupDROClassifier,
    InferredGroupsClassifier,
    JTTClassifier,
)

D = 512
PART = 50_000  # rows that are drawn
FLIPPED = 0.1  # of the bias values
EPOCH = {"max_epochs": 1, "batch_size": 1024, "random_state": 0, "device": "cpu"}
METHODS = {
    "ERM": lambda: ERMClassifier(**EPOCH),
    "JTT": lambda: JTTClassifier(identification_epochs=1, **EPOCH),
    "GroupDRO": lambda: GroupDROClassifier(**EPOCH),
    "DFR": lambda: DFRClassifier(random_state=0),
    "InferredGroups": lambda: InferredGroupsClassifier(GroupDROClassifier(**EPOCH), random_state=0),
}
WITH_LABELS = ("GroupDRO", "DFR")


def labels(n):
    """Return classes and bias values, (n,) each, equal in nine rows of ten."""
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, n, dtype=np.int8)
    return y, y ^ (rng.random(n) < FLIPPED)


def path_of(folder, n):
    return Path(folder) / f"embeddings_{n}.npy"


def make(folder, n):
    """Write embeddings (n, 512): one column tells the bias value well, ten the class badly."""
    y, bias = labels(n)
    X = np.lib.format.open_memmap(path_of(folder, n), "w+", np.float16, (n, D))
    # Drawing 5 billion numbers takes half an hour: each part has the columns of one draw, shifted.
    noise = np.random.default_rng(1).standard_normal((min(PART, n), D), dtype=np.float32)
    noise = noise.astype(np.float16)
    for number, start in enumerate(range(0, n, PART)):
        part = slice(start, min(start + PART, n))
        rows = np.roll(noise[: part.stop - start], number, axis=1)
        rows[:, 0] += 4 * bias[part] - 2
        rows[:, 1:11] += (y[part, None] - 0.5).astype(np.float16)
        X[part] = rows
    X.flush()


class Peak(threading.Thread):
    """Look at the anonymous memory fifty times a second, until it is stopped."""

    def __init__(self):
        super().__init__(daemon=True)
        self.stopped = threading.Event()
        self.first = self.top = self.now()

    def now(self):
        """Return bytes."""
        status = Path("/proc/self/status").read_text()
        return int(status.partition("RssAnon:")[2].split()[0]) * 1024

    def run(self):
        while not self.stopped.wait(0.02):
            self.top = max(self.top, self.now())


def fit(folder, n, method):
    """Fit a method and print a row of the table."""
    torch.set_num_threads(1)
    X = np.load(path_of(folder, n), mmap_mode="r")
    y, bias = labels(n)
    classifier = METHODS[method]()
    given = {"bias_labels": bias} if method in WITH_LABELS else {}
    peak = Peak()
    peak.start()
    seconds, cpu = time.perf_counter(), time.process_time()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # one epoch, and noise in most columns
        classifier.fit(X, y, **given)
    seconds, cpu = time.perf_counter() - seconds, time.process_time() - cpu
    peak.stopped.set()
    peak.join()
    grown = (peak.top - peak.first) / 1e6
    few = slice(0, 100_000)
    score = np.mean(classifier.predict(X[few]) == y[few])
    print(
        f"| {method} | {n:,} | {X.nbytes / 1e9:.2f} | {seconds:.0f} | {cpu:.0f} | {grown:,.0f} | "
        f"{score:.3f} |",
        flush=True,
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("what", choices=["make", "fit"])
    parser.add_argument("folder")
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--methods", nargs="*", choices=METHODS, default=["ERM", "JTT", "GroupDRO"])
    given = parser.parse_args()
    if given.what == "make":
        make(given.folder, given.rows)
    elif len(given.methods) == 1:
        fit(given.folder, given.rows, given.methods[0])
    else:
        for method in given.methods:
            again = [sys.executable, __file__, "fit", given.folder, "--rows", str(given.rows)]
            subprocess.run([*again, "--methods", method], check=True)


if __name__ == "__main__":
    main()
