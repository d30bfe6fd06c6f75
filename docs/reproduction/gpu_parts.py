"""What gpu.py measures, part by part: functions that yield figures as they come.

A figure is a mapping: "figure" says what it is, "value" and "unit" how much, "asked" and "at"
("most" or "least") what was asked of it, if anything was.
"""

import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ET
from functools import partial
from pathlib import Path
from statistics import median

import numpy as np
import torch
import torch.nn.functional as F
from sklearn.model_selection import PredefinedSplit
from torch import nn
from torchvision.models import resnet18

from sklearn_debias import (
    BiasAdvClassifier,
    DHATClassifier,
    ERMClassifier,
    LfFClassifier,
    ULEClassifier,
)
from sklearn_debias.core import SplitModule
from sklearn_debias.feature_extraction import Embedder
from sklearn_debias.model_selection import BatchedGridSearchCV

sys.path.insert(0, str(Path(__file__).parents[2] / "tests" / "benchmarks"))
import by_hand_images

ROOT = Path(__file__).parents[2]

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
C = by_hand_images.C


def figure(name, value, unit="", asked=None, at="most", note=""):
    return {"figure": name, "value": value, "unit": unit, "asked": asked, "at": at, "note": note}


def seconds(run):
    """Return how long a call took, the work of the GPU included."""
    wait = torch.cuda.synchronize if DEVICE == "cuda" else lambda: None
    wait()
    start = time.perf_counter()
    run()
    wait()
    return time.perf_counter() - start


def ratio(ours, reference, rounds):
    """Return the median of the ratios of two functions in turns, and the reference's seconds."""
    reference()
    ours()
    pairs = [(seconds(reference), seconds(ours)) for _ in range(rounds)]
    return median(own / other for other, own in pairs), median(other for other, _ in pairs)


def noise(n, side=32, dtype=np.float32):
    rng = np.random.default_rng(0)
    if dtype == np.uint8:
        return rng.integers(0, 256, (n, 3, side, side), dtype=np.uint8)
    return rng.random((n, 3, side, side), dtype=np.float32)


def divisible_resnet18():
    """Return ResNet-18 for 32 pixels as a body of [..., last map, pool, flatten] and a head."""
    net = resnet18(num_classes=C)
    net.conv1 = nn.Conv2d(3, 64, 3, padding=1, bias=False)
    layers = (net.conv1, net.bn1, net.relu, net.layer1, net.layer2, net.layer3, net.layer4)
    return SplitModule(nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten()), net.fc)


def fitted(clf, X, y):
    return lambda: clf.fit(X, y)


