"""Tables and picture of what ule_heads.py has measured.

    python docs/reproduction/ule_heads_tables.py

Prints the tables of ule.md, and writes ule_heads_gains.png.
"""

import argparse
import itertools
import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from tables import bold, interval, read_rows, table_head
from ule_heads import DFR, OUT, PERCEPTRONS, SEARCH, SEARCH_SEEDS, ranked
from ule_heads_data import DATA
from ule_heads_training import CHECKPOINTS, readings, spoken

SHOWN = (  # the others are in the file
    "erm",
    "ule",
    "ule lam=1",
    "jtt",
    "lff",
    "afr",
    DFR,
    "erm monitored",
    "erm tuned monitored",
    "ule monitored",
    "ule candidate monitored",
    "ule no student monitored",
    "jtt monitored",
)


def values(rows, name, method, column):
    """{seed: percent} of the report."""
    found = [
        r for r in rows if (r["experiment"], r["data"], r["method"]) == ("report", name, method)
    ]
    return {r["seed"]: 100 * float(r[column]) for r in found}


def gains(rows, name, method, column="test_worst", base=None):
    """Method minus ERM, in points, for each seed; a monitored one minus a monitored ERM."""
    base = base or "erm" + " mlp" * ("mlp" in method) + " monitored" * ("monitored" in method)
    ours, theirs = (values(rows, name, m, column) for m in (method, base))
    return [ours[seed] - theirs[seed] for seed in ours if seed in theirs]


def compared(rows, names, methods):
    """Return ERM's worst accuracy and the others' differences, where any of the methods has run."""
    names = [n for n in names if len(values(rows, n, methods[0], "test_worst")) > 1]
    out = table_head("method", *names)
    for method in methods:
        cells = []
        for name in names:
            found, gained = (
                list(values(rows, name, method, "test_worst").values()),
                gains(rows, name, method),
            )
            if len(found) < 2:
                cells.append("")
            elif method.startswith("erm") and "tuned" not in method:
                cells.append("{:.1f} ± {:.1f}".format(*interval(found)))
            else:
                cells.append(f"{bold(*interval(gained))} {won(gained)}")
        out.append(f"| {method} | {' | '.join(cells)} |")
    return out


def tables(search_path, path):
    """Markdown tables: accuracies, what was selected, and the best draw of each reading."""
    rows, found = read_rows(path), read_rows(search_path)
    names = [n for n in DATA if any(r["data"] == n and r["experiment"] == "report" for r in rows)]
    out = [*compared(rows, names, SHOWN), "", *compared(rows, names, PERCEPTRONS)]
    out += ["", *table_head("data", "ERM", "JTT", "ULE, all readings")]
    for name in (n for n in DATA if any(r["data"] == n for r in found)):
        drawn = [
            r["method"] for r in found if r["data"] == name and r["seed"] == str(SEARCH_SEEDS[0])
        ]
        out.append(f"| {name} | {' | '.join(str(drawn.count(m)) for m in ('erm', 'jtt', 'ule'))} |")
    out += [
        "",
        *table_head("data", "method", "epochs", "selected", "its validation, three seeds"),
    ]
    for name, method in itertools.product(names, ("erm", "jtt", "ule")):
        best, epochs, text = ranked(found, name, method, SEARCH_SEEDS)[0]
        out.append(f"| {name} | {method} | {epochs} | {plain(text)} | {100 * best:.1f} |")
    out += [
        "",
        *table_head("reading", *(n for n in DATA if any(r["data"] == n for r in found))),
    ]
    best = best_of_readings(found)
    searched = [n for n in DATA if any(n == key[0] for key in best)]
    for reading in ("erm", "jtt", *map(spoken, readings())):
        cells = [f"{100 * best[n, reading]:.1f}" if (n, reading) in best else "" for n in searched]
        out.append(f"| {reading} | {' | '.join(cells)} |")
    return "\n".join(out)


def won(gained):
    """How often a method was ahead."""
    return f"({sum(g > 0 for g in gained)} of {len(gained)})"


def plain(text):
    """Parameters as a person writes them."""
    return (
        text.strip("{}")
        .replace('"', "")
        .replace("scale: -1.0", "scale: auto")
        .replace("scale: -2.0", "scale: ratio")
    )


def best_of_readings(found):
    """Best validation accuracy, on the first search seed, of ERM, JTT and each reading."""
    best = {}
    for row in found:
        if row["seed"] == str(SEARCH_SEEDS[0]):
            params = json.loads(row["params"])
            reading = spoken(params) if row["method"] == "ule" else row["method"]
            top = max(float(row[f"epoch_{e}"]) for e in CHECKPOINTS if row[f"epoch_{e}"])
            best[row["data"], reading] = max(top, best.get((row["data"], reading), 0))
    return best


def figures(path):
    """Write ule_heads_gains.png."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    rows = read_rows(path)
    names = [n for n in DATA if any(r["data"] == n and r["experiment"] == "report" for r in rows)]
    shown = {
        "ule": "C3",
        "ule monitored": "C1",
        "ule candidate monitored": "k",
        "ule no student monitored": "0.6",
        "jtt": "C0",
        "lff": "C2",
        "afr": "C4",
    }
    figure, axes = plt.subplots(figsize=(8, 0.8 + 1.1 * len(names)), layout="constrained")
    for i, name in enumerate(names):
        for j, (method, colour) in enumerate(shown.items()):
            gained = gains(rows, name, method)
            if len(gained) > 1:
                mean, half = interval(gained)
                height = -i - 0.12 * j
                axes.plot(gained, [height] * len(gained), ".", color=colour, alpha=0.4, ms=4)
                axes.errorbar(
                    mean, height, xerr=half, fmt="o", color=colour, ms=5, label="" if i else method
                )
    axes.axvline(0, color="0.5", lw=0.8)
    axes.set_yticks([-i - 0.3 for i in range(len(names))], names)
    axes.set_xlabel("worse of aligned and conflicting test accuracy, minus ERM (points)")
    axes.legend(frameon=False, loc="upper left", bbox_to_anchor=(1, 1))
    figure.savefig(Path(__file__).parent / "ule_heads_gains.png", dpi=110)


def main():
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--search-out", default=str(SEARCH))
    parser.add_argument("--out", default=str(OUT))
    args = parser.parse_args()
    print(tables(args.search_out, args.out))
    figures(args.out)


if __name__ == "__main__":
    main()
