"""Do the intervals of a comparison hold what they promise? A simulation whose truth is known.

    python docs/reproduction/coverage.py    # about 10 minutes on one busy core
    python docs/reproduction/coverage.py --tables

Five methods are fitted with five seeds each, and judged on the same test rows. A row is right where
a sum of four parts is above 0: the group's mean, the row's own difficulty, which all fits share,
what a seed does to the group, and what it does to the row. The truth is the mean over all seeds of
the worst group's accuracy in the population. Writes coverage.csv, a row per setting.
"""

import sys
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.stats import norm

from sklearn_debias.metrics.internal import cross, find_groups

OUT = Path(__file__).with_suffix(".csv")
REPETITIONS, RESAMPLES, SEEDS, METHODS = 500, 1000, 5, 5
DIFFICULTY, OF_ROW = 1.0, 0.5  # standard deviations
SIZES = {
    "4 x 50": [50] * 4,
    "4 x 200": [200] * 4,
    "500, 500, 100, 30": [500, 500, 100, 30],
    "10 x 50": [50] * 10,
}
OF_SEED = (0.0, 0.2, 0.5)
SHAPES = ("one clear worst group", "all groups equal")


def truth(mean, of_seed, rng, draws=400_000):
    """Mean over seeds of the accuracy of the worst group."""
    seen = mean + rng.normal(0, of_seed, (draws, len(mean)))
    return norm.cdf(seen / np.hypot(DIFFICULTY, OF_ROW)).min(1).mean()


def fits(mean, group, difficulty, of_seed, rng):
    """Which rows each seed has right, (seeds, n)."""
    shift = rng.normal(0, of_seed, (SEEDS, len(mean)))
    noise = rng.normal(0, OF_ROW, (SEEDS, len(group)))
    return mean[group] + difficulty + shift[:, group] + noise > 0


def covered(sizes, of_seed, shape, rng):
    """Shares of repetitions in which each kind of interval holds the truth."""
    mean = np.full(len(sizes), 0.8)
    if shape == SHAPES[0]:
        mean[-1] = -0.2
    real = truth(mean, of_seed, rng)
    group = np.repeat(np.arange(len(sizes)), sizes)
    every = np.ones(len(group), dtype=bool)
    groups = find_groups((group, np.arange(len(sizes))), keep=every)
    hits = []
    for _ in range(REPETITIONS):
        difficulty = rng.normal(0, DIFFICULTY, len(group))
        right = [fits(mean, group, difficulty, of_seed, rng) for _ in range(METHODS)]
        found = cross(groups, right, {"worst": None}, n_resamples=RESAMPLES, rng=rng)["worst"]
        low, high = found.intervals(0.95)
        pair = found.mirrored[:, 1] - found.mirrored[:, 0]
        below, above = np.quantile(pair, [0.025, 0.975])
        joint = found.against(0, 0.95)
        tail = np.quantile(found.replicates[:, 0], [0.025, 0.975])
        hits.append(
            {
                "mean": low[0] <= real <= high[0],
                "percentiles": tail[0] <= real <= tail[1],
                "paired": below <= 0 <= above,
                "simultaneous": bool(np.all((joint.lower <= 0) & (joint.upper >= 0))),
                "width": high[0] - low[0],
            }
        )
    return pd.DataFrame(hits).mean().to_dict()


def main():
    """Run all settings, or print the table."""
    if "--tables" not in sys.argv:
        rows = []
        for name, sizes in SIZES.items():
            for shape in SHAPES:
                for of_seed in OF_SEED:
                    rng = np.random.default_rng([len(rows), 7])
                    row = covered(sizes, of_seed, shape, rng)
                    rows.append({"groups": name, "shape": shape, "spread of seeds": of_seed, **row})
                    print(rows[-1], flush=True)
        pd.DataFrame(rows).to_csv(OUT, index=False, float_format="%.4g")
    print(pd.read_csv(OUT).round(3).to_string(index=False))


if __name__ == "__main__":
    main()
