"""Table 1 of the ULE paper: MNIST, MNIST with a label patch, and Coloured MNIST, from scratch.

    python docs/reproduction/ule_mnist.py --net mlp --data patch
    python docs/reproduction/ule_mnist.py --tables --figures

Three training sets: "mnist" as it is; "patch", where a pixel of the first row always names the
class; and "colour", where the colour always does. Each fit is judged on images of its own kind, on
clean ones, and on images whose patch or colour names a wrong class. Hyper-parameters are selected
on clean validation images, which are taken from MNIST's training images, on one seed; only the fits
of the report, on fresh seeds, read the test images. Rows that the results file has are skipped.
MNIST is read from the folder named by SKLEARN_DEBIAS_DATA.
"""

import argparse
import dataclasses
import json
import sys
import time
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from sklearn.utils import Bunch
from torch import nn

from sklearn_debias import ERMClassifier, ULEClassifier
from sklearn_debias.core import static
from sklearn_debias.datasets import colour_mnist, data_folder, patch_mnist, read_mnist
from sklearn_debias.losses import opposition
from sklearn_debias.objectives import ULE

sys.path.insert(0, str(Path(__file__).parent))
from tables import append, interval, read_rows, table_head

OUT = Path(__file__).with_suffix(".csv")
SEEDS = range(10, 15)
SELECTION_SEED = 1000
COLUMNS = (
    "experiment",
    "data",
    "net",
    "n_train",
    "epochs",
    "method",
    "params",
    "seed",
    "val_clean",
    "val_biased",
    "test_biased",
    "test_clean",
    "test_wrong",
    "seconds",
)
PIXELS = {"mnist": None, "patch": patch_mnist, "colour": colour_mnist}
KINDS = ("test as trained", "test clean", "test wrong cue")
HEAD_START = 5
GRID = {  # nine configurations each
    "erm": [
        {"lr": lr, "weight_decay": decay} for lr in (3e-4, 1e-3, 3e-3) for decay in (0, 1e-4, 1e-3)
    ],
    "ule": [
        {"lam": lam, "scale": scale} for lam in (0.3, 0.5, 0.7) for scale in (30.0, 100.0, 300.0)
    ],
}
FIXED = {  # the readings, and two controls of the first; chosen before these fits
    "erm": {},
    "ule": {"lam": 0.5, "scale": 100.0},
    "ule sum_log_softmax": {
        "lam": 0.5,
        "scale": 784.0,
        "saliency": "sum_log_softmax",
        "magnitude": False,
        "norm": "l2",
    },
    "ule logit": {"lam": 0.5, "scale": 100.0, "saliency": "logit", "magnitude": False},
    "ule without student": {"lam": 0.5, "scale": 100.0, "control": "zero"},
    "ule permuted student": {"lam": 0.5, "scale": 100.0, "control": "permuted"},
}


@dataclass(frozen=True)
class Controlled(ULE):
    """ULE against another map than the student's."""

    control: str = static("zero")

    def _compare(self, nets, batch, state):
        read = (
            self._by_weights if self.where == "features" else self._by_pullback
        )  # heads here are linear
        logits, maps = self._look(nets, batch, state, read)
        student = self._other(maps["student"].detach())
        return logits, opposition(self._normal(student), self._normal(maps["model"]), self.distance)

    def _other(self, student):
        if self.control == "zero":
            return torch.zeros_like(student)
        pixels = student.flatten(1)
        order = torch.randperm(pixels.shape[1], generator=torch.Generator().manual_seed(7))
        return pixels[:, order].reshape(student.shape)


@dataclass(kw_only=True, eq=False, repr=False)
class ControlledULE(ULEClassifier):
    """ULE against no student ("zero"), or one whose pixels are permuted."""

    control: str = "zero"

    def _objective(self):
        whole = super()._objective()
        fields = {f.name: getattr(whole, f.name) for f in dataclasses.fields(whole)}
        return Controlled(**fields, control=self.control)


def mlp(in_channels):
    """784-256-128-10 with dropout."""
    return nn.Sequential(
        nn.Flatten(),
        nn.Linear(784 * in_channels, 256),
        nn.ReLU(),
        nn.Dropout(0.25),
        nn.Linear(256, 128),
        nn.ReLU(),
        nn.Dropout(0.5),
        nn.Linear(128, 10),
    )


