"""Do BiasAdv's models hold up better on corrupted images? Table 6, for three methods.

    python docs/reproduction/corruptions.py --data colour_mnist --conflict 0.01
    python docs/reproduction/corruptions.py --data colour_mnist_cnn --conflict 0.01
    python docs/reproduction/corruptions.py --tables --figure

Settings were selected on validation images for a perceptron on Coloured MNIST, and are used again
for a small CNN ("colour_mnist_cnn"), or are the paper's ("bar"); nothing is chosen here. Rows that
the output file has are skipped, so that a run can be interrupted. The data are read from
the folder named by SKLEARN_DEBIAS_DATA.
"""

import argparse
import functools
import sys
import time
import warnings
from pathlib import Path

import numpy as np
import torch
from sklearn.utils import Bunch

from sklearn_debias import BiasAdvClassifier, ERMClassifier, LfFClassifier
from sklearn_debias.corruptions import corrupt, corruption_names
from sklearn_debias.datasets import data_folder, read_bar

sys.path.insert(0, str(Path(__file__).parent))
from biased_data import NETWORKS, mean_norm, mnist
from tables import append, bold, interval, read_rows, table_head

HERE = Path(__file__)
METHODS = {
    "erm": "ERM",
    "lff": "LfF",
    "lff-matched": "LfF, BiasAdv's settings",
    "biasadv-lff": "BiasAdv-LfF",
}
CORRUPTIONS = ("clean", *corruption_names("biasadv"))
IDENTITY = ("data", "conflict", "method", "seed", "corruption")
COLUMNS = (*IDENTITY, "n", "average", "conflicting", "aligned", "seconds")
DATA = ("colour_mnist", "colour_mnist_cnn", "bar")
SETTINGS = tuple((data, conflict) for data in DATA for conflict in (0.01, 0.05))
CNN = {"module": "simple_cnn", "net_params": {"module__width": 8}}
# Selected by the first run of biasadv.py (2026-11-20), which corruptions.csv is of; the second has
# selected others. Radii are shares of the mean norm of a training image.
SELECTED = {
    0.01: {
        "erm": {"lr": 0.00447, "max_epochs": 20, "weight_decay": 0.0},
        "lff": {"lr": 0.00453, "max_epochs": 20, "weight_decay": 1e-4},
        "lff-matched": {"lr": 0.00691, "max_epochs": 5, "weight_decay": 1e-3},
    },
    0.05: {
        "erm": {"lr": 0.00447, "max_epochs": 20, "weight_decay": 0.0},
        "lff": {"lr": 0.0022, "max_epochs": 20, "weight_decay": 1e-4},
        "lff-matched": {"lr": 0.00447, "max_epochs": 20, "weight_decay": 0.0},
    },
}
ATTACK = {
    0.01: {"epsilon": 0.639, "lam": 1.0, "beta": 1.0},
    0.05: {"epsilon": 0.115, "lam": 0.25, "beta": 0.5},
}


def bar_images(seed, side=32, n_moved=94):
    """Read BAR at 32 pixels, averaged from 64, with 94 conflicting images in training.

    A fixed half of the other conflicting images is the test set.
    """
    pack = read_bar(data_folder(), kind="images")
    sealed = np.random.default_rng(2026)
    aligned, conflicting = (
        sealed.permutation(len(pack.train.target)),
        sealed.permutation(len(pack.test.target)),
    )
    test = (aligned[:200], conflicting[:327])
    train = (aligned[200:], np.random.default_rng(seed).permutation(conflicting[327:])[:n_moved])
    return [_images(pack, rows, side) for rows in (train, test)]


def _images(pack, rows, side):
    """One part, smaller: float32 (n, 3, side, side) in [0, 1]."""
    both = list(zip((pack.train, pack.test), rows, strict=True))
    data = np.concatenate([part.data[chosen] for part, chosen in both])
    k = data.shape[-1] // side
    data = data.reshape(len(data), 3, side, k, side, k).mean((3, 5), dtype=np.float32) / 255
    return Bunch(
        data=data,
        **{key: np.concatenate([s[key][r] for s, r in both]) for key in ("target", "bias_labels")},
    )


def load(data, conflict, seed):
    """Training set of a seed, and the fixed test set."""
    if data == "bar":
        return bar_images(seed)
    train, _, test = mnist(conflict, seed)
    return train, test


@functools.cache
def corrupted(data, corruption):
    """The fixed test images, corrupted once for all fits."""
    images = load(data, 0.05, 0)[1].data  # the same for every conflict ratio and seed
    return images if corruption == "clean" else corrupt(images, corruption, random_state=0)


