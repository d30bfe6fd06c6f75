"""Does DHAT help? Plain training, PGD-AT, TRADES, UIAT and DHAT in its four readings, side by side.

    python docs/reproduction/dhat.py --data fashion
    python docs/reproduction/dhat.py --data cifar10
    python docs/reproduction/dhat.py --tables
    python docs/reproduction/dhat.py --data fashion --smoke --out /tmp/smoke.csv

Every method gets the same learning rates to choose from; the choice is made on a seed of its own by
the PGD-10 accuracy on validation images, and only the fits of fresh seeds see the test images. Rows
that the output file already has are skipped, so that a run can be interrupted. The images are read
from the folder named by SKLEARN_DEBIAS_DATA: Fashion-MNIST, and a CIFAR-10 that has been through
JPEG (a shift of CIFAR-10).
"""

import argparse
import io
import json
import sys
import time
import warnings
from functools import partial
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from PIL import Image
from torch import nn

from sklearn_debias import (
    AdversarialTrainingClassifier,
    DHATClassifier,
    ERMClassifier,
    UIATClassifier,
)
from sklearn_debias.datasets import data_folder
from sklearn_debias.exceptions import DebiasWarning, DivergedError
from sklearn_debias.robustness import robust_accuracy_score

sys.path.insert(0, str(Path(__file__).parent))
from tables import append, interval, read_rows

OUT = Path(__file__).with_suffix(".csv")
N_TRAIN, N_VALIDATION, N_TEST, N_AUTO = 2000, 500, 500, 64
EPOCHS, SELECTION_EPOCHS, SELECTION_SEED = 18, 8, 1000
RATES = (0.02, 0.05)
RADIUS = {"fashion": 0.1, "cifar10": 8 / 255, "cifar10-4": 4 / 255}
CONSTANT = 15  # percent of clean accuracy: less is one class for all
SWEEP = (0.25, 0.5, 0.75, 1.0, 1.5, 2.0)  # times the radius
READINGS = {
    f"dhat {dhlr}/{floe}": {"dhlr": dhlr, "floe": floe}
    for dhlr in ("code", "paper")
    for floe in ("code", "paper")
}
VARIANTS = (
    "dhat integrated gradients",
    "dhat strangers' maps",
    "dhat no foreground",
    "dhat dhlr only",
    "dhat floe only",
    "dhat weights .1",
    "pgd-at batchnorm",
    "dhat batchnorm",
)
METHODS = ("plain", "pgd-at", "trades", "uiat", *READINGS)
COLUMNS = ("stage", "data", "method", "lr", "seed", "val_pgd10", "clean", "fgsm", "pgd10", "pgd20",
           "cw", "auto_pgd20", "auto", "train_pgd10", "sweep", "terms", "seconds",
           "failed")  # fmt: skip


def small_cnn(in_channels, n_features, n_classes, batch_norm=False):
    """Two strided convolutions and a hidden layer of 100."""
    flat = 32 * n_features // in_channels // 16
    first, second = (nn.BatchNorm2d(width) if batch_norm else nn.Identity() for width in (16, 32))
    return nn.Sequential(
        nn.Conv2d(in_channels, 16, 4, 2, 1),
        first,
        nn.ReLU(),
        nn.Conv2d(16, 32, 4, 2, 1),
        second,
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(flat, 100),
        nn.ReLU(),
        nn.Linear(100, n_classes),
    )


def load(data, seed):
    """Return images in [0, 1] and labels of three sets; the seed draws the training set only."""
    X, y, first_test = (fashion if data == "fashion" else cifar10)()
    pool = np.arange(first_test - 1000)
    train = np.random.default_rng(seed).permutation(pool)[:N_TRAIN]
    validation = np.arange(first_test - 1000, first_test - 1000 + N_VALIDATION)
    test = np.arange(first_test, first_test + N_TEST)
    return [(X[rows].astype(np.float32) / 255, y[rows]) for rows in (train, validation, test)]


