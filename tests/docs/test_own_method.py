"""docs/guide/own_method.md: its package and its tests run as they stand, each in a folder."""

import importlib
import re
import sys
from pathlib import Path

import pytest

try:
    from joblib.externals import cloudpickle  # older ones bring their own
except ImportError:
    import cloudpickle

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "guide" / "own_method.md").read_text(encoding="utf-8")
NAMED = re.compile(
    r"`((?:outside|checks)/\w+\.py)`.*?^```python\n(.*?)^```$", re.DOTALL | re.MULTILINE
)
FILES = dict(NAMED.findall(PAGE))


@pytest.fixture
def package(tmp_path, monkeypatch):
    """Write the files of the page; return their folder, from which they can be imported."""
    for name, text in FILES.items():
        path = tmp_path / name
        path.parent.mkdir()
        path.write_text(text, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    yield tmp_path
    for name in ("outside", "outside.cvar", "test_cvar"):
        sys.modules.pop(name, None)


def test_the_page_has_a_package_and_a_test():
    assert sorted(FILES) == ["checks/test_cvar.py", "outside/cvar.py"]
    assert sum(len(text.splitlines()) for text in FILES.values()) <= 120


@pytest.mark.usefixtures("package")
def test_the_package_fits():
    from outside.cvar import CVaRClassifier

    X = [[0.0, 1.0], [1.0, 0.0]] * 8
    clf = CVaRClassifier(max_epochs=20, lr=0.1, random_state=0).fit(X, [0, 1] * 8)
    assert clf.score(X, [0, 1] * 8) == 1
    with pytest.raises(ValueError, match="'alpha' parameter of CVaRClassifier"):
        CVaRClassifier(alpha=0).fit(X, [0, 1] * 8)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # a user's pytest is not as strict as ours
def test_the_tests_pass(package, monkeypatch):
    monkeypatch.syspath_prepend(package / "checks")
    tests = vars(importlib.import_module("test_cvar"))
    # joblib's processes may have started before this folder was there to import from.
    by_value = sys.modules["outside.cvar"]
    cloudpickle.register_pickle_by_value(by_value)
    found = [test for name, test in tests.items() if name.startswith("test_")]
    assert len(found) == 3
    try:
        for test in found:
            test()
    finally:
        cloudpickle.unregister_pickle_by_value(by_value)
