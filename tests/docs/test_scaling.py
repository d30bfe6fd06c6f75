"""The page on growth: its table follows from its rates, and its script runs."""

import importlib
import re
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "scaling.md").read_text(encoding="utf-8")


@pytest.fixture
def scaling(monkeypatch):
    monkeypatch.syspath_prepend(DOCS / "reproduction")
    return importlib.import_module("scaling")


def rows(heading):
    """Rows of the table below a heading, as name and numbers."""
    section = PAGE.split(f"## {heading}")[1].split("\n## ")[0]
    cells = [line.strip("| ").split(" | ") for line in section.splitlines() if line[:1] == "|"]
    return {name: [float(cell.replace(",", "")) for cell in row] for name, *row in cells[2:]}


def test_the_table_follows_from_the_rates(scaling):
    measured = {
        re.sub(r" \(.*\)", "", name): 1e-6 * micro
        for name, (micro,) in rows("Measured rates").items()
    }
    expected = scaling.hours(measured)
    told = rows("10 million images, 1,000 candidates")
    assert list(told) == list(expected)
    for name, (core_hours, of_ten) in told.items():
        assert core_hours == pytest.approx(expected[name] / 3600, rel=0.005)
        assert of_ten == pytest.approx(expected[name] / 3600 / 160, rel=0.06)


@pytest.mark.slow
def test_rates_are_of_what_they_say(scaling, monkeypatch):
    monkeypatch.setattr(scaling, "ROUNDS", 1)
    assert scaling.cpu_seconds(lambda: sum(range(200_000)), 3) > 0
    written, read = scaling.per_cached_row(50)
    alone, together = scaling.per_head(60)
    assert written >= 0
    assert min(read, alone, together) > 0
