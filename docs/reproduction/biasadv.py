"""Does BiasAdv help? ERM, JTT and LfF against themselves plus BiasAdv, with equal search budgets.

    python docs/reproduction/biasadv.py --data digits --conflict 0.05
    python docs/reproduction/biasadv.py --tables docs/reproduction/biasadv.csv
    python docs/reproduction/biasadv.py --data digits --conflict 0.05 --smoke --out /tmp/smoke.csv

Every method gets the same number of random configurations. The one with the best unbiased
validation accuracy, on a seed of its own, is then fitted on fresh seeds; only those fits see the
test set. Rows that the output file already has are skipped, so that a run can be interrupted.
"colour_mnist" and "bar" are read from the folder named by SKLEARN_DEBIAS_DATA.
"""

import argparse
import csv
import json
import time
import warnings
from pathlib import Path

import numpy as np
import torch
from scipy import stats
from sklearn.datasets import load_digits
from sklearn.utils import Bunch

from sklearn_debias import BiasAdvClassifier, ERMClassifier, JTTClassifier, LfFClassifier
from sklearn_debias.datasets import (
    colour_mnist,
    data_folder,
    load_biased_digits,
    read_bar,
    read_mnist,
)
from sklearn_debias.metrics import group_mean_accuracy_score

METHODS = ("erm", "biasadv-erm", "jtt", "biasadv-jtt", "lff", "biasadv-lff")
N_DRAWS = 8
SELECTION_SEED = 1000
EPOCHS = {"digits": (10, 20, 40), "colour_mnist": (5, 10, 20), "bar": (5, 10, 20)}
IDENTIFICATION = {"digits": (3, 5, 10), "colour_mnist": (1, 2, 5), "bar": (2, 5, 10)}
BATCH = {"digits": 128, "colour_mnist": 256, "bar": 128}
LR = {"digits": (3e-4, 1e-2), "colour_mnist": (3e-4, 1e-2), "bar": (1e-4, 3e-3)}
COLUMNS = (
    "stage",
    "data",
    "conflict",
    "method",
    "draw",
    "seed",
    "val_mean",
    "val_conflicting",
    "val_aligned",
    "test_mean",
    "test_conflicting",
    "test_aligned",
    "seconds",
    "config",
)


# Data: training rows and their bias are drawn anew for each seed; validation and test stay as they
# are ----


def load_data(data, conflict, seed):
    """Biased training set of a seed, and the fixed, unbiased validation and test sets."""
    return {"digits": digits, "colour_mnist": mnist, "bar": bar}[data](conflict, seed)


def digits(conflict, seed):
    """Recolour the 899 training images of load_biased_digits; add 449 and 449 unbiased ones."""
    fixed = load_biased_digits(conflict_ratio=conflict, random_state=0)
    test = fixed.test
    palette = np.stack([test.data[test.bias_labels == k].max((0, 2, 3)) for k in range(10)])
    grey = load_digits().images[fixed.train.index] / 16
    bias = colour_mnist(
        (255 * grey).astype(np.uint8),
        fixed.train.target,
        conflict_ratio=conflict,
        random_state=seed,
    ).bias_labels
    data = (palette[bias][:, :, None, None] * grey[:, None]).astype(np.float32)
    train = Bunch(data=data, target=fixed.train.target, bias_labels=bias)
    return train, fixed.validation, fixed.test


def mnist(conflict, seed, n_train=4000, n_validation=2000, side=14):
    """Draw LfF's Coloured MNIST at 14x14: 4000 of 50,000 images, 2000 others, MNIST's test set."""
    source = read_mnist(data_folder())
    rows = np.random.default_rng(seed).permutation(50_000)[:n_train]
    held_out = slice(50_000, 50_000 + n_validation)
    parts = []
    for part, chosen, ratio, state in (
        (source.train, rows, conflict, seed),
        (source.train, held_out, "unbiased", 77),
        (source.test, slice(None), "unbiased", 78),
    ):
        coloured = colour_mnist(
            part.data[chosen], part.target[chosen], conflict_ratio=ratio, random_state=state
        )
        n, k = len(coloured.data), 28 // side
        pooled = coloured.data.reshape(n, 3, side, k, side, k).mean((3, 5), dtype=np.float32) / 255
        parts.append(Bunch(data=pooled, target=coloured.target, bias_labels=coloured.bias_labels))
    return parts


