"""The reproduction ledger says what its pages say, and names commands that run."""

import argparse
import csv
import importlib
import re
import shlex
import sys
from collections import Counter
from datetime import date
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "docs" / "reproduction"
BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
COLUMNS = [
    "Claim", "Published", "Ours", "Verdict", "Paper", "Details", "Command", "Date", "Machine",
]  # fmt: skip
VERDICTS = {"reproduced", "partly", "not reproduced", "not applicable here"}
# Transcribed from the papers apart from the ledger: what none of our pages repeats.
PUBLISHED = {
    "ULE": {"89.0", "85.3"},
    "Meta-IADA": {"80.54", "89.44", "91.99", "87.65", "93.44", "90.35", "92.5", "91.2"},
    "DHAT": {
        "3.51", "7.92", "83.95", "82.94", "53.10", "52.17", "53.04", "83.97", "56.38",
    },
}  # fmt: skip
# A figure, with the interval that belongs to it; no part of a name such as PGD-20 or ResNet-32.
FIGURE = re.compile(r"(?<![\w.+-])[+-]?(?:\d+\.?\d*|\.\d+)(?: \[[^\]]+\]| ± [\d.]*\d)?")


def read_ledger():
    """Rows of the ledger."""
    with (FOLDER / "ledger.csv").open(newline="") as file:
        return list(csv.DictReader(file))


LEDGER = read_ledger()
EACH = pytest.mark.parametrize("row", LEDGER, ids=[f"row {i}" for i in range(2, len(LEDGER) + 2)])

GAINS = [  # rows that claim a difference, and have it
    row for row in LEDGER if row["Verdict"].startswith("reproduced") and "alike" not in row["Claim"]
]


def linked(row):
    """Files that the row's details link to."""
    return [(FOLDER / link).resolve() for link in re.findall(r"\]\(([^)]+)\)", row["Details"])]


def text_of(row):
    """What the linked files say, without line breaks and bold type."""
    text = " ".join(path.read_text() for path in linked(row))
    return " ".join(text.replace("**", "").split())


def command_of(row):
    """Script and arguments of the row's command."""
    python, script, *arguments = shlex.split(row["Command"].strip("`"))
    assert python == "python"
    return FOLDER / script, arguments


def states(text, figure):
    """Whether a text holds a figure, and not as a part of a longer one."""
    return re.search(rf"(?<![\w.+-]){re.escape(figure)}(?!\w|\.\d)", text) is not None


@pytest.fixture
def beside(monkeypatch):
    """Let the scripts import each other, and forget them afterwards."""
    monkeypatch.setattr(sys, "path", [str(FOLDER), *sys.path])
    before = set(sys.modules)
    yield
    for name in set(sys.modules) - before:
        file = str(getattr(sys.modules[name], "__file__", None))
        if any(folder.as_posix() in file for folder in (FOLDER, BENCHMARKS)):
            del sys.modules[name]


def test_columns():
    assert list(LEDGER[0]) == COLUMNS
    assert all(len(row) == len(COLUMNS) and None not in row.values() for row in LEDGER)


def test_claims_are_short_sentences_of_their_own():
    claims = [row["Claim"] for row in LEDGER]
    assert len(claims) == len(set(claims))
    for claim in claims:
        assert claim.endswith((".", "?"))
        assert len(claim) <= 100


@EACH
def test_figures_are_those_of_the_page(row):
    text = text_of(row)
    missing = [figure for figure in FIGURE.findall(row["Ours"]) if not states(text, figure)]
    assert not missing, f"{row['Claim']} {row['Details']} does not say {missing}"


@EACH
def test_published_figures_are_those_of_the_page_or_the_paper(row):
    text = text_of(row)
    known = PUBLISHED.get(row["Paper"].partition(",")[0], set())
    figures = FIGURE.findall(row["Published"])
    assert not [figure for figure in figures if figure not in known and not states(text, figure)]