def estimator(method, data, conflict, X, seed):
    """Return an unfitted model, set as selected on Coloured MNIST or as in the paper for BAR."""
    if data == "bar":
        ours = BiasAdvClassifier.from_preset("bar", "lff", **CNN, normalize=None)
        ours.set_params(random_state=seed, device="cpu")
        if method == "biasadv-lff":
            return ours
        base = {"erm": ERMClassifier, "lff": LfFClassifier}[method]()
        shared = (
            "module",
            "net_params",
            "max_epochs",
            "batch_size",
            "lr",
            "weight_decay",
            "lr_schedule",
            "augment",
        )
        return base.set_params(
            **{k: getattr(ours, k) for k in shared}, random_state=seed, device="cpu"
        )
    shared = {**NETWORKS["colour_mnist"], "random_state": seed, "device": "cpu"}
    shared |= CNN if data.endswith("cnn") else {}
    if method == "biasadv-lff":
        attack = ATTACK[conflict] | {"epsilon": float(ATTACK[conflict]["epsilon"] * mean_norm(X))}
        shared |= SELECTED[conflict]["lff-matched"]
        return BiasAdvClassifier(base="lff", **attack, **shared)
    base = ERMClassifier if method == "erm" else LfFClassifier
    return base(**SELECTED[conflict][method], **shared)


def methods_of(data):
    """On BAR LfF has BiasAdv's settings already."""
    return [m for m in METHODS if not (data == "bar" and m == "lff-matched")]


def run(path, data, conflict, seeds):
    """Fit, predict every corrupted copy of the test set, append rows."""
    done = {
        tuple(row[k] for k in IDENTITY[:4])
        for row in read_rows(path)
        if row["corruption"] == CORRUPTIONS[-1]
    }
    for seed in seeds:
        for method in methods_of(data):
            identity = {
                "data": data,
                "conflict": str(conflict),
                "method": method,
                "seed": str(seed),
            }
            if tuple(identity.values()) in done:
                continue
            train, test = load(data, conflict, seed)
            start = time.process_time()
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                fitted = estimator(method, data, conflict, train.data, seed).fit(
                    train.data, train.target
                )
            seconds = f"{time.process_time() - start:.1f}"
            rows = [
                identity | {"seconds": seconds} | scores(fitted, data, test, name)
                for name in CORRUPTIONS
            ]
            append(path, COLUMNS, rows)
            print(
                *identity.values(),
                *(f"{r['corruption']} {r['average']}/{r['conflicting']}" for r in rows),
                seconds,
            )
            sys.stdout.flush()


def scores(fitted, data, test, corruption):
    """Accuracy on all test images, on the conflicting and on the aligned ones."""
    right = fitted.predict(corrupted(data, corruption)) == test.target
    conflicting = test.bias_labels == 1 if data == "bar" else test.bias_labels != test.target
    parts = {"average": right, "conflicting": right[conflicting], "aligned": right[~conflicting]}
    return {
        "corruption": corruption,
        "n": len(right),
        **{k: f"{v.mean():.4f}" for k, v in parts.items()},
    }


# Tables and figure
# ----------------------------------------------------------------------------------------


def finished(rows, least=3):
    """Rows of the seeds that all methods have, of settings with ``least`` of them."""
    kept = []
    for data, conflict in SETTINGS:
        found = [r for r in rows if (r["data"], float(r["conflict"])) == (data, conflict)]
        seeds = set.intersection(
            *({r["seed"] for r in found if r["method"] == m} for m in methods_of(data))
        )
        kept += [r for r in found if r["seed"] in seeds and len(seeds) >= least]
    return kept


def values(rows, data, conflict, method, corruption, column):
    """{seed: percent}; "mean" is the mean over the eight corruptions."""
    names = CORRUPTIONS[1:] if corruption == "mean" else (corruption,)
    found = {}
    for row in rows:
        if (row["data"], float(row["conflict"]), row["method"]) == (data, conflict, method) and row[
            "corruption"
        ] in names:
            found.setdefault(row["seed"], []).append(100 * float(row[column]))
    return {seed: np.mean(v) for seed, v in found.items()}


def differences(rows, data, conflict, method, against, corruption, column, drop=False):
    """Return paired differences over the seeds, in points.

    With ``drop`` they are differences of what is lost against the clean images.
    """
    pair = []
    for name in (method, against):
        lost = values(rows, data, conflict, name, corruption, column)
        if drop:
            clean = values(rows, data, conflict, name, "clean", column)
            lost = {seed: clean[seed] - v for seed, v in lost.items()}
        pair.append(lost)
    return [pair[0][seed] - pair[1][seed] for seed in pair[0] if seed in pair[1]]


