"""What does growth cost? Rates of this machine, and the table that follows from them.

    OMP_NUM_THREADS=1 python docs/reproduction/scaling.py

Rates are CPU seconds of one core, medians of three rounds: a forward pass of an image, reading and
writing a row of the cache, an epoch of a head, and a grid of heads at once. They are printed, and
multiplied by the sizes of docs/scaling.md. No GPU is used: who has one measures `image` there.
"""

import argparse
import platform
import statistics
import tempfile
import time
from datetime import date
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from sklearn.model_selection import PredefinedSplit

from sklearn_debias import ERMClassifier
from sklearn_debias.feature_extraction import Embedder
from sklearn_debias.model_selection import BatchedGridSearchCV

IMAGES = 10_000_000
CANDIDATES = 1_000
WIDTH = 512
EPOCHS = 30
ROUNDS = 3


def cpu_seconds(run, rounds=ROUNDS):
    """Median of the CPU seconds that a call takes, after one that does not count."""
    run()
    found = []
    for _ in range(rounds):
        start = time.process_time()
        run()
        found.append(time.process_time() - start)
    return statistics.median(found)


def per_image(name, n, device):
    """Seconds of one image of 224 pixels through a network, by the wall clock on a GPU."""
    images = np.random.default_rng(0).random((n, 3, 224, 224), dtype=np.float32)
    embedder = Embedder(name, cache_dir=None, device=device).fit(images[:2])
    if device == "cpu":
        return cpu_seconds(lambda: embedder.transform(images)) / n
    embedder.transform(images)
    start = time.perf_counter()
    embedder.transform(images)
    return (time.perf_counter() - start) / n


def per_file(n):
    """Seconds to decode a JPEG file of 500 x 375 pixels."""
    rough = np.random.default_rng(0).integers(0, 256, (25, 20, 3), dtype=np.uint8)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "image.jpg"
        Image.fromarray(rough).resize((500, 375), Image.Resampling.BICUBIC).save(path, quality=95)

        def decode():
            for _ in range(n):
                with Image.open(path) as image:
                    image.convert("RGB").load()

        return cpu_seconds(decode) / n


def per_cached_row(n):
    """Seconds to write a row of 512 columns to the cache, and to read it back, without images."""
    rows = np.random.default_rng(0).random((n, WIDTH), dtype=np.float32)
    network = torch.nn.Sequential(torch.nn.Linear(WIDTH, WIDTH), torch.nn.Linear(WIDTH, 2))
    spent = {"written": [], "read": []}
    plain = Embedder(network, layer="0", cache_dir=None).fit(rows)
    forward = cpu_seconds(lambda: plain.transform(rows))
    for _ in range(ROUNDS):
        with tempfile.TemporaryDirectory() as folder:
            embedder = Embedder(network, layer="0", cache_dir=folder).fit(rows)
            for what in spent:
                start = time.process_time()
                embedder.transform(rows)
                spent[what].append(time.process_time() - start)
    written, read = (statistics.median(seconds) / n for seconds in spent.values())
    return max(0.0, written - forward / n), read


def per_head(n):
    """Seconds of a head for a row and an epoch: alone, and per candidate among 50 at once."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((n, WIDTH), dtype=np.float32)
    y = (X[:, 0] > 0).astype(int)
    alone = cpu_seconds(lambda: ERMClassifier(max_epochs=2, random_state=0).fit(X, y)) / (2 * n)
    grid = {"lr": list(np.geomspace(1e-4, 1e-1, 50))}
    fold = PredefinedSplit(np.where(np.arange(n) < n // 10, 0, -1))
    fitted = n - n // 10
    search = BatchedGridSearchCV(
        ERMClassifier(max_epochs=2, random_state=0), grid, cv=fold, refit=False
    )
    together = cpu_seconds(lambda: search.fit(X, y)) / (2 * fitted * len(grid["lr"]))
    return alone, together


def rates(quick, device):
    """All of them, in seconds."""
    few = 2 if quick else 12
    many = 500 if quick else 10_000
    written, read = per_cached_row(many)
    alone, together = per_head(many)
    return {
        "file, decoded": per_file(few * 4),
        "image, ResNet-18": per_image("resnet18", few, device),
        "image, ResNet-50": per_image("resnet50", few, device),
        "row written to the cache": written,
        "row read from the cache": read,
        "head, row and epoch": alone,
        "head among 50, row and epoch": together,
    }


def hours(found):
    """Core hours of ten million images and a thousand candidates."""
    epochs = IMAGES * EPOCHS
    return {
        "decode the files": IMAGES * found["file, decoded"],
        "embed by ResNet-18": IMAGES * found["image, ResNet-18"],
        "embed by ResNet-50": IMAGES * found["image, ResNet-50"],
        "write the cache": IMAGES * found["row written to the cache"],
        "read the cache": IMAGES * found["row read from the cache"],
        "one head": epochs * found["head, row and epoch"],
        "1,000 heads one by one": CANDIDATES * epochs * found["head, row and epoch"],
        "1,000 heads at once": CANDIDATES * epochs * found["head among 50, row and epoch"],
    }


def main(argv=None):
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="sizes that only show that it runs")
    parser.add_argument("--device", default="cpu", help="of the forward passes")
    given = parser.parse_args(argv)
    found = rates(given.quick, given.device)
    threads = torch.get_num_threads()
    print(f"{date.today()}, {processor()}, {threads} thread, torch {torch.__version__}")
    print("\n| rate | microseconds |\n|---|---|")
    for name, seconds in found.items():
        print(f"| {name} | {1e6 * seconds:,.3g} |")
    print("\n| work | core hours | 10 machines of 16 cores, hours |\n|---|---|---|")
    for name, seconds in hours(found).items():
        print(f"| {name} | {seconds / 3600:,.3g} | {seconds / 3600 / 160:,.2g} |")
    return found


def processor():
    """Name of the processor, where the system tells."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.partition(": ")[2] for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


if __name__ == "__main__":
    main()