def test_a_figure_is_not_found_within_another():
    assert states("gains +11.4 [+8.4, +14.4].", "+11.4 [+8.4, +14.4]")
    for figure in ("11.4", "1.4", "+11", "+11.4 [+8.4, +14.3]", "4"):
        assert not states("gains +11.4 [+8.4, +14.4].", figure)
    assert FIGURE.findall("PGD-20 -0.7 ± 2.5; .966, ResNet-18") == ["-0.7 ± 2.5", ".966"]


@EACH
def test_verdict_is_defined_on_the_page(row):
    verdict, _, scale = row["Verdict"].partition("; ")
    assert scale in ("", "scale differs")
    if row["Paper"] == "ours":
        assert row["Verdict"] == "ours"
        assert not row["Published"]
    else:
        assert verdict in VERDICTS
        assert row["Published"]


@pytest.mark.parametrize("row", GAINS, ids=[row["Claim"] for row in GAINS])
def test_what_is_reproduced_leaves_zero_out(row):
    for figure in FIGURE.findall(row["Ours"]):
        if "[" in figure:
            lower, upper = map(float, figure.partition("[")[2].strip("]").split(","))
            assert lower * upper > 0, figure
        elif "±" in figure and figure[0] in "+-":
            mean, half = map(float, figure.split(" ± "))
            assert abs(mean) > half, figure


@EACH
def test_command_is_accepted(row, beside, monkeypatch):
    script, arguments = command_of(row)
    monkeypatch.syspath_prepend(script.parent)
    source = script.read_text()
    if "ArgumentParser" not in source:  # it reads sys.argv by itself
        words = [word for word in arguments if not word.isdigit()]
        assert all(f'"{word}"' in source for word in words)
        assert not arguments or "sys.argv" in source
        return
    parse = argparse.ArgumentParser.parse_args

    def parse_only(self, args=None, namespace=None):
        parse(self, args, namespace)
        raise InterruptedError  # before anything is measured

    monkeypatch.setattr(argparse.ArgumentParser, "parse_args", parse_only)
    monkeypatch.setattr(sys, "argv", [script.name, *arguments])
    with pytest.raises(InterruptedError):
        importlib.import_module(script.stem).main()


@EACH
def test_date_is_that_of_the_page(row):
    day, _, source = row["Date"].partition(" ")
    date.fromisoformat(day)
    assert source in ("", "(git)")
    assert source or day in text_of(row)


@EACH
def test_machine_is_that_of_the_page(row):
    text = text_of(row)
    assert row["Machine"] == "not noted" or all(p in text for p in row["Machine"].split(", "))


def test_every_page_is_in_the_ledger_and_in_its_list():
    pages = {path for path in FOLDER.glob("*.md") if path.name != "index.md"}
    assert pages <= {path for row in LEDGER for path in linked(row)}
    listed = re.search(r"```\{toctree\}\n(.*?)```", (FOLDER / "index.md").read_text(), re.S)
    assert pages == {FOLDER / f"{name}.md" for name in listed[1].split() if name[0].isalpha()}


def test_every_script_is_in_the_ledger_or_named_as_a_helper():
    measured = {command_of(row)[0] for row in LEDGER}
    helpers = (FOLDER / "index.md").read_text().partition("## The scripts beside")[2]
    for script in FOLDER.glob("*.py"):
        assert (script in measured) != (f"`{script.name}`" in helpers), script.name


def test_the_page_counts_the_verdicts():
    count = Counter(row["Verdict"].partition(";")[0] for row in LEDGER)
    sentence = (
        f"Of {len(LEDGER) - count['ours']} claims {count['reproduced']} are reproduced, "
        f"{count['partly']} partly, {count['not reproduced']} not, "
        f"and {count['not applicable here']} could not be put to the test. "
        f"All but {sum(row['Verdict'] == 'reproduced' for row in LEDGER)} of them"
    )
    assert sentence in " ".join((FOLDER / "index.md").read_text().split())


def test_the_page_shows_the_ledger():
    page = (FOLDER / "index.md").read_text()
    assert "```{csv-table}\n:file: ledger.csv\n:header-rows: 1\n" in page
    for verdict in (*VERDICTS, "scale differs", "ours"):
        assert f"* *{verdict}*: " in page
