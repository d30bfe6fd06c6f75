"""The methods, from where they are told once: the tables of the README."""

import re
from pathlib import Path

import sklearn_debias

ROOT = Path(__file__).parents[2]
METHODS = {
    name: getattr(sklearn_debias, name)
    for name in sorted(sklearn_debias.__all__, key=str.lower)
    if name != "__version__"
}
NO_LABELS = "Against a shortcut, without bias labels"
LABELS = "Against a shortcut, with bias labels"
# What the README's tables are about, in their order; the first is cut in two by its third column.
TABLES = (None, "Rare classes, wrong labels", "Against an attacker")
OTHERS = "Other methods"


def rows():
    """Yield (table, name, other cells) for each method in the README's tables."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    table = -1
    for line in text.splitlines():
        if line.startswith("| estimator"):
            table += 1
        found = re.match(r"\| `(\w+)` \| (.+) \|$", line)
        if found:
            yield table, found[1], found[2].split(" | ")


def groups_of_methods():
    """Return names by what a method is for and which labels it needs; none is left out."""
    groups = {title: [] for title in (NO_LABELS, LABELS, *TABLES[1:], OTHERS)}
    for table, name, cells in rows():
        title = TABLES[table] if table < len(TABLES) else OTHERS
        title = title or (NO_LABELS if cells[1].startswith("no") else LABELS)
        groups[title].append(name)
    listed = {name for names in groups.values() for name in names}
    groups[OTHERS] += [name for name in METHODS if name not in listed]
    return {title: names for title, names in groups.items() if names}