def fashion():
    """Fashion-MNIST: 10,000 training and 2,000 test images."""
    with np.load(Path(data_folder()) / "fashion_mnist_12k.npz", allow_pickle=False) as pack:
        arrays = [pack[name] for name in ("x_train", "x_test", "y_train", "y_test")]
    X, y = np.concatenate(arrays[:2])[:, None], np.concatenate(arrays[2:])
    return X, y, len(arrays[0])


def cifar10():
    """CIFAR-10 after lossy JPEG: 10,000 images to train and select on, 2,000 to test on."""
    with np.load(Path(data_folder()) / "cifar10_jpeg_12k.npz", allow_pickle=False) as pack:
        raw, offsets, y = pack["data"].tobytes(), pack["off"], pack["y"]
        split = pack["split"]
    images = [
        np.asarray(Image.open(io.BytesIO(raw[a:b])).convert("RGB")) for a, b in pairwise(offsets)
    ]
    X = np.stack(images).transpose(0, 3, 1, 2)
    rng = np.random.default_rng(2026)  # the pack is sorted by class
    order = np.concatenate([rng.permutation(np.flatnonzero(split == part)) for part in (0, 1)])
    return X[order], y[order], int((split == 0).sum())


def strangers(X, labels):
    """Return maps of no meaning: blobs like Grad-CAM's, at random places.

    About as many pixels are above the threshold as below it.
    """
    rng = np.random.default_rng(len(X))
    h, w = X.shape[2:]
    centre = rng.uniform(0, (h, w), (len(X), 2))
    rows, columns = np.mgrid[:h, :w]
    squared = (rows - centre[:, :1, None]) ** 2 + (columns - centre[:, 1:, None]) ** 2
    return np.exp(-squared / (2 * (0.35 * h) ** 2))


def nowhere(X, labels):
    """No foreground at all: x~_B is x~, and z* is 0."""
    return np.zeros((len(X), *X.shape[2:]))


def build(method, data, lr, epochs, seed, batch_size=64):
    """The estimator of a method."""
    module = partial(small_cnn, batch_norm=True) if method.endswith("batchnorm") else small_cnn
    shared = {
        "module": module,
        "lr": lr,
        "max_epochs": epochs,
        "batch_size": batch_size,
        "random_state": seed,
    }
    if method == "plain":
        return ERMClassifier(
            **shared,
            optimizer="sgd",
            net_params={"optimizer__momentum": 0.9},
            weight_decay=5e-4,
            lr_schedule="drops",
        )
    radius = RADIUS[data]
    attack = {"epsilon": radius, "step_size": radius / 3, "n_steps": 5}
    if method in ("pgd-at", "trades", "pgd-at batchnorm"):
        return AdversarialTrainingClassifier(
            **shared, **attack, loss="trades" if method == "trades" else "ce"
        )
    attack["inverse_epsilon"] = radius / 2
    if method == "uiat":
        return UIATClassifier(**shared, **attack)
    options = (
        READINGS.get(method)
        or {
            "dhat integrated gradients": {"attention": "integrated_gradients"},
            "dhat strangers' maps": {"attention": strangers},
            "dhat no foreground": {"attention": nowhere},
            "dhat dhlr only": {"lam2": 0.0},
            "dhat floe only": {"lam1": 0.0},
            "dhat weights .1": {"lam1": 0.1, "lam2": 0.1},
            "dhat batchnorm": {},
        }[method]
    )
    return DHATClassifier(**shared, **attack, **options)


def judge(model, X, y, attack, epsilon):
    """Robust accuracy in percent."""
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore", DebiasWarning
        )  # a collapsed fit has no gradients; its row shows it
        return 100 * robust_accuracy_score(model, X, y, attack=attack, epsilon=epsilon)


