"""Links of all pages, the README's too: the file is there, and so is the heading."""

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
OWN = f"{PROJECT['urls']['Homepage']}/blob/main/"
OWN_PICTURES = OWN.replace("github.com", "raw.githubusercontent.com").replace("/blob/", "/")
PAGES = [path.name for path in sorted(ROOT.glob("*.md"))] + [
    path.relative_to(ROOT).as_posix()
    for path in sorted(DOCS.rglob("*.md"))
    if "_build" not in path.parts
]
FENCED = re.compile(r"^ *(```|:::).*?^ *\1`*$", re.DOTALL | re.MULTILINE)


def prose(path):
    """The text of a page without its fenced blocks."""
    return FENCED.sub("", path.read_text(encoding="utf-8"))


def links(path):
    """The targets of a page's links and pictures; not those that stand in `code`."""
    return re.findall(r"\]\(([^()\s]+)\)", re.sub(r"`[^`\n]*`", "code", prose(path)))


def anchors(path):
    """The anchors of a page's headings, as GitHub and MyST make them."""
    found = []
    for heading in re.findall(r"^#{1,6} +(.*?)\s*$", prose(path), re.MULTILINE):
        words = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).lower()
        slug = re.sub(r"[^\w\- ]", "", words).replace(" ", "-")
        again = found.count(slug)
        found.append(f"{slug}-{again}" if again else slug)
    return found


def followed(path, name):
    """The file that a link of the page leads to; None where it is in nobody's hands here.

    Pages that are read elsewhere (on PyPI) name files of the repository by its address.
    """
    for own in (OWN, OWN_PICTURES):
        if name.startswith(own):
            return ROOT / name.removeprefix(own)
    if name.startswith("https://"):
        return None
    return path.parent / name if name else path


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page):
    path = ROOT / page
    for link in links(path):
        name, _, anchor = link.partition("#")
        target = followed(path, name)
        if target is None:
            continue
        assert target.exists(), link
        if anchor:
            assert anchor in anchors(target), link


@pytest.mark.parametrize("page", [page for page in PAGES if page.startswith("docs/")])
def test_pages_of_the_site_link_to_nothing_outside_of_it(page):
    path = ROOT / page
    for link in links(path):
        if not link.startswith(("https://", "#")):
            target = (path.parent / link.partition("#")[0]).resolve()
            assert target.is_relative_to(DOCS), f"write `{link}` as code, not as a link"


def test_links_of_the_readme_work_on_pypi():
    """The project's page there knows no file of ours."""
    targets = links(ROOT / "README.md")
    assert sum(target.startswith(OWN) for target in targets) > 10
    assert sum(target.startswith(OWN_PICTURES) for target in targets) == 1
    for target in targets:
        assert target.startswith((OWN, OWN_PICTURES)), target


def test_links_and_anchors_are_read(tmp_path):
    page = tmp_path / "page.md"
    page.write_text(
        "# A `name`, twice\n[x](a.md#b) `[y](no.md)` ![z](c.png)\n"
        "## A name twice\n```\n# no heading\n[w](no.md)\n```\n### Does it? [Yes](d.md)!\n",
        encoding="utf-8",
    )
    assert links(page) == ["a.md#b", "c.png", "d.md"]
    assert anchors(page) == ["a-name-twice", "a-name-twice-1", "does-it-yes"]
