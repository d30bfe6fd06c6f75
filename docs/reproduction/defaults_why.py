"""Which parameter makes a default lose? One at a time is changed, on validation rows.

    python docs/reproduction/defaults_why.py SETS    # such as synthetic bar; all without a name
    python docs/reproduction/defaults_why.py SETS --methods JTT
    python docs/reproduction/defaults_why.py --table

Each method is fitted with its defaults, and with one parameter changed, to standardised embeddings
with three seeds. Unbiased validation rows judge; the other half of them, which is the test half of
selection.py, stays closed. Writes defaults_why.csv. Needs SKLEARN_DEBIAS_DATA.
"""

import argparse
import sys
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from sklearn.model_selection import PredefinedSplit

import sklearn_debias as sd
from sklearn_debias.model_selection import BatchedGridSearchCV

sys.path.insert(0, str(Path(__file__).parent))
from selection import measure, split

OUT = Path(__file__).with_suffix(".csv")
SETS = ("synthetic", "digits", "bar", "coloured", "patched", "binary")
MOST = 1000  # training rows, as of defaults.py
SEEDS = 3
SHARED = {
    "lr": [1e-4, 1e-2, 3e-2],
    "weight_decay": [0.0, 1e-2, 1e-1, 1.0],
    "max_epochs": [10, 30, 300],
    "batch_size": [32, 512],
}
OWN = {
    "ERM": {},
    "JTT": {
        "identification_epochs": [1, 5, 50],
        "upweight": [5, 20, 50, 100],
        "upweight_by": ["weight"],
    },
    "LfF": {"q": [0.1, 0.3, 0.5, 0.9], "ema": [0.0, 0.9], "class_normalize": [False]},
    "AFR": {
        "gamma": [1.0, 8.0, 16.0],
        "lam": [0.0, 0.1, 1.0, 3.0],
        "reweighting_epochs": [30, 300, 1000],
        "reweighting_share": [0.1, 0.4],
    },
    "ULE": {"lam": [0.1, 0.3, 0.7, 0.9], "student_warmup": [0, 50], "scale": [1.0, 100.0]},
    "BiasAdv": {
        "epsilon": [0.05, 0.2, 0.64, 1.0],  # of the spread of the rows
        "lam": [0.0, 1.0],
        "beta": [0.1, 0.25, 1.0],
        "base": ["erm"],
    },
    "MetaIADA": {
        "reach": [0.05, 0.1, 0.5, 1.0],  # of the spread of a column
        "alpha": [0.1, 1.0],
        "warmup": [0.5],
        "meta_size": [5, 20],
    },
}


def spread(X):
    """Median distance of a row from the mean row."""
    return float(np.median(np.linalg.norm(X - X.mean(axis=0), axis=1)))


def units(X):
    """What parameters in the unit of X are shares of."""
    return {"epsilon": spread(X), "reach": spread(X) / X.shape[1] ** 0.5}


def changes(name, X):
    """Settings to try, each with one parameter changed; the first has none."""
    grid = SHARED | OWN[name]
    for key, unit in units(X).items():
        if key in grid:
            grid = grid | {key: [round(share * unit, 4) for share in grid[key]]}
    tried = [(key, value) for key, values in grid.items() for value in values]
    return [{}, *({key: value} for key, value in tried)]


def run(name, methods):
    """Return a row per method, change and seed on one set."""
    train, _, unbiased, _ = split(name, 0)
    chosen = np.random.default_rng(0).permutation(len(train.target))[:MOST]
    X = np.concatenate([train.data[chosen], unbiased.data])
    y = np.concatenate([train.target[chosen], unbiased.target])
    fold = np.repeat([-1, 0], [len(chosen), len(unbiased.target)])
    judge = measure(name, train)

    def score(model, held_out, _):
        return judge(unbiased, model.predict(held_out))

    for method in methods:
        clf = getattr(sd, f"{method}Classifier")(random_state=0)
        settings = changes(method, train.data[chosen])
        grid = [{key: [value] for key, value in change.items()} for change in settings]
        search = BatchedGridSearchCV(
            clf,
            grid,
            scoring=score,
            cv=PredefinedSplit(fold),
            n_seeds=SEEDS,
            refit=False,
            error_score=np.nan,
        )
        found = search.fit(X, y).cv_results_
        for i, change in enumerate(settings):
            key, value = next(iter(change.items()), ("", ""))
            unit = units(train.data[chosen]).get(key)
            if unit is not None:  # as a share, which is the same on all sets
                value = round(value / unit, 2)
            for seed in range(SEEDS):
                yield name, method, key, value, seed, found[f"split{seed}_test_score"][i]
        print(name, method, flush=True)


SHOWN = {"lr": [0.01], "max_epochs": [10, 300], "batch_size": [32], "weight_decay": [0.1]}


def table():
    """Print the points gained by values of the parameters, a row each, and the defaults' scores."""
    frame = pd.read_csv(OUT, keep_default_na=False, na_values=["nan"])
    sets = list(dict.fromkeys(frame["set"]))
    frame["method"] = pd.Categorical(frame.method, OWN)
    keys = ["method", "parameter", "value", "set"]
    means = 100 * frame.groupby(keys, sort=False, observed=True).score.mean()
    print(f"| method | changed | {' | '.join(sets)} |")
    print("|---" * (2 + len(sets)) + "|")
    for method, of_method in means.groupby("method", sort=True, observed=True):
        own = of_method.xs("", level="parameter").droplevel(["method", "value"])
        print(f"| {method} | | {' | '.join(f'{own[name]:.1f}' for name in sets)} |")
        for (parameter, value), rows in of_method.groupby(["parameter", "value"], sort=False):
            shared = parameter in SHARED and float(value) not in SHOWN[parameter]
            if parameter == "" or shared:
                continue
            found = rows.droplevel(["method", "parameter", "value"])
            cells = [f"{found[n] - own[n]:+.1f}" if n in found else "" for n in sets]
            print(f"| | `{parameter}={value}` | {' | '.join(cells)} |")


def main():
    """Run the sets, or print the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("sets", nargs="*", default=SETS)
    parser.add_argument("--methods", nargs="+", choices=OWN, default=list(OWN))
    parser.add_argument("--table", action="store_true")
    given = parser.parse_args()
    if given.table:
        return table()
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    columns = ["set", "method", "parameter", "value", "seed", "score"]
    for name in given.sets:
        frame = pd.DataFrame(list(run(name, given.methods)), columns=columns)
        if OUT.exists():
            old = pd.read_csv(OUT, keep_default_na=False, na_values=["nan"])
            frame = pd.concat([old[(old["set"] != name) | ~old.method.isin(given.methods)], frame])
        frame.to_csv(OUT, index=False, float_format="%.4f")
    return None


if __name__ == "__main__":
    main()
