"""The built site: `tox run -e docs` builds it, and runs this file with its folder."""

import inspect
import os
import re
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

SITE = os.environ.get("SKLEARN_DEBIAS_SITE")
pytestmark = pytest.mark.skipif(not SITE, reason="SKLEARN_DEBIAS_SITE is unset")
QUESTIONS = Path(__file__).parent / "questions.yaml"
# What a browser loads by itself, as opposed to what a reader may follow.
LOADED = {"script": "src", "img": "src", "iframe": "src", "source": "src", "video": "src"}
LOADED_BY_LINK = {"stylesheet", "preload", "icon", "modulepreload", "preconnect", "prefetch"}
MOST_CLICKS = 3
# Whether the parameter epsilon is a radius.
RADII = {"BiasAdvClassifier": True, "DHATClassifier": True, "MetaIADAClassifier": False}


class Page(HTMLParser):
    """What a page loads and links to, its anchors and its text."""

    def __init__(self, path):
        super().__init__()
        self.path = path
        self.loads, self.links, self.anchors, self.images = [], [], set(), []
        self.text, self._open = [], []
        self.feed(text_of(path))

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        self.anchors.add(attrs.get("id"))
        if tag in LOADED and attrs.get(LOADED[tag]):
            self.loads.append(attrs[LOADED[tag]])
        if tag == "link" and set(attrs.get("rel", "").split()) & LOADED_BY_LINK:
            self.loads.append(attrs["href"])
        if tag == "img":
            self.images.append(attrs)
        if tag == "a" and "href" in attrs:
            self._open.append([attrs["href"], []])

    def handle_endtag(self, tag):
        if tag == "a" and self._open:
            href, words = self._open.pop()
            self.links.append((" ".join("".join(words).split()), href))

    def handle_data(self, data):
        self.text.append(data)
        for _, words in self._open:
            words.append(data)

    def target(self, href):
        """Return the file that a local link leads to, and the anchor in it."""
        parts = urlsplit(href)
        path = (self.path.parent / unquote(parts.path)).resolve() if parts.path else self.path
        return path, unquote(parts.fragment)


def pages():
    return sorted(Path(SITE).rglob("*.html")) if SITE else []


@cache
def read(path):
    return Page(path)


def text_of(path):
    return path.read_text(encoding="utf-8")


def source(name):
    """The source of a method's page in the reference."""
    return text_of(Path(SITE) / "api" / "generated" / f"sklearn_debias.{name}.html")


def is_local(href):
    return not urlsplit(href).scheme and not href.startswith("//")


def test_the_site_is_built_with_everything():
    names = {str(path.relative_to(SITE)) for path in pages()}
    assert {"index.html", "glossary.html", "guide/index.html", "gallery/index.html"} <= names
    assert len(names) > 300


def test_nothing_is_loaded_from_elsewhere():
    found = {(p.name, href) for p in pages() for href in read(p).loads if not is_local(href)}
    assert not {pair for pair in found if not pair[1].startswith("data:")}


def test_local_links_lead_to_a_page_and_to_an_anchor_in_it():
    lost = []
    for path in pages():
        page = read(path)
        for _, href in page.links:
            if not is_local(href):
                continue
            target, anchor = page.target(href)
            exists = target.exists()
            if exists and anchor and target.suffix == ".html":
                exists = anchor in read(target).anchors
            if not exists:
                lost.append((str(path.relative_to(SITE)), href))
    assert lost == []


def test_images_say_what_they_show():
    # Empty is for thumbnails, beside which stands what they lead to.
    silent = [(p.name, a["src"]) for p in pages() for a in read(p).images if "alt" not in a]
    assert silent == []


def test_each_method_has_a_page_with_its_parts():
    import sklearn_debias
    from sklearn_debias.estimators import BaseDebiasClassifier

    shared = inspect.signature(BaseDebiasClassifier).parameters.keys()
    for name in set(sklearn_debias.__all__) - {"__version__"}:
        cls = getattr(sklearn_debias, name)
        text = " ".join(read(Path(SITE) / "methods" / f"{name}.html").text)
        own = inspect.signature(cls).parameters.keys() - shared
        assert ("Settings that matter" in text) == bool(own), name
        assert ("BibTeX" in text) == ("References\n" in cls.__doc__), name


def test_parameters_lead_to_the_glossary():
    found = {name: "Glossary: radius" in source(name) for name in RADII}
    assert found == RADII
    assert "Glossary: bias label" in source("GroupDROClassifier")


def test_no_bare_word_leads_to_a_member_of_some_class():
    pages = [Path(SITE) / "glossary.html", *(Path(SITE) / "guide").glob("*.html")]
    wrong = re.compile(r'href="[^"]*#[^"]*Classifier\.(?:fit|predict|score|search_space)"')
    assert {path.name: found for path in pages if (found := wrong.findall(text_of(path)))} == {}


def questions():
    yaml = pytest.importorskip("yaml") if SITE else None
    return yaml.safe_load(QUESTIONS.read_text(encoding="utf-8")) if yaml else []


def test_there_are_twenty_questions():
    assert len({question["asks"] for question in questions()}) >= 20


@pytest.mark.parametrize("question", questions(), ids=lambda question: question["asks"])
def test_a_reader_finds_the_answer(question):
    assert 1 <= len(question["clicks"]) <= MOST_CLICKS
    page = read(Path(SITE).resolve() / "index.html")
    for words in question["clicks"]:
        leads = [href for text, href in page.links if text == words and is_local(href)]
        assert leads, f"{page.path.name} has no link {words!r}"
        page = read(page.target(leads[0])[0])
    text = " ".join(" ".join(page.text).split())
    missing = [word for word in question["finds"] if " ".join(word.split()) not in text]
    assert not missing, f"{page.path.name} does not say {missing}"