def run(stage, data, method, lr, seed, smoke):
    """One row of the output file."""
    train, validation, test = load(data, seed)
    epochs = SELECTION_EPOCHS if stage == "select" else EPOCHS
    n = 200 if smoke else None
    row = {"stage": stage, "data": data, "method": method, "lr": lr, "seed": seed}
    start = time.perf_counter()
    model = build(method, data, lr, 1 if smoke else epochs, seed)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DebiasWarning)
            model.fit(train[0][:n], train[1][:n])
    except DivergedError as error:
        return {**row, "seconds": time.perf_counter() - start, "failed": str(error)}
    row["seconds"] = time.perf_counter() - start
    radius = RADIUS[data]
    row["val_pgd10"] = judge(model, *validation, "pgd-10", radius)
    if stage == "select":
        return row
    few = [part[:N_AUTO] for part in test]
    row |= {
        name: judge(model, *test, attack, radius)
        for name, attack in {
            "fgsm": "fgsm",
            "pgd10": "pgd-10",
            "pgd20": "pgd-20",
            "cw": "cw",
        }.items()
    }
    row |= {
        "clean": 100 * model.score(*test),
        "train_pgd10": judge(model, train[0][:N_TEST], train[1][:N_TEST], "pgd-10", radius),
        "auto_pgd20": judge(model, *few, "pgd-20", radius),
        "auto": judge(model, *few, "autoattack", radius),
        "sweep": json.dumps([judge(model, *test, "pgd-10", factor * radius) for factor in SWEEP]),
        "terms": model.history_.iloc[-1].drop(["phase", "epoch"]).to_json(),
    }
    return row


def chosen_rates(rows, data):
    """Learning rate of each method with the best validation accuracy under PGD-10."""
    own = rows[(rows["stage"] == "select") & (rows["data"] == data)]
    return {
        m: own[own["method"] == m].fillna({"val_pgd10": -1}).sort_values("val_pgd10").iloc[-1]["lr"]
        for m in own["method"].unique()
    }


def experiment(data, out, seeds, smoke, methods):
    """All rows of a data set, skipping those that are there."""
    rates = RATES[:1] if smoke else RATES
    selected_on = (
        "cifar10" if data == "cifar10-4" else data
    )  # the smaller radius takes the rates of the larger
    for lr in rates:
        for method in METHODS:
            add_row(out, "select", selected_on, method, lr, SELECTION_SEED, smoke)
    best = chosen_rates(pd.read_csv(out), selected_on)
    for group in (METHODS, VARIANTS):
        for seed in seeds:
            for method in group:
                if method in methods:
                    add_row(
                        out,
                        "test",
                        data,
                        method,
                        best.get(method, best["dhat code/code"]),
                        seed,
                        smoke,
                    )


def add_row(out, stage, data, method, lr, seed, smoke):
    """Run one row unless it is there."""
    key = (stage, data, method, str(float(lr)), str(seed))
    done = {
        (r["stage"], r["data"], r["method"], str(float(r["lr"])), r["seed"]) for r in read_rows(out)
    }
    if key in done:
        return
    row = run(stage, data, method, lr, seed, smoke)
    written = {k: f"{v:.4f}" if isinstance(v, float) and k != "lr" else v for k, v in row.items()}
    append(out, COLUMNS, [written])
    print({k: v for k, v in row.items() if k not in ("sweep", "terms")}, flush=True)


def cell(values):
    """Mean and 95 % interval, or the one value there is."""
    return (
        "{:.1f} ± {:.1f}".format(*interval(values))
        if len(values) > 1
        else "".join(f"{v:.1f}" for v in values)
    )


def row_of(name, values):
    """A row of a Markdown table; fits that diverged have no figures."""
    cells = [cell(v.dropna()) for v in values]
    return f"| {name} | " + " | ".join(cells) + " |"


DATA = {"fashion": "Fashion-MNIST, radius .1", "cifar10-4": "CIFAR-10 subset, radius 4/255",
        "cifar10": "CIFAR-10 subset, radius 8/255"}  # fmt: skip
MEASURES = ("clean", "fgsm", "pgd10", "pgd20", "cw", "auto_pgd20", "auto", "gap")
COMPARED = ("clean", "pgd20", "cw", "auto", "gap")