def steps(toy):
    """BiasAdv and DHAT on images, whole fits against loops by hand, without data loading."""
    n, epochs, rounds = (128, 1, 1) if toy else (2048, 2, 3)
    X, y = noise(n, 8 if toy else 32), np.arange(n) % C
    shared = {"max_epochs": epochs, "batch_size": 128, "device": DEVICE, "random_state": 0}
    base = LfFClassifier(ema=0.0, class_normalize=False)
    small = by_hand_images.small_network
    plain = small if toy else partial(resnet18, num_classes=C)
    ours = BiasAdvClassifier(plain, base=base, **shared)
    found, spent = ratio(
        fitted(ours, X, y), lambda: by_hand_images.biasadv(plain, X, y, epochs, DEVICE), rounds
    )
    yield figure("BiasAdv, ResNet-18, against a loop by hand", found, "times", 1.05)
    yield figure("the loop by hand: a step of 128 images", 1e3 * spent * 128 / n / epochs, "ms")
    make = small if toy else divisible_resnet18
    half = slice(n // 2)
    ours = DHATClassifier(make, **shared)
    found, spent = ratio(
        fitted(ours, X[half], y[half]),
        lambda: by_hand_images.dhat(make, X[half], y[half], epochs, DEVICE),
        rounds,
    )
    yield figure("DHAT, ResNet-18, against a loop by hand", found, "times", 1.05)


def precision(toy):
    """Compare bf16 (`amp`) with float32, both channels last as the package has it on CUDA."""
    n, epochs, rounds = (64, 1, 1) if toy else (2048, 1, 3)
    X, y = noise(n, 8 if toy else 32), np.arange(n) % C
    shared = {"max_epochs": epochs, "batch_size": 128, "device": DEVICE, "random_state": 0}
    module = by_hand_images.small_network if toy else divisible_resnet18
    options = {"BiasAdv": BiasAdvClassifier(module, **shared)}
    options["DHAT"] = DHATClassifier(module, n_steps=2, **shared)
    for name, clf in options.items():
        rows = slice(None if name == "BiasAdv" else n // 2)
        exact, rounded = (
            fitted(type(clf)(**{**clf.get_params(deep=False), "amp": amp}), X[rows], y[rows])
            for amp in (False, True)
        )
        found, _ = ratio(exact, rounded, rounds)
        note = "float32 with TF32 in convolutions, as torch has it"
        yield figure(
            f"{name}, ResNet-18: bf16 faster than float32", found, "times", 2, "least", note
        )


def sweep(toy):
    """Train 110 heads of ULE for 300 epochs at once, on 4795 rows of 512 columns."""
    n, d, epochs = (200, 16, 2) if toy else (4795, 512, 300)
    rng = np.random.default_rng(0)
    X = rng.standard_normal((2 * n, d), dtype=np.float32)
    y = (X[:, 0] + rng.standard_normal(2 * n) > 0).astype(int)
    lr = np.logspace(-4, -2, 2 if toy else 5)
    grid = {"lam": np.linspace(0, 1, 11), "lr": lr, "weight_decay": [0.0, 1e-4]}
    fold = PredefinedSplit(np.where(np.arange(2 * n) < n, -1, 0))
    clf = ULEClassifier(max_epochs=epochs, batch_size=128, device=DEVICE, random_state=0)
    spent = seconds(lambda: BatchedGridSearchCV(clf, grid, cv=fold, refit=False).fit(X, y))
    yield figure(f"{22 * len(lr)} heads, {epochs} epochs, at once", spent, "s", 60)


class HeadSteps:
    """Steps of a linear head: rows (b, d), labels (b,), Adam."""

    def __init__(self, d, batch=128):
        self.net = nn.Linear(d, C, device=DEVICE)
        fast = {"capturable": True} if DEVICE == "cuda" else {}
        self.adam = torch.optim.Adam(self.net.parameters(), lr=1e-3, weight_decay=1e-4, **fast)
        self.x = torch.randn(batch, d, device=DEVICE)
        self.t = torch.randint(C, (batch,), device=DEVICE)
        self.loss = lambda x, t: F.cross_entropy(self.net(x), t)

    def step(self):
        self.adam.zero_grad(set_to_none=True)
        self.loss(self.x, self.t).backward()
        self.adam.step()

    def compiled(self, **options):
        """Compile the loss with its gradients; the optimiser stays as it is."""
        self.loss = torch.compile(self.loss, **options)
        return self.step

    def graph(self):
        """Record a step as a CUDA graph, and return what replays it."""
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(3):
                self.step()
        torch.cuda.current_stream().wait_stream(side)
        recorded = torch.cuda.CUDAGraph()
        self.adam.zero_grad(set_to_none=True)
        with torch.cuda.graph(recorded):
            self.step()
        return recorded.replay


def heads(toy):
    """Try CUDA graphs and torch.compile for a step of a head: the package has neither."""
    d, times, rounds = (16, 5, 1) if toy else (512, 2000, 5)

    def repeated(step):
        def run():
            for _ in range(times):
                step()

        return run

    eager = HeadSteps(d).step
    yield figure("a head's step, eager", 1e6 * seconds(repeated(eager)) / times, "us")
    n = 128 * (2 if toy else 40)
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((n, d), dtype=np.float32), np.arange(n) % C
    clf = ERMClassifier(max_epochs=1 if toy else 20, batch_size=128, device=DEVICE, random_state=0)
    clf.fit(X, y)
    spent = seconds(fitted(clf, X, y)) / (n // 128 * clf.max_epochs)
    yield figure("a step of ERMClassifier, the fit around it included", 1e6 * spent, "us")
    note = "an experiment of this script"
    if DEVICE == "cuda":
        found, _ = ratio(repeated(eager), repeated(HeadSteps(d).graph()), rounds)
        yield figure("a CUDA graph faster than eager", found, "times", 5, "least", note)
    options = {"backend": "aot_eager"} if toy else {"mode": "reduce-overhead"}
    found, _ = ratio(repeated(eager), repeated(HeadSteps(d).compiled(**options)), rounds)
    yield figure("torch.compile faster than eager", found, "times", 5, "least", note)


def embedder(toy):
    """Compare the Embedder without its cache with a bare loop of pinned memory."""
    n, side, batch, rounds = (16, 32, 8, 1) if toy else (4096, 224, 256, 3)
    X = noise(n, side, np.uint8)
    ours = Embedder("resnet18", batch_size=batch, device=DEVICE, cache_dir=None).fit(X)
    net = ours.module_.to(DEVICE)
    layout = torch.channels_last if DEVICE == "cuda" else torch.contiguous_format
    net = net.to(memory_format=layout)

    def bare():
        parts = []
        with torch.inference_mode():
            for part in torch.from_numpy(X).split(batch):
                part = part.pin_memory() if DEVICE == "cuda" else part
                x = part.to(DEVICE, non_blocking=True).contiguous(memory_format=layout)
                parts.append(net(x.float() / 255))
        return torch.cat(parts).cpu().numpy()

    np.testing.assert_allclose(ours.transform(X[:batch]), bare()[:batch], atol=1e-2, rtol=1e-2)
    found, spent = ratio(bare, lambda: ours.transform(X), rounds)
    # Of the loop's time by ours: the share of its throughput.
    yield figure("the Embedder's share of a bare loop's throughput", found, "times", 0.9, "least")
    yield figure("images a second by the Embedder", n / spent, "1/s")


def cuda_tests(toy):
    """Run tests/cuda, in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        command = [sys.executable, "-m", "pytest", "-q", "tests/cuda", f"--junitxml={report}"]
        done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
        print(done.stdout[-2000:], file=sys.stderr, flush=True)
        if not report.exists():
            raise RuntimeError(f"pytest ended with {done.returncode} and left no report.")
        counts = ET.parse(report).getroot().find("testsuite").attrib
    wrong = int(counts["failures"]) + int(counts["errors"])
    yield figure("tests/cuda: tests that fail", wrong, "", 0)
    yield figure("tests/cuda: tests that were skipped", int(counts["skipped"]))
    yield figure("tests/cuda: all tests", int(counts["tests"]))
