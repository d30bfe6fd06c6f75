"""Selection without bias labels: which rule picks a good setting on held-out rows that are biased?

    python docs/reproduction/selection.py
    python docs/reproduction/selection.py --tables

The first line fits 18 settings of linear heads on six data sets with five seeds, scores each by
every rule on rows held out of the biased training rows, and writes selection.csv, a row per fit,
beside this file. The second prints the tables of selection.md from that file, and draws
selection.png. Data sets that the file has are skipped. MNIST, Fashion-MNIST and BAR are read from
the folder named by SKLEARN_DEBIAS_DATA.
"""

import argparse
import sys
import time
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from scipy.stats import spearmanr
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import get_scorer, make_scorer, recall_score
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler
from sklearn.utils import Bunch

from sklearn_debias import ERMClassifier, JTTClassifier, LfFClassifier
from sklearn_debias.group_inference import GroupInferrer
from sklearn_debias.metrics import (
    aligned_map,
    group_mean_accuracy_score,
    harmonic_accuracy_score,
    worst_group_accuracy_score,
)
from sklearn_debias.model_selection import (
    bias_train_test_split,
    biased_balance_scorer,
    inferred_worst_group_scorer,
)

sys.path.insert(0, str(Path(__file__).parent))
from tables import table_head
from without_labels_data import BIASED, HELD_OUT, SETS

OUT = Path(__file__).with_suffix(".csv")
SEEDS = range(5)
METHODS = ("errors", "xrm", "eiil", "clusters")
FACTS = ("set", "seed", "setting", "test")  # the other columns are rules
MEASURES = {"synthetic": "worst group", "binary": "worst group", "bar": "conflicting"}
RESAMPLES = 5000


def rows_of(part, scaler):
    """Standardised rows of a part."""
    return Bunch(**{**part, "data": scaler.transform(part.data)})


def split(name, seed):
    """Training rows, held-out rows biased like them, and two unbiased halves.

    The held-out rows are a share of each class: who has no bias labels cannot stratify by them.
    """
    made = SETS[name](seed)
    names = ("data", "target", "bias_labels")
    every = {key: np.concatenate([made.train[key], made.validation[key]]) for key in names}
    chosen = train_test_split(
        np.arange(len(every["target"])),
        test_size=HELD_OUT,
        stratify=every["target"],
        random_state=seed,
    )
    train, held_out = (Bunch(**{key: every[key][rows] for key in names}) for rows in chosen)
    test = made.test
    halves = bias_train_test_split(*(test[key] for key in names), test_size=0.5, random_state=seed)
    unbiased = Bunch(data=halves[0], target=halves[2], bias_labels=halves[4])
    final = Bunch(data=halves[1], target=halves[3], bias_labels=halves[5])
    scaler = StandardScaler().fit(train.data)
    return [rows_of(part, scaler) for part in (train, held_out, unbiased, final)]


def settings(seed, inferred):
    """Names, unfitted classifiers, and the bias labels that each is given."""
    shared = {"optimizer": "adam", "batch_size": 128, "random_state": seed}
    long = {"lr": 1e-3, "max_epochs": 20, **shared}
    for lr in (1e-4, 1e-3, 1e-2):
        for epochs in (2, 20):
            yield f"ERM {lr:g} {epochs}", ERMClassifier(lr=lr, max_epochs=epochs, **shared), None
    for decay in (1e-2, 1e-1):
        yield f"ERM decay {decay:g}", ERMClassifier(weight_decay=decay, **long), None
    for method in ("errors", "xrm"):
        for decay in (0, 1e-2):
            clf = ERMClassifier(balance="group", weight_decay=decay, **long)
            yield f"balanced {method} {decay:g}", clf, inferred[method].bias_labels_
    for upweight in (3, 10, 30, 100):
        two = {"identification_epochs": 2, "upweight_by": "weight"}
        yield f"JTT {upweight}", JTTClassifier(upweight=upweight, **two, **long), None
    for q in (0.3, 0.7):
        yield f"LfF {q}", LfFClassifier(q=q, **long), None