def tables(out):
    """Markdown tables, and the figure of the sweep over epsilon."""
    rows = pd.read_csv(out)
    tested = rows[rows["stage"] == "test"].copy()
    tested["gap"] = tested["train_pgd10"] - tested["pgd10"]
    for data, title in DATA.items():
        own = tested[tested["data"] == data]
        kept = {
            method: own[own["method"] == method].set_index("seed")
            for method in (*METHODS, *VARIANTS)
        }
        kept = {method: fits for method, fits in kept.items() if len(fits)}
        print(f"\n**{title}**\n\n{header('method', 'seeds', 'constant', 'diverged', *MEASURES)}")
        for method, fits in kept.items():
            constant = int((fits["clean"] < CONSTANT).sum())
            names = f"{method} | {len(fits)} | {constant} | {fits['failed'].notna().sum()}"
            print(row_of(names, [fits[name] for name in MEASURES]))
        print(f"\n{header('minus PGD-AT, paired by seed', *COMPARED)}")
        for method, fits in kept.items():
            if not method.startswith("pgd-at"):
                differences(
                    method,
                    fits,
                    kept["pgd-at batchnorm" if method.endswith("batchnorm") else "pgd-at"],
                )
        if "dhat dhlr only" in kept:
            print(f"\n{header('minus DHAT code/code, paired by seed', *COMPARED)}")
            for method in (m for m in VARIANTS if not m.endswith("batchnorm")):
                differences(method, kept[method], kept["dhat code/code"])
        print(
            f"\n{header('what stronger attacks find', 'cw minus pgd20', 'auto minus auto_pgd20')}"
        )
        for method, fits in kept.items():
            print(row_of(method, [fits["cw"] - fits["pgd20"], fits["auto"] - fits["auto_pgd20"]]))
    figure(tested)


def header(*names):
    """First two rows of a Markdown table."""
    return "| " + " | ".join(names) + " |\n" + "|---" * len(names) + "|"


def differences(method, fits, base):
    """Print how the fits of a method differ from those of another with the same seeds."""
    print(row_of(method, [fits[name] - base[name] for name in COMPARED]))


def figure(tested):
    """Accuracy under PGD-10 against the radius, a panel per data set."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    shown = [
        "plain",
        "pgd-at",
        "trades",
        "uiat",
        "dhat code/code",
        "dhat paper/code",
        "dhat weights .1",
    ]
    names = ["fashion", "cifar10-4"]  # at 8/255 next to nothing trained
    fig, axes = plt.subplots(
        1, len(names), figsize=(5 * len(names), 3.6), squeeze=False, layout="constrained"
    )
    for ax, data in zip(axes[0], names, strict=True):
        for i, method in enumerate(shown):
            own = tested[
                (tested["data"] == data) & (tested["method"] == method) & tested["failed"].isna()
            ]
            if len(own):
                curves = np.array(
                    [
                        [clean, *json.loads(sweep)]
                        for clean, sweep in zip(own["clean"], own["sweep"], strict=True)
                    ]
                )
                ax.plot(
                    [0, *(np.array(SWEEP) * RADIUS[data])],
                    curves.mean(0),
                    "o-",
                    markersize=3,
                    color=f"C{i}",
                    label=method,
                )
        ax.axvline(RADIUS[data], color="0.7", linestyle=":", zorder=0)
        ax.set(xlabel="epsilon (maximum norm)", title=DATA[data], ylim=(0, None))
        ax.legend(frameon=False, fontsize=8)
    axes[0, 0].set_ylabel("accuracy under PGD-10 (%)")
    fig.savefig(Path(__file__).with_name("dhat_epsilon.png"), dpi=120)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", choices=sorted(RADIUS))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--methods", nargs="+", default=[*METHODS, *VARIANTS])
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--tables", action="store_true")
    parser.add_argument("--smoke", action="store_true", help="one epoch of 200 images")
    args = parser.parse_args()
    torch.set_num_threads(1)
    if args.tables:
        tables(args.out)
    else:
        experiment(args.data, args.out, args.seeds, args.smoke, args.methods)


if __name__ == "__main__":
    main()
