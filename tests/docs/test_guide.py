"""The pages of the guide: each runs as one program, is short, and is listed."""

import re
from pathlib import Path

import pytest

GUIDE = Path(__file__).parents[2] / "docs" / "guide"
PAGES = sorted(page.stem for page in GUIDE.glob("*.md") if page.stem != "index")
# Its blocks are the files of a package and its tests, which test_own_method.py runs.
FILES = "own_method"
# Their blocks need libraries that not everybody has; tests/compatibility runs them, and
# tests/distributed those on several processes and machines.
RECIPES = (
    *("clusters", "other_libraries", "several_processes", "stored_embeddings", "text"),
    "trackers",
)
SLOW = ("attacks", "comparison", "corruptions", "embeddings", "explanations", "search")


def read(page):
    return (GUIDE / f"{page}.md").read_text(encoding="utf-8")


def program(page):
    """All Python blocks of a page, from top to bottom."""
    return "\n".join(re.findall(r"^```python\n(.*?)^```$", read(page), re.DOTALL | re.MULTILINE))


@pytest.mark.parametrize(
    "page",
    [
        pytest.param(page, marks=pytest.mark.slow if page in SLOW else ())
        for page in PAGES
        if page not in (FILES, *RECIPES) and program(page)
    ],
)
def test_page_runs(page, monkeypatch, tmp_path):
    mpl = pytest.importorskip("matplotlib")
    pyplot = pytest.importorskip("matplotlib.pyplot")
    monkeypatch.setenv("SKLEARN_DEBIAS_CACHE", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    with mpl.rc_context({"backend": "agg"}):
        exec(compile(program(page), f"{page}.md", "exec"), {})
        pyplot.close("all")


def test_most_pages_hold_a_program():
    without = [page for page in PAGES if not program(page)]
    assert without == ["choosing", "choosing_heads", "own_method_hooks"]


@pytest.mark.parametrize("page", ["index", *PAGES])
def test_page_is_short(page):
    assert len(read(page).splitlines()) <= 150


def test_every_page_is_listed_once_in_text_and_contents():
    text, contents = read("index").split("```{toctree}")
    linked = re.findall(r"\]\((\w+)\.md\)", text)
    listed = re.findall(r"^(\w+)$", contents, re.MULTILINE)
    assert sorted(linked) == sorted(listed) == PAGES
    assert linked == listed


def test_glossary_terms_are_unique():
    glossary = (GUIDE.parent / "glossary.md").read_text(encoding="utf-8")
    entries = re.findall(r"^```\{glossary\}\n(.*?)^```$", glossary, re.DOTALL | re.MULTILINE)
    terms = re.findall(r"^(\S.*)$", "\n".join(entries), re.MULTILINE)
    assert len(set(terms)) == len(terms) > 40
    assert {"group", "bias label", "worst group", "adjusted accuracy", "regret"} <= set(terms)
