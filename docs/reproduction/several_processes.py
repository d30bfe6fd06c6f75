"""CPU seconds of a fit alone, and of each of two processes that share it.

    torchrun --nproc_per_node 2 docs/reproduction/several_processes.py

Half of the seconds would be ideal: the rest is talking, and what each process does in full.
"""

import time
import warnings
from statistics import median

import numpy as np
import torch
from accelerate import Accelerator

from sklearn_debias import BiasAdvClassifier, ERMClassifier, LfFClassifier

ROUNDS = 3
FITS = {
    "ERM": ERMClassifier("simple_cnn"),
    "LfF": LfFClassifier("simple_cnn"),
    "BiasAdv": BiasAdvClassifier("simple_cnn"),
}


def seconds(clf, X, y):
    """Return the CPU seconds of a fit in this process."""
    start = time.process_time()
    clf.fit(X, y)
    return time.process_time() - start


def main():
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")  # one epoch teaches nothing
    accelerator = Accelerator(cpu=True)
    rng = np.random.default_rng(0)
    X = rng.random((128, 3, 32, 32), dtype=np.float32)
    y = np.arange(128) % 2
    for name, clf in FITS.items():
        clf.set_params(max_epochs=1, batch_size=64, random_state=0)
        alone = []
        shared = []
        for _ in range(1 + ROUNDS):
            alone.append(seconds(clf.set_params(accelerator=None), X, y))
            accelerator.wait_for_everyone()
            shared.append(seconds(clf.set_params(accelerator=accelerator), X, y))
        # The first round loads code.
        ratios = [b / a for a, b in zip(alone[1:], shared[1:], strict=True)]
        accelerator.print(
            f"{name}: alone {median(alone[1:]):.2f} s, shared {median(shared[1:]):.2f} s in each, "
            f"ratio {median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})",
            flush=True,
        )


if __name__ == "__main__":
    main()