def cnn(in_channels):
    """The paper's network."""
    return nn.Sequential(
        nn.Conv2d(in_channels, 32, 3),
        nn.ReLU(),
        nn.Conv2d(32, 64, 3),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Dropout(0.25),
        nn.Flatten(),
        nn.Linear(9216, 128),
        nn.ReLU(),
        nn.Dropout(0.5),
        nn.Linear(128, 10),
    )


def load_data(data, n_train, seed):
    """Training images of a seed; validation and test sets, which stay as they are."""
    source = read_mnist(data_folder())
    rows = np.random.default_rng(seed).permutation(50_000)[:n_train]
    kept = slice(50_000, 55_000)
    return Bunch(
        train=biased(data, source.train.data[rows], source.train.target[rows], 0.0, seed),
        val_clean=clean(data, source.train.data[kept], source.train.target[kept]),
        val_biased=biased(data, source.train.data[kept], source.train.target[kept], 0.0, 77),
        test_clean=clean(data, source.test.data, source.test.target),
        test_biased=biased(data, source.test.data, source.test.target, 0.0, 78),
        test_wrong=biased(data, source.test.data, source.test.target, 1.0, 78),
    )


def clean(data, images, target):
    """The images as they are; for networks of colour images in three equal channels."""
    return Bunch(data=np.repeat(images, 3, axis=1) if data == "colour" else images, target=target)


def biased(data, images, target, conflict_ratio, seed):
    """Images whose patch or colour names the class, or a wrong one for a share of the rows."""
    if data == "mnist":
        return clean(data, images, target)
    return PIXELS[data](images, target, conflict_ratio=conflict_ratio, random_state=seed)


def make(net, method, params, epochs, seed):
    """Unfitted estimator; the student's head start is part of the epochs."""
    shared = {
        "optimizer": "adam",
        "lr": 1e-3,
        "weight_decay": 0.0,
        "random_state": seed,
        "device": "cpu",
    } | params
    network = {"mlp": mlp, "cnn": cnn}[net]
    if method == "erm":
        return ERMClassifier(network, max_epochs=epochs, **shared)
    estimator = ControlledULE if "control" in params else ULEClassifier
    return estimator(network, max_epochs=epochs - HEAD_START, student_warmup=HEAD_START, **shared)


def run_fit(path, done, experiment, data, net, n_train, epochs, method, params, seed):
    """Fit once and append a row, unless the file has it."""
    row = dict(
        zip(
            COLUMNS,
            (experiment, data, net, n_train, epochs, method, json.dumps(params), seed),
            strict=False,
        )
    )
    key = tuple(map(str, row.values()))
    if key in done:
        return done[key]
    parts = load_data(data, n_train, seed)
    start = time.process_time()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        estimator = make(net, method, params, epochs, seed).fit(
            parts.train.data, parts.train.target
        )
    row["seconds"] = f"{time.process_time() - start:.1f}"
    for name in COLUMNS[8:13] if experiment != "search" else COLUMNS[8:10]:
        row[name] = f"{estimator.score(parts[name].data, parts[name].target):.4f}"
    append(path, COLUMNS, [row])
    done[key] = {k: str(v) for k, v in row.items()}
    print(*row.values(), flush=True)
    return done[key]


def read_done(path):
    """{what identifies a fit: its row}."""
    return {tuple(row[k] for k in COLUMNS[:8]): row for row in read_rows(path)}


def search(path, done, data, net, n_train, epochs, method):
    """Parameters with the best clean validation accuracy of the grid, on the selection seed."""
    found = [
        float(
            run_fit(
                path, done, "search", data, net, n_train, epochs, method, params, SELECTION_SEED
            )["val_clean"]
        )
        for params in GRID[method]
    ]
    return GRID[method][int(np.argmax(found))]


