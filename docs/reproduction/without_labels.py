"""Groups inferred without bias labels, and what training on them is worth, on seven sets.

    python docs/reproduction/without_labels.py run     # writes without_labels.csv, about 40 minutes
    python docs/reproduction/without_labels.py tables  # prints the tables of without_labels.md

"run" needs SKLEARN_DEBIAS_DATA. It goes on where it was stopped: rows that are in the file are not
computed again. Every training has four settings to choose from. They are chosen on held-out rows,
which are biased as the training rows are, by the smaller of the accuracies on majority and
minority: of the inferred groups, or of the true ones where these are used for training. No test row
has a say.
"""

import sys
import time
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_debias import (
    DFRClassifier,
    GroupDROClassifier,
    JTTClassifier,
    LfFClassifier,
)
from sklearn_debias.group_inference import GroupInferrer, InferredGroupsClassifier
from sklearn_debias.metrics import group_mean_accuracy_score, worst_group_accuracy_score

sys.path.insert(0, str(Path(__file__).parent))
from tables import interval
from without_labels_data import SETS

SEEDS = range(5)
KNOWN = 0.05  # share of the rows with a bias label, for "ssa"
FILE = Path(__file__).with_suffix(".csv")
HEAD = {"module": "linear", "batch_size": 256, "max_epochs": 30, "random_state": 0}
PENALTIES = (0.5, 0.05, 0.005, 0.0005)
DECAYS = (1.0, 0.1, 0.01, 0.001)
METHODS = {
    "errors": {"method": "errors"},
    "eiil": {"method": "eiil"},
    "xrm": {"method": "xrm"},
    "clusters": {"method": "clusters"},
    "george": {"method": "clusters", "features": "embeddings", "max_clusters": 10},
    "ssa": {"method": "ssa"},
}


class Fixed:
    """An inferrer of labels that are known already: those of the rows it is fitted to."""

    def __init__(self, labels):
        self.labels = labels

    def get_params(self, deep=True):
        """Return nothing that a seed could change."""
        return {"labels": self.labels}

    def fit(self, X, y, bias_labels=None):
        """Keep the labels."""
        self.bias_labels_ = self.labels
        self.input_shape_ = X.shape[1:]
        return self

    def predict(self, X, y=None):
        """Return the labels, whatever X is."""
        return self.labels


def logistic(penalty, n):
    """A logistic regression with half the penalty times the squared weights on the mean loss."""
    return make_pipeline(StandardScaler(), LogisticRegression(C=1 / (penalty * n), max_iter=1000))


def on_groups(name, n):
    """Four settings of a training that is told of groups; DFR chooses among seven by itself."""
    if name == "balanced":
        return [logistic(penalty, n) for penalty in PENALTIES]
    if name == "GroupDRO":
        return [
            make_pipeline(StandardScaler(), GroupDROClassifier(lr=0.01, weight_decay=decay, **HEAD))
            for decay in DECAYS
        ]
    return [DFRClassifier(n_resamples=5, random_state=0)]


def without_groups(n):
    """Four settings of each training that needs no groups."""
    scaled = [
        ("ERM", [logistic(penalty, n) for penalty in PENALTIES]),
        (
            "JTT",
            [
                JTTClassifier(identification_epochs=epochs, upweight=up, lr=0.01, **HEAD)
                for epochs in (1, 5)
                for up in (5, 20)
            ],
        ),
        ("LfF", [LfFClassifier(lr=0.01, weight_decay=decay, **HEAD) for decay in DECAYS]),
    ]
    for name, settings in scaled:
        ready = (
            settings if name == "ERM" else [make_pipeline(StandardScaler(), s) for s in settings]
        )
        yield name, ready


def score(name, model, test):
    """The worst group of two classes, the mean of many groups, or BAR's conflicting accuracy."""
    predicted = model.predict(test.data)
    if name in ("bar", "noisy"):
        return float((predicted == test.target).mean())
    few = len(np.unique(test.target)) == 2
    metric = worst_group_accuracy_score if few else group_mean_accuracy_score
    return metric(test.target, predicted, bias_labels=test.bias_labels)


def worse_part(model, rows, minority):
    """The smaller of the accuracies on majority and minority rows."""
    right = model.predict(rows.data) == rows.target
    return min(right[part].mean() for part in (minority, ~minority) if part.any())


def conflicting(rows, y, bias):
    """Which rows do not have the bias value that their class has most often in training."""
    frame = pd.DataFrame({"y": y, "b": bias})
    most = frame.groupby("y").b.agg(lambda values: values.mode().iloc[0])
    return rows.bias_labels != most.loc[rows.target].to_numpy()


def quality(found, true):
    """Precision and recall of the inferred minority."""
    both = (found & true).sum()
    return {
        "precision": both / max(found.sum(), 1),
        "recall": both / max(true.sum(), 1),
        "share": found.mean(),
    }


