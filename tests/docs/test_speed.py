"""The table of what is fast: how it is measured, and the page that shows it."""

import importlib
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs/reproduction/speed.md"
FOLDER = ROOT / "tests/benchmarks"


@pytest.fixture
def table(monkeypatch):
    """The script, which is forgotten afterwards with what it imports from beside it."""
    monkeypatch.syspath_prepend(FOLDER)
    before = set(sys.modules)
    yield importlib.import_module("table")
    beside = {path.stem for path in FOLDER.glob("*.py")}
    for name in (set(sys.modules) - before) & beside:
        del sys.modules[name]


def fake(timing, monkeypatch, ours, reference, **options):
    """A case of functions that take these CPU seconds, one after the other; and the calls."""
    now = 0.0
    calls = []
    monkeypatch.setattr(timing, "cpu_seconds", lambda: now)

    def function(name, durations):
        durations = iter(durations)

        def run():
            nonlocal now
            calls.append(name)
            now += next(durations)

        return run

    pair = (function("ours", ours), function("reference", reference))
    return timing.Case("x", "ours", "theirs", 2, lambda quick: pair, rounds=3, **options), calls


def test_rounds_take_turns_after_a_warm_up(table, monkeypatch):
    timing = sys.modules["timing"]
    case, calls = fake(timing, monkeypatch, [50, 2, 6, 3], [90, 1, 2, 3])
    found = timing.measure(case)
    assert calls == ["reference", "ours"] * 4
    assert (found.middle, found.low, found.high, found.reference_seconds) == (2, 1, 3, 2)


def test_a_share_of_the_reference_stands_for_all(table, monkeypatch):
    timing = sys.modules["timing"]
    case, _ = fake(timing, monkeypatch, [50, 2, 6, 3], [90, 1, 2, 3], share=0.1)
    found = timing.measure(case)
    np.testing.assert_allclose((found.middle, found.reference_seconds), (0.2, 20))


MEASURE = """
import time
import numpy as np
from timing import extra_megabytes

def held():
    rows = np.ones(13_000_000)
    time.sleep(0.2)
    return len(rows)

print(extra_megabytes(held), extra_megabytes(lambda: None))
"""


def test_memory_is_that_of_the_call(table):
    """In a process of its own, whose allocator holds nothing back."""
    folder = Path(sys.modules["timing"].__file__).parent
    command = [sys.executable, "-c", MEASURE]
    said = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True).stdout
    held, idle = map(float, said.split())
    assert 90 < held < 130
    assert idle < 10


@pytest.mark.parametrize("rows", [["group-scores", "predict-1-"], ["closed-ERM"]])
def test_the_script_prints_rows_and_goes_on_where_it_stopped(table, tmp_path, capsys, rows):
    out = tmp_path / "x.csv"
    table.main(["--quick", "--out", str(out), *rows])
    first = capsys.readouterr()
    lines = [line for line in first.out.splitlines() if line.startswith("| ")]
    assert len(lines) == 1 + len(table.chosen(rows))
    assert "no figure means anything" in first.out
    table.main(["--quick", "--out", str(out), *rows])
    again = capsys.readouterr()
    assert not again.err
    assert lines == [line for line in again.out.splitlines() if line.startswith("| ")]


def test_an_unknown_row_is_named(table):
    with pytest.raises(SystemExit, match="No row begins with nothing. There are: predict-image-1"):
        table.main(["nothing"])


def test_a_row_says_what_is_reached(table):
    timing = sys.modules["timing"]
    case = timing.Case("x", "ours", "theirs", 1 / 3, lambda quick: None)
    found = {"middle": 0.25, "low": 0.2, "high": 0.3333, "reference_seconds": 123.4}
    assert table.line(case, found) == (
        "| ours | theirs | <= 0.333 | 0.25 | 0.2 to 0.333 | 123 s | yes |"
    )
    assert table.line(case, found | {"middle": 0.4}).endswith("| **no** |")


def test_the_page_shows_what_the_file_has(table, tmp_path):
    copy = tmp_path / "speed.md"
    copy.write_text(PAGE.read_text(encoding="utf-8"), encoding="utf-8")
    found = table.read(PAGE.with_suffix(".csv"))
    assert set(found) <= {case.name for case in table.CASES}
    table.write(copy, found)
    assert copy.read_text(encoding="utf-8") == PAGE.read_text(encoding="utf-8")


def test_a_page_counts_the_rows_and_names_those_that_were_not_measured(table, tmp_path):
    page = tmp_path / "x.md"
    page.write_text(f"above\n{table.BEGIN}\nold\n{table.END}\nbelow\n")
    case = table.CASES[0]
    found = {"middle": case.asked, "low": 0.1, "high": 9.0, "reference_seconds": 1.0}
    table.write(page, {case.name: found})
    lines = page.read_text().splitlines()
    assert lines[0] == "above"
    assert lines[2].startswith("1 of 1 rows reach what was asked; not measured: predict-image-33,")
    assert table.line(case, found) in lines
    assert lines[-2:] == [table.END, "below"]
    page.write_text("no table")
    with pytest.raises(SystemExit, match="has no line"):
        table.write(page, {})
