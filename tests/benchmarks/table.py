"""Print what is fast and what is not, as a table in Markdown.

    python tests/benchmarks/table.py                  # all rows, some 20 CPU minutes
    python tests/benchmarks/table.py lbfgs predict    # rows whose name begins so
    python tests/benchmarks/table.py --quick          # toy sizes: no figure means anything
    python tests/benchmarks/table.py --out speed.csv --page speed.md

Each row times ours and a reference in turns and in one process, and shows the median of the
ratios, the smallest and the largest. All times are CPU seconds on one thread, images included: on
a machine that others use, too, the clock on the wall tells their load. With `--out FILE` rows are
added to a CSV file as they are measured; rows that it has are not measured again. With `--page`
the table of a page is replaced by all rows that the file has.
"""

import argparse
import csv
import math
import os
import platform
import sys
import time
import warnings
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import sklearn
import torch

sys.path.insert(0, str(Path(__file__).parent))
import cases_heads
import cases_predictions
import cases_rest
import cases_searches
from timing import measure

CASES = [*cases_predictions.CASES, *cases_heads.CASES, *cases_searches.CASES, *cases_rest.CASES]
BEGIN, END = "<!-- table: begin -->", "<!-- table: end -->"  # on a page
HEAD = ("what", "against", "asked", "median ratio", "smallest to largest", "reference", "reached")


def figure(value):
    """Return a number with three digits, or two behind the point."""
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"


def line(case, found):
    """Return a row of the table; `found` is a mapping of a timing's fields to numbers."""
    unit = "" if case.unit == "ratio" else f" {case.unit}"
    reference = found["reference_seconds"]
    if case.unit != "ratio" or math.isnan(reference):
        of_reference = "-"
    else:
        of_reference = f"{figure(reference)} s"
    cells = (
        case.what,
        case.against,
        f"<= {figure(case.asked)}{unit}",
        f"{figure(found['middle'])}{unit}",
        f"{figure(found['low'])} to {figure(found['high'])}",
        of_reference,
        "yes" if found["middle"] <= case.asked else "**no**",
    )
    return f"| {' | '.join(cells)} |"


def table(cases, found):
    """Return the lines of a table of those cases that were measured."""
    head = [f"| {' | '.join(HEAD)} |", "|---" * len(HEAD) + "|"]
    return head + [line(case, found[case.name]) for case in cases if case.name in found]


def counted(cases, found):
    """Return how many rows reach what was asked, as a sentence."""
    known = [case for case in cases if case.name in found]
    reached = sum(found[case.name]["middle"] <= case.asked for case in known)
    words = f"{reached} of {len(known)} rows reach what was asked"
    missing = [case.name for case in cases if case.name not in found]
    return f"{words}; not measured: {', '.join(missing)}." if missing else f"{words}."


def write(path, found):
    """Replace the table of a page."""
    before, _, rest = path.read_text(encoding="utf-8").partition(BEGIN)
    _, end, after = rest.partition(END)
    if not end:
        raise SystemExit(f"{path} has no line {BEGIN} with a line {END} below it.")
    text = "\n".join([counted(CASES, found), "", *table(CASES, found)])
    path.write_text(f"{before}{BEGIN}\n{text}\n{end}{after}", encoding="utf-8")


def processor():
    """Return the name of the processor, its cores and threads per core."""
    told = Path("/proc/cpuinfo")
    lines = told.read_text().splitlines() if told.exists() else []
    named = {key.strip(): value.strip() for key, _, value in (one.partition(":") for one in lines)}
    cores = sum(one.startswith("processor") for one in lines)
    return f"{named.get('model name', platform.processor())}, {cores} processors"


def machine():
    """Return date, hardware and versions, in a line."""
    versions = ", ".join(
        f"{module.__name__} {module.__version__}" for module in (torch, np, sklearn)
    )
    python = f"Python {platform.python_version()}"
    return f"{datetime.now(UTC):%Y-%m-%d}; {processor()}, one thread; {python}, {versions}"


def read(path):
    """Return what was measured before, by the name of the row."""
    if path is None or not path.exists():
        return {}
    with path.open(newline="") as file:
        return {
            row["name"]: {key: float(row[key]) for key in ("middle", "low", "high")}
            | {"reference_seconds": float(row["reference_seconds"])}
            for row in csv.DictReader(file)
        }


def add(path, name, found):
    """Add a row to the file."""
    new = not path.exists()
    row = {"name": name, **found, "load": round(os.getloadavg()[0], 1), "machine": machine()}
    with path.open("a", newline="") as file:
        writer = csv.DictWriter(file, row)
        if new:
            writer.writeheader()
        writer.writerow(row)


def chosen(names):
    """Return the cases whose name begins with one of these; all for none."""
    found = [case for case in CASES if not names or case.name.startswith(tuple(names))]
    if not found:
        known = ", ".join(case.name for case in CASES)
        raise SystemExit(f"No row begins with {', '.join(names)}. There are: {known}.")
    return found


def measured(case, quick):
    """Measure a row on one thread, and say so."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    start = time.monotonic()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # noise teaches nothing
            found = asdict(measure(case, quick=quick))
    finally:
        torch.set_num_threads(before)
    spent = time.monotonic() - start
    print(f"{case.name}: {spent:.0f} s, {found}", file=sys.stderr, flush=True)
    return found


def main(arguments=None):
    """Measure the rows and print their table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("rows", nargs="*", help="beginnings of the names of rows; none for all")
    parser.add_argument("--quick", action="store_true", help="toy sizes, one round")
    parser.add_argument("--out", type=Path, help="a CSV file of what is measured")
    parser.add_argument("--page", type=Path, help="a page whose table is replaced")
    options = parser.parse_args(arguments)
    cases = chosen(options.rows)
    found = read(options.out)
    for case in cases:
        if case.name not in found:
            found[case.name] = measured(case, options.quick)
            if options.out is not None:
                add(options.out, case.name, found[case.name])
    if options.quick:
        print("Toy sizes: no figure means anything.\n")
    print("\n".join(table(cases, found)))
    print(f"\n{machine()}; load {os.getloadavg()[0]:.1f}")
    if options.page is not None:
        write(options.page, found)


if __name__ == "__main__":
    main()
