"""Does BiasAdv help? ERM, JTT and LfF against themselves plus BiasAdv, with equal search budgets.

    python docs/reproduction/biasadv.py digits colour_mnist bar
    python docs/reproduction/biasadv.py --tables
    python docs/reproduction/biasadv.py digits --smoke

The first line compares the six methods on each data set at 5 % and 1 % conflicting rows, and then
the bases once more, with the learning rate, epochs and so on that were selected for BiasAdv on top
of them. Fits are kept in files *.sqlite beside this one, which may be deleted; the rows of
biasadv.csv, one per method, are what the second line makes its tables and biasadv_gains.png of.
"colour_mnist" and "bar" are read from the folder named by SKLEARN_DEBIAS_DATA.
"""

import argparse
import sys
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from scipy.stats import loguniform
from sklearn.utils import Bunch

from sklearn_debias import BiasAdvClassifier, ERMClassifier, JTTClassifier, LfFClassifier
from sklearn_debias.comparison import compare

sys.path.insert(0, str(Path(__file__).parent))
from biased_data import NETWORKS, accuracies, load_data, mean_norm
from tables import bold, interval, table_head

OUT = Path(__file__).with_suffix(".csv")
CONFLICTS = (0.05, 0.01)
BASES = ("ERM", "JTT", "LfF")
MATCHED = ", BiasAdv's settings"
METRICS = ("mean", "conflicting", "aligned")
EPOCHS = {"digits": [10, 20, 40], "colour_mnist": [5, 10, 20], "bar": [5, 10, 20]}
IDENTIFICATION = {"digits": [3, 5, 10], "colour_mnist": [1, 2, 5], "bar": [2, 5, 10]}
LR = {"digits": (3e-4, 1e-2), "colour_mnist": (3e-4, 1e-2), "bar": (1e-4, 3e-3)}


def methods(data, X):
    """Each base, and BiasAdv on top of it; radii are shares of the mean norm of X."""
    shared = {**NETWORKS[data], "max_epochs": EPOCHS[data][-1], "device": "cpu"}
    shortest = IDENTIFICATION[data][0]
    jtt = JTTClassifier(identification_epochs=shortest)
    ours = {**shared, "epsilon": 0.2 * float(mean_norm(X))}
    return {
        "ERM": ERMClassifier(**shared),
        "BiasAdv-ERM": BiasAdvClassifier(base="erm", **ours),
        "JTT": JTTClassifier(identification_epochs=shortest, **shared),
        "BiasAdv-JTT": BiasAdvClassifier(base=jtt, **ours),
        "LfF": LfFClassifier(**shared),
        "BiasAdv-LfF": BiasAdvClassifier(base="lff", **ours),
    }


def search_spaces(data, X):
    """What each method draws from; the parameters of the attack are BiasAdv's alone."""
    shared = {
        "lr": loguniform(*LR[data]),
        "max_epochs": EPOCHS[data],
        "weight_decay": [0.0, 1e-4, 1e-3],
    }
    jtt = {"identification_epochs": IDENTIFICATION[data], "upweight": [5, 10, 20]}
    norm = float(mean_norm(X))
    attack = {
        "epsilon": loguniform(0.05 * norm, norm),
        "lam": [0.0, 0.25, 0.5, 1.0],
        "beta": [0.25, 0.5, 1.0, 2.0],
    }
    if data != "bar":
        attack["clip"] = [None, (0, 1)]
    own = {"ERM": {}, "JTT": jtt, "LfF": {}}
    spaces = {name: shared | values for name, values in own.items()}
    for name, values in own.items():
        nested = {f"base__{key}": value for key, value in values.items()}
        spaces[f"BiasAdv-{name}"] = shared | attack | nested
    return spaces


def run(data, conflict, is_smoke):
    """Compare on one data set; return a row per method."""
    options = {"is_fixed": True} if data == "bar" else {}
    first, validation, test = load_data(data, conflict, 0, **options)
    given = {
        "train": lambda seed: load_data(data, conflict, seed, **options)[0],
        "validation": validation,
        "test": test,
        "n_seeds": 2 if is_smoke else 10,
        "scoring": "group_mean_accuracy",
        "allow_overlap": True,  # small images may be equal by chance
        "store": None if is_smoke else OUT.with_name(f"biasadv_{data}_{conflict:g}.sqlite"),
        "refit": False,
        "random_state": 0,
    }
    named = methods(data, first.data)
    spaces = search_spaces(data, first.data)
    n = 2 if is_smoke else 8
    result = compare(named, search_spaces=spaces, n_configurations=n, **given)
    chosen = result.configurations[result.configurations["selected"]].set_index("method")["params"]
    matched = {}
    for base in BASES:
        settings = {k.removeprefix("base__"): v for k, v in chosen[f"BiasAdv-{base}"].items()}
        kept = {key: value for key, value in settings.items() if key in spaces[base]}
        matched[base + MATCHED] = named[base].set_params(**kept)
    control = compare(matched, n_configurations=1, **given)
    for found in (result, control):
        print(f"== {data} {conflict:.0%}", found, "", sep="\n", flush=True)
    rows = [rows_of(found, data, test) for found in (result, control)]
    frame = pd.concat(rows, ignore_index=True)
    radii = frame["method"].map({name: own.get("epsilon") for name, own in chosen.items()})
    frame.insert(2, "radius", radii / mean_norm(first.data))
    frame.insert(0, "conflict", conflict)
    frame.insert(0, "data", data)
    return frame


