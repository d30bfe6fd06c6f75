"""What does a first fit gain or cost? Every classifier with its defaults, beside ERM.

    python docs/reproduction/defaults.py SETS    # such as synthetic digits; all without a name
    python docs/reproduction/defaults.py --tables

The first line compares all classifiers, as they are constructed, on each data set: with ERM's own
defaults, and with ERM of the best of 12 settings on biased validation rows, with five fits each.
What counts is the worst group of two classes, and the mean over the groups where there are more of
them than rows to tell their worst by. Fits are kept in files *.sqlite beside this one, which may be
deleted; the rows of defaults.csv are what the second line makes its table of. MNIST, Fashion-MNIST
and BAR are read from the folder named by SKLEARN_DEBIAS_DATA.
"""

import argparse
import sys
import warnings
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from sklearn.preprocessing import StandardScaler
from sklearn.utils import Bunch

import sklearn_debias as sd
from sklearn_debias.comparison import compare
from sklearn_debias.datasets import load_biased_digits
from sklearn_debias.metrics import paired_difference

sys.path.insert(0, str(Path(__file__).parent))
from without_labels_data import SETS

OUT = Path(__file__).with_suffix(".csv")
STORE = Path(__file__).with_suffix(".sqlite")
SEEDS = 5
MOST = 1000  # training rows: a first fit is on few
NAMED = {
    # As an estimator: the store knows its defaults then, and a name's not.
    "BiasAdv-JTT": partial(sd.BiasAdvClassifier, base=sd.JTTClassifier()),
    "ERM, groups balanced": partial(sd.ERMClassifier, balance="group"),
    "inferred groups": sd.InferredGroupsClassifier,
}
# They would use bias labels that nobody asked them to: DPE's groups, the others' balanced meta set.
UNTOLD = ("MetaIADA", "MetaSAug", "MetaWeightNet")
WITHOUT = ", no bias labels"
LEFT_OUT = {"ClassScaling", "GroupInferrer", "InferredGroupsClassifier", "ERMClassifier"}
TUNED = "ERM, tuned"
COLUMNS = [
    "set",
    "method",
    "score",
    "accuracy",
    "gain",
    "gain_lower",
    "gain_upper",
    "seconds_per_fit",
    "n_worked",
    "degenerate",
    "configuration",
]
GRID = {"lr": [1e-4, 1e-3, 1e-2], "weight_decay": [0.0, 1e-4, 1e-2, 1e-1]}


def methods(**shared):
    """All classifiers by name, ERM first."""
    names = [n for n in sd.__all__ if n.endswith("Classifier") and n not in LEFT_OUT]
    made = {n.removesuffix("Classifier"): getattr(sd, n) for n in names}
    found = {"ERM": sd.ERMClassifier(**shared), TUNED: sd.ERMClassifier(**shared)}
    for name, cls in (made | NAMED).items():
        found[name] = cls(**({} if name in ("inferred groups", "DFR") else shared))
    return found


def rows(name):
    """Training, validation and test rows."""
    if name == "digits, images":
        digits = load_biased_digits(conflict_ratio=0.05, random_state=0)
        return digits.train, digits.validation, digits.test
    kind, _, change = name.partition(", ")
    data = SETS[kind](0)
    parts = [data.train, data.validation, data.test]
    chosen = np.random.default_rng(0).permutation(len(data.train.target))[:MOST]
    parts[0] = Bunch(**{key: data.train[key][chosen] for key in ("data", "target", "bias_labels")})
    scaler = StandardScaler().fit(parts[0].data)
    for part in parts:
        if change == "standardised":
            part.data = scaler.transform(part.data)
        if change == "times 30":
            part.data = 30 * part.data
    return parts


NAMES = [
    "synthetic",
    "synthetic, times 30",
    "digits",
    "coloured",
    "binary",
    "patched",
    "bar",
    "bar, standardised",
    "digits, images",
]