def bar(conflict, seed):
    """BAR embeddings; 17 (1 %) or 94 (5 %) conflicting rows in training, as in the paper.

    Half of the conflicting rows (327) and 200 aligned ones are the test set. Of the rest a seed
    draws what goes to training and 200 aligned rows for validation; all other conflicting rows are
    validation.
    """
    n_moved = {0.01: 17, 0.05: 94}[conflict]
    pack = read_bar(data_folder())
    sealed = np.random.default_rng(2026)
    aligned, conflicting = (
        sealed.permutation(len(pack.train.target)),
        sealed.permutation(len(pack.test.target)),
    )
    test = (aligned[:200], conflicting[:327])
    rng = np.random.default_rng(seed)
    aligned, conflicting = rng.permutation(aligned[200:]), rng.permutation(conflicting[327:])
    validation = (aligned[:200], conflicting[n_moved:])
    train = (aligned[200:], conflicting[:n_moved])
    return [_bar_part(pack, *rows) for rows in (train, validation, test)]


def _bar_part(pack, aligned, conflicting):
    both = ((pack.train, aligned), (pack.test, conflicting))
    return Bunch(
        **{k: np.concatenate([s[k][r] for s, r in both]) for k in ("data", "target", "bias_labels")}
    )


def is_conflicting(data, part):
    """Which rows the shortcut misleads."""
    return part.bias_labels == 1 if data == "bar" else part.bias_labels != part.target


# Methods: draw i of BiasAdv has the base parameters of draw i of its base, and an attack of its own
# --------


def draw(method, data, i):
    """Random configuration i of a method, as a dict."""
    rng = np.random.default_rng([i, 1])
    low, high = np.log(LR[data])
    config = {
        "lr": float(f"{np.exp(rng.uniform(low, high)):.3g}"),
        "max_epochs": int(rng.choice(EPOCHS[data])),
        "weight_decay": float(rng.choice([0, 1e-4, 1e-3])),
    }
    identification, upweight = int(rng.choice(IDENTIFICATION[data])), int(rng.choice([5, 10, 20]))
    if method.endswith("jtt"):
        config |= {"identification_epochs": identification, "upweight": upweight}
    if method.startswith("biasadv"):
        rng = np.random.default_rng([i, 2])
        config |= {
            "relative_epsilon": float(f"{np.exp(rng.uniform(np.log(0.05), np.log(1))):.3g}"),
            "norm": str(rng.choice(["l2", "linf"])),
            "lam": float(rng.choice([0, 0.25, 0.5, 1])),
            "beta": float(rng.choice([0.25, 0.5, 1, 2])),
        }
        if rng.random() < 0.5 and data != "bar":
            config["clip"] = (0, 1)
    return config


def epsilon_of(relative, norm, X):
    """Return the radius that moves an input by at most `relative` of the mean L2 norm of X.

    With norm "linf" every pixel moves that much.
    """
    flat = X.reshape(len(X), -1)
    size = relative * np.linalg.norm(flat, axis=1).mean()
    return float(size if norm == "l2" else size / np.sqrt(flat.shape[1]))


def module_of(data):
    """The network of a data set: a linear head for embeddings, LfF's perceptron for images."""
    hidden = {"digits": (100, 100), "colour_mnist": (100, 100, 100)}
    return (
        {"module": "linear"}
        if data == "bar"
        else {"module": "mlp", "net_params": {"module__hidden": hidden[data]}}
    )


def make(method, data, config, X, seed, **overrides):
    """Unfitted estimator of a configuration."""
    config = dict(config)
    jtt = {k: config.pop(k) for k in ("identification_epochs", "upweight") if k in config}
    shared = {
        **module_of(data),
        "batch_size": BATCH[data],
        "random_state": seed,
        "device": "cpu",
        **overrides,
    }
    if not method.startswith("biasadv"):
        return {"erm": ERMClassifier, "jtt": JTTClassifier, "lff": LfFClassifier}[method](
            **jtt, **config, **shared
        )
    config["epsilon"] = epsilon_of(config.pop("relative_epsilon"), config["norm"], X)
    base = method.split("-")[1]
    return BiasAdvClassifier(base=JTTClassifier(**jtt) if jtt else base, **config, **shared)


