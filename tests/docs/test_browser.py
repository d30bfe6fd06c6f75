"""The built site in a browser: `tox run -e docs-browser`, with Chromium on the path.

Pages fit their window, at desk and in the hand; the theme's contrast passes WCAG AA, by light and
by dark; the search opens by a key and finds.
"""

import functools
import os
import shutil
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

SITE = os.environ.get("SKLEARN_DEBIAS_SITE")
NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
CHROMIUM = next(filter(None, map(shutil.which, NAMES)), None)
ASKED = os.environ.get("SKLEARN_DEBIAS_BROWSER")
pytestmark = pytest.mark.skipif(not ASKED, reason="SKLEARN_DEBIAS_BROWSER is unset")
PAGES = [
    "index.html",
    "which_method.html",
    "glossary.html",
    "guide/index.html",
    "guide/bias_labels.html",
    "guide/comparison.html",
    "guide/corruptions.html",
    "methods/index.html",
    "methods/BiasAdvClassifier.html",
    "methods/InferredGroupsClassifier.html",
    "api/index.html",
    "api/generated/sklearn_debias.JTTClassifier.html",
    "gallery/index.html",
    "gallery/tour.html",
    "reproduction/index.html",
    "reproduction/defaults.html",
    "development.html",
]
SIZES = {"desk": (1280, 900), "hand": (390, 844)}


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *said):
        pass


@pytest.fixture(scope="module")
def address():
    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=SITE))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def browser():
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.fixture
def visit(browser, address):
    contexts = []

    def visit(page, size="desk", scheme="light"):
        width, height = SIZES[size]
        context = browser.new_context(
            viewport={"width": width, "height": height}, color_scheme=scheme
        )
        contexts.append(context)
        view = context.new_page()
        view.goto(f"{address}/{page}")
        return view

    yield visit
    for context in contexts:
        context.close()


def keep(view, name):
    """Save a picture of the page for whoever wants to look."""
    folder = Path(SITE).parent / "screenshots"
    folder.mkdir(exist_ok=True)
    view.screenshot(path=folder / f"{name.replace('/', '_')}.png", full_page=True)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("page", PAGES)
def test_a_page_fits_its_window(visit, page, size):
    view = visit(page, size)
    keep(view, f"{page.removesuffix('.html')}_{size}")
    wide = view.evaluate("document.documentElement.scrollWidth - window.innerWidth")
    assert wide <= 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("page", PAGES)
def test_contrast_passes_wcag_aa(visit, page, scheme):
    from axe_playwright_python.sync_playwright import Axe

    view = visit(page, scheme=scheme)
    keep(view, f"{page.removesuffix('.html')}_{scheme}")
    options = {"runOnly": {"type": "rule", "values": ["color-contrast"]}}
    found = Axe().run(view, options=options).response["violations"]
    assert [node["html"][:120] for rule in found for node in rule["nodes"]] == []


def test_the_search_opens_by_a_key_and_finds(visit):
    view = visit("index.html")
    view.keyboard.press("Control+k")
    view.keyboard.type("adjusted accuracy")
    view.keyboard.press("Enter")
    view.wait_for_selector("#search-results li a")
    texts = " ".join(view.locator("#search-results li a").all_inner_texts())
    assert "adjusted_accuracy_score" in texts