def measure(name, train):
    """Return what counts in the end, as a function of rows and predictions."""
    kind = MEASURES.get(name, "mean of groups")
    if kind == "conflicting":
        # BAR's test rows are conflicting, all of them.
        return lambda rows, predicted: (predicted == rows.target).mean()
    metric = worst_group_accuracy_score if kind == "worst group" else group_mean_accuracy_score
    return lambda rows, predicted: metric(rows.target, predicted, bias_labels=rows.bias_labels)


def class_gap(y, predicted):
    """Return the mean difference between the accuracies of two classes."""
    each = recall_score(y, predicted, average=None, zero_division=0)
    return np.abs(each[:, None] - each).sum() / (len(each) * (len(each) - 1))


def worst_class(y, predicted):
    """Return the accuracy of the worst class."""
    return recall_score(y, predicted, average=None, zero_division=0).min()


def without_labels(train, held_out, inferred):
    """Return the rules that see no bias label, as scorers."""
    rules = {
        "average": get_scorer("accuracy"),
        "worst class": make_scorer(worst_class),
        "class gap": make_scorer(class_gap, greater_is_better=False),
    }
    biased = LogisticRegression(C=1e-3, max_iter=1000).fit(train.data, train.target)
    rules["uLA"] = biased_balance_scorer(biased)
    for method, inferrer in inferred.items():
        rules[f"parts {method}"] = inferred_worst_group_scorer(inferrer)
    for size in (1, 5, 10):
        rules[f"cells {size}"] = inferred_worst_group_scorer(
            inferred["errors"], groups="cells", min_group_size=size
        )
    labels = inferred["errors"].predict(held_out.data, held_out.target)
    rules["mean of cells"] = lambda model, X, y: group_mean_accuracy_score(
        y, model.predict(X), bias_labels=labels
    )
    return rules


def with_labels(train, held_out):
    """Return the rules that see the bias labels of the held-out rows, of labels and predictions."""
    aligned = aligned_map(train.target, train.bias_labels)
    bias = held_out.bias_labels
    pairs = zip(held_out.target.tolist(), np.asarray(bias).tolist(), strict=True)
    agrees = np.array([aligned[label] == value for label, value in pairs])
    parts = np.column_stack([agrees, ~agrees])
    return {
        "true cells 1": lambda y, p: worst_group_accuracy_score(y, p, bias_labels=bias),
        "true cells 5": lambda y, p: worst_group_accuracy_score(
            y, p, bias_labels=bias, min_group_size=5
        ),
        "true mean": lambda y, p: group_mean_accuracy_score(y, p, bias_labels=bias),
        "true parts": lambda y, p: worst_group_accuracy_score(y, p, membership=parts),
        "true harmonic": lambda y, p: harmonic_accuracy_score(
            y, p, aligned=aligned, bias_labels=bias
        ),
    }


def fits(name, seed):
    """A row for each setting."""
    train, held_out, unbiased, final = split(name, seed)
    inferred = {
        method: GroupInferrer(method, random_state=seed).fit(train.data, train.target)
        for method in METHODS
    }
    judge = measure(name, train)
    blind = without_labels(train, held_out, inferred)
    seeing = with_labels(train, held_out)
    for setting, clf, bias in settings(seed, inferred):
        clf.fit(train.data, train.target, bias_labels=bias)
        row = {"set": name, "seed": seed, "setting": setting}
        row["test"] = judge(final, clf.predict(final.data))
        row |= {rule: scorer(clf, held_out.data, held_out.target) for rule, scorer in blind.items()}
        predicted = clf.predict(held_out.data)
        row |= {rule: score(held_out.target, predicted) for rule, score in seeing.items()}
        row["unbiased"] = judge(unbiased, clf.predict(unbiased.data))
        yield row


def run():
    """Fit what the file lacks, and save after each data set and seed."""
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    table = pd.read_csv(OUT) if OUT.exists() else pd.DataFrame(columns=FACTS)
    for name in BIASED:
        for seed in SEEDS:
            if ((table["set"] == name) & (table["seed"] == seed)).any():
                continue
            start = time.process_time()
            new = pd.DataFrame(fits(name, seed))
            table = pd.concat([table, new]) if len(table) else new
            table.round(6).to_csv(OUT, index=False)
            print(f"{name} {seed}: {time.process_time() - start:.0f} CPU s", flush=True)