def scores(estimator, data, part, name):
    """Accuracy: mean over the (class, bias) cells, conflicting rows, aligned rows."""
    predicted, conflicting = estimator.predict(part.data), is_conflicting(data, part)
    right = predicted == part.target
    mean = group_mean_accuracy_score(part.target, predicted, bias_labels=part.bias_labels)
    values = {
        "mean": mean,
        "conflicting": right[conflicting].mean(),
        "aligned": right[~conflicting].mean(),
    }
    return {f"{name}_{k}": f"{v:.4f}" for k, v in values.items()}


# Running
# --------------------------------------------------------------------------------------------------


def read_rows(path):
    """Rows of a results file, or none."""
    if not Path(path).exists():
        return []
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def key(row):
    """What identifies a fit."""
    return tuple(str(row[k]) for k in ("stage", "data", "conflict", "method", "draw", "seed"))


def run_fit(path, done, stage, data, conflict, method, i, seed, config, test=False):
    """Fit once and append a row, unless the file has it."""
    row = {
        "stage": stage,
        "data": data,
        "conflict": conflict,
        "method": method,
        "draw": i,
        "seed": seed,
    }
    if key(row) in done:
        return done[key(row)]
    train, validation, sealed = load_data(data, conflict, seed)
    start = time.process_time()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        estimator = make(method, data, config, train.data, seed).fit(train.data, train.target)
    row["seconds"] = f"{time.process_time() - start:.1f}"
    row |= scores(estimator, data, validation, "val")
    if test:
        row |= scores(estimator, data, sealed, "test")
    row["config"] = json.dumps(config)
    new = not Path(path).exists()
    with open(path, "a", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, restval="")
        if new:
            writer.writeheader()
        writer.writerow(row)
    done[key(row)] = {k: str(v) for k, v in row.items()}
    print(*(row.get(k, "") for k in COLUMNS), flush=True)
    return done[key(row)]


def selected(rows, data, conflict, method):
    """Draw with the best validation accuracy (the first of equals), and {draw: accuracy}."""
    found = {
        int(r["draw"]): float(r["val_mean"])
        for r in rows
        if (r["stage"], r["data"], float(r["conflict"]), r["method"])
        == ("search", data, conflict, method)
    }
    return max(sorted(found), key=found.get), found


def compare(path, data, conflict, seeds, n_draws, methods):
    """Search, select, and fit the selected configuration on fresh seeds."""
    done = {key(row): row for row in read_rows(path)}
    for method in methods:
        for i in range(n_draws):
            run_fit(
                path,
                done,
                "search",
                data,
                conflict,
                method,
                i,
                SELECTION_SEED,
                draw(method, data, i),
            )
        best, _ = selected(done.values(), data, conflict, method)
        for seed in seeds:
            run_fit(
                path,
                done,
                "report",
                data,
                conflict,
                method,
                best,
                seed,
                draw(method, data, best),
                test=True,
            )
            if method.startswith(
                "biasadv"
            ):  # the base with the same lr, epochs and so on: the attack alone
                base = method.removeprefix("biasadv-")
                run_fit(
                    path,
                    done,
                    "matched",
                    data,
                    conflict,
                    base,
                    best,
                    seed,
                    draw(base, data, best),
                    test=True,
                )


# Tables
# --------------------------------------------------------------------------------------------------


def interval(values):
    """Mean and half-width of the Student 95 % interval."""
    values = np.asarray(values, dtype=float)
    return values.mean(), stats.t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / np.sqrt(
        len(values)
    )


def report_values(rows, data, conflict, method, column, stage="report"):
    """{seed: percent} of the fresh seeds of a method."""
    return {
        r["seed"]: 100 * float(r[column])
        for r in rows
        if (r["stage"], r["data"], float(r["conflict"]), r["method"])
        == (stage, data, conflict, method)
    }


