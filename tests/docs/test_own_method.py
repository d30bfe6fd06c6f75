"""docs/guide/own_method.md: its package and its test run as they stand, each in a folder."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "guide" / "own_method.md").read_text(encoding="utf-8")
NAMED = re.compile(
    r"`((?:outside|checks)/\w+\.py)`.*?^```python\n(.*?)^```$", re.DOTALL | re.MULTILINE
)
FILES = dict(NAMED.findall(PAGE))


def write(folder):
    for name, text in FILES.items():
        path = folder / name
        path.parent.mkdir()
        path.write_text(text, encoding="utf-8")


def test_the_page_has_a_package_and_a_test():
    assert sorted(FILES) == ["checks/test_cvar.py", "outside/cvar.py"]
    assert sum(len(text.splitlines()) for text in FILES.values()) <= 120


def test_the_package_fits(tmp_path, monkeypatch):
    write(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    from outside.cvar import CVaRClassifier

    X = [[0.0, 1.0], [1.0, 0.0]] * 8
    clf = CVaRClassifier(max_epochs=20, lr=0.1, random_state=0).fit(X, [0, 1] * 8)
    assert clf.score(X, [0, 1] * 8) == 1
    with pytest.raises(ValueError, match="'alpha' parameter of CVaRClassifier"):
        CVaRClassifier(alpha=0).fit(X, [0, 1] * 8)


@pytest.mark.slow
def test_the_tests_pass(tmp_path):
    write(tmp_path)
    paths = os.pathsep.join([str(tmp_path), str(ROOT)])
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "checks"]
    environment = {**os.environ, "PYTHONPATH": paths}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
    assert "3 passed" in done.stdout