def part_of(labels, y, like=None, classes=None):
    """Which rows are not in the largest part of their class, as the rows ``like`` have it."""
    largest = {}
    reference, targets = (labels, y) if like is None else (like, classes)
    for c in np.unique(targets):
        values, counts = np.unique(reference[targets == c], return_counts=True)
        largest[c] = values[counts.argmax()]
    return labels != np.array([largest[c] for c in y])


def infer(method, data, seed):
    """Labels of the training and of the validation rows."""
    train, held = data.train, data.validation
    known = {}
    if method == "ssa":
        rng = np.random.default_rng(seed)
        shown = rng.random(len(train.target)) < KNOWN
        known = {"bias_labels": np.where(shown, train.bias_labels, -1)}
    inferrer = GroupInferrer(**METHODS[method], random_state=seed)
    inferrer.fit(train.data, train.target, **known)
    return inferrer.bias_labels_, inferrer.predict(held.data, held.target)


def choose(models, held, minority):
    """The model with the best worse part on held-out rows."""
    return max(models, key=lambda model: worse_part(model, held, minority))


def trained(training, labels, data):
    """All settings of a training on groups, fitted as InferredGroupsClassifier fits them."""
    train = data.train
    return [
        InferredGroupsClassifier(model, Fixed(labels), n_checks=0).fit(train.data, train.target)
        for model in on_groups(training, len(train.target))
    ]


def rows_of(name, seed, done):
    """All results of one set and seed, those that are there already left out."""
    data = SETS[name](seed)
    train, held = data.train, data.validation
    true = conflicting(train, train.target, train.bias_labels)
    true_held = conflicting(held, train.target, train.bias_labels)
    if name == "bar":  # which rows conflict is what is known
        true, true_held = train.bias_labels == 1, held.bias_labels == 1
    for method in ("true", *METHODS):
        if (name, seed, method) in done:
            continue
        start = time.process_time()
        if method == "true":
            labels, of_held = train.bias_labels, held.bias_labels
            found, minority = true, true_held
        else:
            labels, of_held = infer(method, data, seed)
            found = part_of(labels, train.target)
            minority = part_of(of_held, held.target, labels, train.target)
        common = {"set": name, "seed": seed, "inference": method, **quality(found, true)}
        common["seconds"] = time.process_time() - start
        for training in ("balanced", "GroupDRO", "DFR"):
            model = choose(trained(training, labels, data), held, minority)
            yield {**common, "training": training, "score": score(name, model, data.test)}
        if method == "errors":  # the label-free rule for those that need no groups
            for training, settings in without_groups(len(train.target)):
                models = [setting.fit(train.data, train.target) for setting in settings]
                model = choose(models, held, minority)
                yield {
                    "set": name,
                    "seed": seed,
                    "inference": "none",
                    "training": training,
                    "score": score(name, model, data.test),
                }
            model = InferredGroupsClassifier(random_state=seed).fit(train.data, train.target)
            yield {
                "set": name,
                "seed": seed,
                "inference": "none",
                "training": "InferredGroupsClassifier()",
                "score": score(name, model, data.test),
            }


def run():
    """Compute what is missing, and write it row by row."""
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    written = pd.read_csv(FILE) if FILE.exists() else pd.DataFrame()
    done = set()
    if len(written):
        done = set(written[["set", "seed", "inference"]].itertuples(index=False, name=None))
    for seed in SEEDS:
        for name in SETS:
            rows = list(rows_of(name, seed, done))
            if rows:
                written = pd.concat([written, pd.DataFrame(rows)], ignore_index=True)
                written.to_csv(FILE, index=False, float_format="%.5g")
                print(name, seed, f"{len(rows)} rows", flush=True)


def cell(values):
    """Mean of the seeds with the half width of its interval, or the one value there is."""
    if len(values) < 2:
        return "".join(f"{value:.3f}" for value in values) or "-"
    return "{:.3f} ± {:.3f}".format(*interval(values))


def table(rows, by, column):
    """Print a table in Markdown: a line for each value of ``by``, a column for each set."""
    print(f"\n| {by} | {' | '.join(SETS)} |\n|---{'|---' * len(SETS)}|")
    for name, part in rows.groupby(by):
        cells = [part.loc[part.set == one, column] for one in SETS]
        print(f"| {name} | {' | '.join(cell(c) for c in cells)} |")


def tables():
    """Print the tables of the page."""
    results = pd.read_csv(FILE)
    inferred = results[(results.training == "balanced") & (results.inference != "true")]
    for column in ("precision", "recall", "share", "seconds"):
        print(f"\n{column} of the inferred minority")
        table(inferred, "inference", column)
    trained_on = results.training + " on " + results.inference
    rows = results.assign(method=trained_on.str.removesuffix(" on none"))
    print("\nworst group, or what stands for it")
    table(rows, "method", "score")
    erm = rows[rows.method == "ERM"].set_index(["set", "seed"]).score
    paired = rows.set_index(["set", "seed"])
    gain = paired.score.to_numpy() - erm.reindex(paired.index).to_numpy()
    print("\ndifference to ERM, paired by seed")
    table(rows.assign(gain=gain), "method", "gain")


if __name__ == "__main__":
    {"run": run, "tables": tables}[sys.argv[1]]()