def gains_of(rows, data, conflict, base, column, stage="report"):
    """BiasAdv minus its base, in points, for each fresh seed."""
    ours = report_values(rows, data, conflict, f"biasadv-{base}", column)
    theirs = report_values(rows, data, conflict, base, column, stage)
    return [ours[seed] - theirs[seed] for seed in ours if seed in theirs]


def table_head(*names):
    """First two lines of a markdown table."""
    return [f"| {' | '.join(names)} |", "|---" * len(names) + "|"]


def tables(path):
    """Return the Markdown tables of a results file: accuracies, paired differences, settings."""
    rows = read_rows(path)
    settings = list(
        dict.fromkeys((r["data"], float(r["conflict"])) for r in rows if r["stage"] == "report")
    )
    out = table_head(
        "data",
        "method",
        "validation",
        "test mean",
        "test conflicting",
        "test aligned",
        "CPU s per fit",
    )
    for data, conflict in settings:
        for method in METHODS:
            cells = []
            for column in ("val_mean", "test_mean", "test_conflicting", "test_aligned"):
                values = list(report_values(rows, data, conflict, method, column).values())
                if len(values) > 1:
                    cells.append("{:.1f} ± {:.1f}".format(*interval(values)))
            if cells:
                seconds = (
                    np.mean(list(report_values(rows, data, conflict, method, "seconds").values()))
                    / 100
                )
                out.append(
                    f"| {data} {conflict:.0%} | {method} | {' | '.join(cells)} | {seconds:.1f} |"
                )
    out += [""]
    out += table_head(
        "data",
        "base",
        "test mean",
        "test conflicting",
        "seeds won",
        "test mean, base with BiasAdv's lr",
    )
    for data, conflict in settings:
        for base in ("erm", "jtt", "lff"):
            cells, won = [], ""
            for column, stage in (
                ("test_mean", "report"),
                ("test_conflicting", "report"),
                ("test_mean", "matched"),
            ):
                gains = gains_of(rows, data, conflict, base, column, stage)
                if len(gains) < 2:
                    continue
                mean, half = interval(gains)
                mark = "**" if abs(mean) > half else ""
                cells.append(f"{mark}{mean:+.1f} [{mean - half:+.1f}, {mean + half:+.1f}]{mark}")
                if len(cells) == 2:
                    cells.append(won)
                won = won or f"{sum(g > 0 for g in gains)} of {len(gains)}"
            if cells:
                out.append(f"| {data} {conflict:.0%} | {base} | {' | '.join(cells)} |")
    out += [
        "",
        *table_head(
            "data", "method", "selected configuration", "its validation mean", "median draw"
        ),
    ]
    for data, conflict in settings:
        for method in METHODS:
            if report_values(rows, data, conflict, method, "val_mean"):
                best, means = selected(rows, data, conflict, method)
                config = json.dumps(draw(method, data, best)).replace('"', "").strip("{}")
                best, middle = 100 * means[best], 100 * np.median(list(means.values()))
                out.append(
                    f"| {data} {conflict:.0%} | {method} | {config} | {best:.1f} | {middle:.1f} |"
                )
    return "\n".join(out)


def main():
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", choices=("digits", "colour_mnist", "bar"))
    parser.add_argument("--conflict", type=float, choices=(0.01, 0.05), default=0.05)
    parser.add_argument("--seeds", type=int, default=10, help="number of fresh seeds")
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=METHODS)
    parser.add_argument("--out", default=str(Path(__file__).with_suffix(".csv")))
    parser.add_argument(
        "--smoke", action="store_true", help="two draws, two seeds, cheap methods: seconds"
    )
    parser.add_argument("--tables", metavar="CSV", help="print the tables of a results file")
    args = parser.parse_args()
    if args.tables:
        print(tables(args.tables))
        return
    if args.data is None:
        parser.error("give --data or --tables")
    torch.set_num_threads(1)
    methods, n_draws, n_seeds = args.methods, N_DRAWS, args.seeds
    if args.smoke:
        methods, n_draws, n_seeds = ("erm", "biasadv-erm"), 2, 2
    compare(args.out, args.data, args.conflict, range(n_seeds), n_draws, methods)
    if args.smoke:
        print(tables(args.out))


if __name__ == "__main__":
    main()