def metric_of(name):
    """Return what selects and counts on a set."""
    is_of_two = name.split(",")[0] in ("synthetic", "binary")
    return "worst_group_accuracy" if is_of_two else "group_mean_accuracy"


def run(name):
    """Compare on one data set; return a row per method."""
    train, validation, test = rows(name)
    shared = {"module": "simple_cnn", "max_epochs": 30} if "images" in name else {}
    found = methods(**shared)
    told = {key: clf for key, clf in found.items() if key not in UNTOLD}
    untold = {f"{key}{WITHOUT if key in told else ''}": found[key] for key in (*UNTOLD, "DPE")}
    bare = Bunch(data=train.data, target=train.target)
    store = STORE.with_stem(f"defaults_{name.replace(', ', '_').replace(' ', '_')}")
    results = [
        compare(
            named,
            part,
            validation=validation,
            test=test,
            search_spaces={key: GRID if key == TUNED else {} for key in named},
            n_configurations=12,
            n_seeds=SEEDS,
            scoring=metric_of(name),
            allow_overlap=True,  # digits and small images are equal by chance
            store=file,
            refit=False,
            random_state=0,
        )
        for named, part, file in (
            (told, train, store),
            (untold, bare, store.with_stem(f"{store.stem}_untold")),
        )
    ]
    print(f"== {name}", *results, sep="\n", flush=True)
    frame = pd.concat([result.frame for result in results])
    frame = frame.assign(set=name, score=frame[metric_of(name)])
    reference = results[0].predictions_["ERM"]
    for result in results:
        for method, fits in result.predictions_.items():
            gain = paired_difference(
                result.y_true,
                fits,
                reference,
                metric=metric_of(name),
                bias_labels=result.bias_labels,
                random_state=0,
            )
            columns = ["gain", "gain_lower", "gain_upper"]
            frame.loc[method, columns] = (gain.difference, *gain.interval)
    return frame.rename_axis("method").reset_index()[COLUMNS]


def main():
    """Run the sets, or print the tables."""
    parser = argparse.ArgumentParser()
    parser.add_argument("sets", nargs="*", default=NAMES)
    parser.add_argument("--tables", action="store_true")
    given = parser.parse_args()
    if given.tables:
        return tables(pd.read_csv(OUT))
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    for name in given.sets:
        frame = run(name)
        old = pd.read_csv(OUT) if OUT.exists() else pd.DataFrame({"set": []})
        pd.concat([old[old["set"] != name], frame]).to_csv(OUT, index=False, float_format="%.5g")
    return None


def tables(frame):
    """Print what each method gains on each set over ERM's defaults, and what a fit costs."""
    order = [name for name in NAMES if name in set(frame["set"])]
    frame = frame.assign(cell=[_cell(row) for row in frame.itertuples()])
    frame["gain"] = 100 * frame["gain"]
    cells = frame.pivot(index="method", columns="set", values="cell")[order].fillna("-")
    gains = frame.pivot(index="method", columns="set", values="gain")[order]
    seconds = frame.pivot(index="method", columns="set", values="seconds_per_fit")[order]
    cells["mean"] = gains.mean(axis=1).map("{:+.1f}".format)
    cells["cost"] = (seconds / seconds.loc["ERM"]).median(axis=1).map("{:.1f}".format)
    cells = cells.loc[gains.mean(axis=1).sort_values(ascending=False).index]
    print(f"| method | {' | '.join(cells)} |")
    print("|---" * (1 + cells.shape[1]) + "|")
    for method, row in cells.iterrows():
        print(f"| {method} | {' | '.join(row)} |")


def _cell(row):
    """ERM's own score, and the gain of others; bold where its interval leaves 0 out."""
    if row.method == "ERM":
        return f"{100 * row.score:.1f}"
    if np.isnan(row.gain):
        return "-"  # it takes no such rows
    text = f"{100 * row.gain:+.1f}"
    return f"**{text}**" if row.gain_lower * row.gain_upper > 0 else text


if __name__ == "__main__":
    main()
