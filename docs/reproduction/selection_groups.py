"""Why a rule of selection.py fails: which held-out rows the inferrers take for the minority.

    python docs/reproduction/selection_groups.py
    python docs/reproduction/selection_groups.py --tables

The first line writes selection_groups.csv, a row per data set, seed and method, beside this file;
the second prints the table of selection.md from it.
"""

import argparse
import sys
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from sklearn_debias.group_inference import GroupInferrer
from sklearn_debias.metrics import aligned_map

sys.path.insert(0, str(Path(__file__).parent))
from selection import METHODS, SEEDS, split
from tables import table_head
from without_labels_data import BIASED

OUT = Path(__file__).with_suffix(".csv")


def found(name, seed):
    """A row for each method: how well its minority agrees with the conflicting rows."""
    train, held_out, _, _ = split(name, seed)
    aligned = aligned_map(train.target, train.bias_labels)
    pairs = zip(held_out.target.tolist(), np.asarray(held_out.bias_labels).tolist(), strict=True)
    conflicting = np.array([aligned[label] != value for label, value in pairs])
    for method in METHODS:
        inferrer = GroupInferrer(method, random_state=seed).fit(train.data, train.target)
        minority = inferrer.predict(held_out.data, held_out.target) != 0
        both = (minority & conflicting).sum()
        by_class = np.unique(held_out.target[minority], return_counts=True)[1]
        yield {
            "set": name,
            "seed": seed,
            "method": method,
            "rows": len(minority),
            "minority": minority.sum(),
            "conflicting": conflicting.sum(),
            "precision": both / max(minority.sum(), 1),
            "recall": both / conflicting.sum(),
            "of one class": by_class.max(initial=0) / max(minority.sum(), 1),
        }


def table(rows):
    """Markdown table of means over seeds."""
    columns = ("rows", "conflicting", *METHODS)
    lines = table_head("data", *columns)
    means = rows.drop(columns="seed").groupby(["set", "method"], sort=False).mean()
    for name in rows["set"].unique():
        first = means.loc[name].iloc[0]
        cells = [f"{first['rows']:.0f}", f"{first['conflicting']:.0f}"]
        for method in METHODS:
            row = means.loc[(name, method)]
            cells.append(
                f"{row['minority']:.0f}: {100 * row['precision']:.0f} / {100 * row['recall']:.0f}"
                f" / {100 * row['of one class']:.0f}"
            )
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main():
    """Infer and save, or print the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--tables", action="store_true")
    if parser.parse_args().tables:
        print(table(pd.read_csv(OUT)))
        return
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    rows = pd.DataFrame(row for name in BIASED for seed in SEEDS for row in found(name, seed))
    rows.round(4).to_csv(OUT, index=False)


if __name__ == "__main__":
    main()