def judged(table):
    """Return regret and rank correlation of each rule, a row per data set, seed and rule.

    Settings that tie for the best score count with their mean.
    """
    found = []
    for (name, seed), group in table.groupby(["set", "seed"], sort=False):
        for rule in table.columns.drop(list(FACTS)):
            score = group[rule]
            best = score >= score.max() - 1e-9
            rank = spearmanr(score, group["test"]).statistic if score.nunique() > 1 else 0.0
            regret = group["test"].max() - group["test"][best].mean()
            facts = {"set": name, "seed": seed, "rule": rule, "tied": best.sum()}
            found.append({**facts, "regret": 100 * regret, "rank": rank})
    return pd.DataFrame(found)


def bounds(matrix, rng):
    """Return the mean of (sets, seeds), and 95 % bounds: sets are drawn, then seeds of each."""
    n_sets, n_seeds = matrix.shape
    sets = rng.integers(n_sets, size=(RESAMPLES, n_sets, 1))
    seeds = rng.integers(n_seeds, size=(RESAMPLES, n_sets, n_seeds))
    means = matrix[sets, seeds].mean((1, 2))
    return matrix.mean(), *np.quantile(means, [0.025, 0.975])


def overall(found, column, digits):
    """Return {rule: text} of the mean over all sets and seeds."""
    texts = {}
    for rule, rows in found.groupby("rule", sort=False):
        matrix = rows.pivot_table(index="set", columns="seed", values=column).to_numpy()
        mean, low, high = bounds(matrix, np.random.default_rng(0))
        texts[rule] = f"{mean:.{digits}f} [{low:.{digits}f}, {high:.{digits}f}]"
    return texts


def gains(found):
    """Markdown table of what rules lose less than the average does, and how often of 30."""
    print("\n".join(table_head("rule", "points less than the average loses", "better / worse")))
    regret = found.pivot_table(index=["set", "seed"], columns="rule", values="regret", sort=False)
    for rule in regret.columns.drop("average"):
        less = regret["average"] - regret[rule]
        mean, low, high = bounds(less.unstack().to_numpy(), np.random.default_rng(0))
        counts = f"{(less > 1e-9).sum()} / {(less < -1e-9).sum()}"
        print(f"| {rule} | {mean:.1f} [{low:.1f}, {high:.1f}] | {counts} |")


def tables(found):
    """Markdown tables of regrets, of rank correlations, and of settings tied for the best."""
    sets = list(found["set"].unique())
    for column, digits in (("regret", 1), ("rank", 2), ("tied", 1)):
        means = found.pivot_table(index="rule", columns="set", values=column, sort=False)
        everywhere = overall(found, column, digits)
        print(f"\n{column}\n")
        print("\n".join(table_head("rule", *sets, "all six")))
        for rule in means.index:
            cells = [f"{means.loc[rule, name]:.{digits}f}" for name in sets]
            print(f"| {rule} | {' | '.join(cells)} | {everywhere[rule]} |")


def figure(found):
    """Draw the regret of each rule on each data set."""
    import matplotlib.pyplot as plt

    means = found.pivot_table(index="rule", columns="set", values="regret", sort=False)[::-1]
    fig, axis = plt.subplots(figsize=(7.5, 6.0), layout="constrained")
    for name, marker in zip(means.columns, "os^Dv*", strict=False):
        axis.plot(means[name], means.index, marker, label=name, alpha=0.8, linestyle="none")
    axis.set_xlabel("points lost on test rows to the best setting of the pool (mean of five seeds)")
    axis.grid(axis="y", alpha=0.3)
    axis.legend(loc="lower right")
    fig.savefig(OUT.with_suffix(".png"), dpi=110)


def main():
    """Fit and save, or print tables and draw."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--tables", action="store_true")
    if not parser.parse_args().tables:
        run()
        return
    table = pd.read_csv(OUT)
    pool = table.groupby("set", sort=False)["test"]
    print((100 * pool.agg(["min", "median", "max"])).round(1).to_string())
    found = judged(table)
    patched = table[table["set"] == "patched"].groupby("setting", sort=False)
    print(patched[["test", "average", "parts errors", "true parts"]].mean().round(3).to_string())
    tables(found)
    gains(found)
    figure(found)


if __name__ == "__main__":
    main()
