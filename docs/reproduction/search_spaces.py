"""Are there settings that help in the search spaces? Defaults against the best of twelve draws.

    python docs/reproduction/search_spaces.py          # writes search_spaces.csv
    python docs/reproduction/search_spaces.py --table  # prints its table

Heads on standardised features of three sets that are biased at 5 % or so. A draw is chosen by the
worst group (BAR: conflicting rows) of unbiased validation rows, and judged on other unbiased rows.
Needs SKLEARN_DEBIAS_DATA for BAR. Rows that the file has are not computed again.
"""

import sys
import time
import warnings
from pathlib import Path

import pandas as pd
import torch
from sklearn.model_selection import ParameterSampler

from sklearn_debias import (
    AFRClassifier,
    DFRClassifier,
    ERMClassifier,
    GroupDROClassifier,
    JTTClassifier,
    LfFClassifier,
)

sys.path.insert(0, str(Path(__file__).parent))
from selection import measure, split

OUT = Path(__file__).with_suffix(".csv")
SETS = ("synthetic", "digits", "bar")
SEEDS = range(2)
N_DRAWS = 12
METHODS = {
    "ERM": ERMClassifier(),
    "JTT": JTTClassifier(),
    "LfF": LfFClassifier(),
    "AFR": AFRClassifier(),
    "GroupDRO, true groups": GroupDROClassifier(),
    "DFR, true groups": DFRClassifier(),
}


def fits(name, seed, method, clf):
    """The scores of the default, and of each draw, on validation and on test rows."""
    train, _, unbiased, final = split(name, seed)
    judge = measure(name, train)
    space = clf.search_space("embeddings", train.data)
    draws = [{}, *ParameterSampler(space, N_DRAWS, random_state=seed)]
    for number, draw in enumerate(draws):
        start = time.process_time()
        model = type(clf)(**draw, random_state=seed)
        model.fit(train.data, train.target, bias_labels=train.bias_labels)
        yield {
            "set": name,
            "seed": seed,
            "method": method,
            "draw": number - 1,
            "validation": judge(unbiased, model.predict(unbiased.data)),
            "test": judge(final, model.predict(final.data)),
            "seconds": time.process_time() - start,
        }


def run():
    """Fit what the file lacks."""
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    table = pd.read_csv(OUT) if OUT.exists() else pd.DataFrame(columns=["set", "seed", "method"])
    for seed in SEEDS:
        for name in SETS:
            for method, clf in METHODS.items():
                there = (table["set"] == name) & (table.seed == seed) & (table.method == method)
                if there.any():
                    continue
                new = pd.DataFrame(fits(name, seed, method, clf))
                table = pd.concat([table, new]) if len(table) else new
                table.round(4).to_csv(OUT, index=False)
                print(name, seed, method, f"{new.seconds.sum():.0f} CPU s", flush=True)


def tables():
    """Print the default, the chosen draw and the best draw of each method, means of the seeds."""
    table = pd.read_csv(OUT)
    drawn = table[table.draw >= 0]
    keys = ["method", "set", "seed"]
    by = drawn.groupby(keys, sort=False)
    found = pd.DataFrame(
        {
            "default": table[table.draw < 0].set_index(keys).test,
            "chosen": by.apply(lambda rows: rows.loc[rows.validation.idxmax(), "test"]),
            "best": by.test.max(),
        }
    )
    means = found.groupby(level=["method", "set"], sort=False).mean().unstack().swaplevel(axis=1)
    print(means[list(SETS)].round(3).to_string())


if __name__ == "__main__":
    tables() if "--table" in sys.argv else run()