def tables(path):
    """Return a results file's Markdown tables: accuracies, paired differences to ERM, searches.

    They need two seeds or more.
    """
    rows = read_rows(path)
    settings = list(dict.fromkeys(setting(r) for r in rows if r["experiment"] != "search"))
    kinds = ("test_biased", "test_clean", "test_wrong")
    out = table_head(
        "data",
        "net",
        "images",
        "settings",
        "method",
        "seeds",
        *KINDS,
        "clean, minus ERM",
        "CPU s per fit",
    )
    for chosen in settings:
        methods = list(dict.fromkeys(r["method"] for r in rows if setting(r) == chosen))
        base = values(rows, chosen, "erm", "test_clean")
        for method in methods:
            found = {kind: values(rows, chosen, method, kind) for kind in kinds}
            if len(base) < 2 or len(found["test_clean"]) < 2:
                continue
            cells = [
                "{:.1f} ± {:.1f}".format(*interval(list(found[kind].values()))) for kind in kinds
            ]
            paired = [found["test_clean"][s] - base[s] for s in base if s in found["test_clean"]]
            cells.append(
                ""
                if method == "erm" or len(paired) < 2
                else "{:+.1f} ± {:.1f}".format(*interval(paired))
            )
            seconds = np.mean(list(values(rows, chosen, method, "seconds").values())) / 100
            experiment, data, net, n_train, epochs = chosen
            head = (
                data,
                net,
                f"{n_train}, {epochs} epochs",
                experiment,
                method,
                str(len(found["test_clean"])),
            )
            out.append(f"| {' | '.join((*head, *cells))} | {seconds:.0f} |")
    out += ["", *table_head("data", "net", "images", "method", "settings", "clean validation")]
    for r in rows:
        if r["experiment"] == "search":
            params = r["params"].strip("{}").replace('"', "")
            head = (
                r["data"],
                r["net"],
                f"{r['n_train']}, {r['epochs']} epochs",
                r["method"],
                params,
            )
            out.append(f"| {' | '.join(head)} | {100 * float(r['val_clean']):.1f} |")
    return "\n".join(out)


def figures(path):
    """Write ule_mnist.png: clean and misled accuracy of each method."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    rows = read_rows(path)
    settings = [s for s in dict.fromkeys(map(setting, rows)) if s[0] == "fixed" and s[1] != "mnist"]
    size = (4.6 * len(settings), 3.2)
    figure, panels = plt.subplots(
        1, len(settings), figsize=size, layout="constrained", squeeze=False
    )
    for panel, chosen in zip(panels[0], settings, strict=True):
        methods = list(dict.fromkeys(r["method"] for r in rows if setting(r) == chosen))
        for kind, colour, label in (
            ("test_clean", "C0", "clean"),
            ("test_wrong", "C3", "misleading cue"),
        ):
            for i, method in enumerate(methods):
                found = list(values(rows, chosen, method, kind).values())
                panel.plot(
                    found,
                    [-i] * len(found),
                    "o",
                    color=colour,
                    alpha=0.6,
                    label=None if i else label,
                )
        panel.set_yticks([-i for i in range(len(methods))], methods)
        panel.set_xlim(0, 100)
        panel.set_xlabel("test accuracy (%)")
        panel.set_title(f"{chosen[1]}, {chosen[2]}, {chosen[3]} images", fontsize=10)
    panels[0][-1].legend(frameon=False, loc="center right")
    figure.savefig(Path(__file__).with_suffix(".png"), dpi=110)


def setting(row):
    """What fits are compared within."""
    return tuple(row[k] for k in ("experiment", "data", "net", "n_train", "epochs"))


def values(rows, chosen, method, column):
    """{seed: percent} of a method."""
    return {
        r["seed"]: 100 * float(r[column])
        for r in rows
        if setting(r) == chosen and r["method"] == method
    }


def main():
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--net", choices=("mlp", "cnn"), default="mlp")
    parser.add_argument("--data", choices=tuple(PIXELS), default="patch")
    parser.add_argument("--n-train", type=int, default=10_000)
    parser.add_argument(
        "--epochs", type=int, default=20, help="of which the student's head start is 5"
    )
    parser.add_argument("--methods", nargs="+", choices=tuple(FIXED), default=tuple(FIXED))
    parser.add_argument("--seeds", type=int, nargs="+", default=list(SEEDS))
    parser.add_argument(
        "--search", action="store_true", help="select on validation instead of the fixed settings"
    )
    parser.add_argument("--out", default=str(OUT))
    parser.add_argument("--tables", action="store_true", help="print the tables of a results file")
    parser.add_argument(
        "--figures", action="store_true", help="write the picture of a results file"
    )
    args = parser.parse_args()
    if args.tables:
        print(tables(args.out))
    if args.figures:
        figures(args.out)
    if args.tables or args.figures:
        return
    torch.set_num_threads(1)
    done = read_done(args.out)
    setting = (args.data, args.net, args.n_train, args.epochs)
    chosen = dict(FIXED)
    if args.search:
        chosen = {m: search(args.out, done, *setting, m) for m in GRID}
    for seed in args.seeds:
        for method in chosen:
            if method in args.methods:
                name = "selected" if args.search else "fixed"
                run_fit(args.out, done, name, *setting, method, chosen[method], seed)


if __name__ == "__main__":
    main()