def rows_of(result, data, test):
    """A row per method: what was selected, and the accuracies of each fit, in percent."""
    drawn = result.configurations.groupby("method")["score"]
    rows = []
    for method, fits in result.predictions_.items():
        facts = result.frame.loc[method]
        row = {"method": method, "configuration": facts["configuration"]}
        row |= {"validation": 100 * facts["validation_score"], "seconds": facts["seconds_per_fit"]}
        row["median"] = 100 * drawn.get_group(method).median() if method in drawn.groups else np.nan
        for i, predicted in enumerate(fits):
            for name, value in accuracies(data, test, predicted).items():
                row[f"{name}_{i}"] = 100 * value
        rows.append(row)
    return pd.DataFrame(rows)


def tables(frame):
    """Return the Markdown tables: accuracies, paired differences, settings."""
    of_method = table_head("data", "method", *(f"test {m}" for m in METRICS), "CPU s per fit")
    names = ("selected configuration", "its validation mean", "median configuration")
    settings = table_head("data", "method", *names)
    for _, row in frame[~frame["method"].str.endswith(MATCHED)].iterrows():
        head = f"| {row['data']} {row['conflict']:.0%} | {row['method']}"
        cells = [
            "{:.1f} ± {:.1f}".format(*interval(row.filter(like=metric + "_").dropna()))
            for metric in METRICS
        ]
        of_method.append(f"{head} | {' | '.join(cells)} | {row['seconds']:.1f} |")
        scores = f"{row['validation']:.1f} | {row['median']:.1f}"
        settings.append(f"{head} | {row['configuration']} | {scores} |")
    last = f"test mean, base with {MATCHED.removeprefix(', ')}"
    of_pair = table_head("data", "base", "test mean", "test conflicting", "seeds won", last)
    for pair in pairs(frame):
        won = f"{(pair.mean > 0).sum()} of {len(pair.mean)}"
        gains = (pair.mean, pair.conflicting, pair.matched)
        cells = [bold(*interval(values)) for values in gains]
        cells.insert(2, won)
        of_pair.append(f"| {pair.data} | {pair.base} | {' | '.join(cells)} |")
    return "\n".join([*of_method, "", *of_pair, "", *settings])


def pairs(frame):
    """Yield BiasAdv minus its base, in points, for each fresh seed."""
    for (data, conflict), rows in frame.groupby(["data", "conflict"], sort=False):
        rows = rows.set_index("method")
        for base in BASES:
            pair = Bunch(data=f"{data} {conflict:.0%}", base=base)
            for name, metric, other in (
                ("mean", "mean", base),
                ("conflicting", "conflicting", base),
                ("matched", "mean", base + MATCHED),
            ):
                fits = rows.filter(like=metric + "_")
                gains = fits.loc[f"BiasAdv-{base}"] - fits.loc[other]
                pair[name] = gains.dropna().to_numpy()
            yield pair


def figure(frame):
    """Draw the paired differences with their intervals."""
    import matplotlib.pyplot as plt

    drawn = list(pairs(frame))
    fig, axis = plt.subplots(figsize=(6.4, 0.5 + 0.27 * len(drawn)), layout="constrained")
    for i, pair in enumerate(drawn):
        mean, half = interval(pair.mean)
        colour = "#1b6ca8" if mean > half else "#b03a2e" if mean < -half else "#808080"
        axis.errorbar(mean, i, xerr=half, fmt="o", color=colour, capsize=3, ms=5)
    axis.set_yticks(range(len(drawn)), [f"{pair.data}: {pair.base}" for pair in drawn])
    axis.invert_yaxis()
    axis.axvline(0, color="black", lw=0.8)
    axis.set_xlabel(
        "BiasAdv minus its base, points of unbiased test accuracy\n(mean and 95 % interval over "
        "paired seeds)"
    )
    axis.spines[["top", "right"]].set_visible(False)
    fig.savefig(OUT.with_name("biasadv_gains.png"), dpi=110)


def main():
    """Run the sets, or print the tables and draw the figure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("sets", nargs="*", choices=[[], *NETWORKS])
    parser.add_argument("--conflict", type=float, nargs="+", choices=CONFLICTS, default=CONFLICTS)
    parser.add_argument("--smoke", action="store_true", help="two configurations and two seeds")
    parser.add_argument("--tables", action="store_true")
    given = parser.parse_args()
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    for data in given.sets:
        for conflict in given.conflict:
            frame = run(data, conflict, given.smoke)
            if given.smoke:
                print(tables(frame))
                continue
            old = pd.read_csv(OUT) if OUT.exists() else frame[:0]
            others = old[(old["data"] != data) | (old["conflict"] != conflict)]
            pd.concat([others, frame]).to_csv(OUT, index=False, float_format="%.5g")
    if given.tables:
        frame = pd.read_csv(OUT)
        print(tables(frame))
        figure(frame)


if __name__ == "__main__":
    main()