def tables(rows):
    """Markdown: Table 6 for each data set, then BiasAdv against its rivals."""
    out = []
    for data, conflict in SETTINGS:
        used = methods_of(data)
        n = len(values(rows, data, conflict, used[0], "clean", "average"))
        if not n:
            continue
        out += ["", f"**{data}, {conflict:.0%} conflicting, {n} seeds**: average / conflicting", ""]
        out += table_head("", *(METHODS[m] for m in used))
        for corruption in (*CORRUPTIONS, "mean"):
            cells = []
            for method in used:
                pair = (
                    values(rows, data, conflict, method, corruption, c)
                    for c in ("average", "conflicting")
                )
                cells.append(
                    " / ".join("{:.1f} ± {:.1f}".format(*interval(list(v.values()))) for v in pair)
                )
            label = "mean of the eight" if corruption == "mean" else corruption
            out.append(f"| {label} | {' | '.join(cells)} |")
    out += [
        "",
        *table_head(
            "data", "BiasAdv-LfF against", "clean", "mean of the eight", "lost to the eight", "won"
        ),
    ]
    for data, conflict in SETTINGS:
        for against in methods_of(data)[:-1]:
            line = comparison(rows, data, conflict, against)
            out += [line] if line else []
    return "\n".join(out)


def comparison(rows, data, conflict, against):
    """Sum up in one line: conflicting accuracy, what it loses, and how many corruptions are won."""
    settings = (data, conflict, "biasadv-lff", against)
    asked = (("clean", False), ("mean", False), ("mean", True))
    cells = [differences(rows, *settings, name, "conflicting", drop) for name, drop in asked]
    if not cells[0]:
        return None
    won = sum(
        np.mean(differences(rows, *settings, name, "conflicting")) > 0 for name in CORRUPTIONS[1:]
    )
    shown = [bold(*interval(cell)) for cell in cells]
    return f"| {data} {conflict:.0%} | {METHODS[against]} | {' | '.join(shown)} | {won} of 8 |"


def figure(rows, path):
    """Conflicting accuracy per corruption, with intervals over the seeds."""
    import matplotlib.pyplot as plt

    shown = [s for s in SETTINGS if values(rows, *s, "biasadv-lff", "clean", "average")]
    fig, axes = plt.subplots(
        1, len(shown), figsize=(4.2 * len(shown), 4.2), layout="constrained", sharey=True
    )
    order = (*CORRUPTIONS, "mean")
    for ax, (data, conflict) in zip(np.atleast_1d(axes), shown, strict=True):
        used = methods_of(data)
        for i, method in enumerate(used):
            means = [
                interval(list(values(rows, data, conflict, method, c, "conflicting").values()))
                for c in order
            ]
            mean, half = np.array(means).T
            places = np.arange(len(order)) + 0.18 * (i - (len(used) - 1) / 2)
            color = f"C{list(METHODS).index(method)}"
            ax.errorbar(
                mean, places, xerr=half, fmt="o", ms=4, lw=1.2, color=color, label=METHODS[method]
            )
        name = {"colour_mnist": "perceptron", "colour_mnist_cnn": "small CNN"}.get(data, data)
        ax.set(
            xlabel="conflicting accuracy (%)",
            title=f"{name}, {conflict:.0%} conflicting in training",
        )
        ax.set_yticks(range(len(order)), [name.replace("_", " ") for name in order])
        ax.axhline(0.5, color="0.8", lw=0.8)
        ax.axhline(len(order) - 1.5, color="0.8", lw=0.8)
        ax.grid(axis="x", color="0.92")
    first = np.atleast_1d(axes)[0]
    first.invert_yaxis()
    fig.legend(
        *first.get_legend_handles_labels(), loc="outside lower center", ncols=4, frameon=False
    )
    fig.savefig(path, dpi=110)


def main():
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", choices=DATA)
    parser.add_argument("--conflict", type=float, choices=(0.01, 0.05), default=0.05)
    parser.add_argument("--seeds", type=int, default=3, help="number of seeds, from 0")
    parser.add_argument("--out", default=str(HERE.with_suffix(".csv")))
    parser.add_argument(
        "--tables", action="store_true", help="print the tables of the results file"
    )
    parser.add_argument("--figure", action="store_true", help="draw the figure of the results file")
    args = parser.parse_args()
    torch.set_num_threads(1)
    if args.data == "bar" and args.conflict != 0.05:
        parser.error("BAR has 5 % conflicting images here")
    if args.data:
        run(args.out, args.data, args.conflict, range(args.seeds))
    if args.tables:
        print(tables(finished(read_rows(args.out))))
    if args.figure:
        figure(finished(read_rows(args.out)), HERE.with_suffix(".png"))


if __name__ == "__main__":
    main()
