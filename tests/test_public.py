"""What a stranger meets first: the README, the commands, the names, the cost of an import."""

import importlib
import inspect
import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
PACKAGES = [
    "sklearn_debias",
    *(
        f"sklearn_debias.{path.parent.name}"
        for path in sorted((ROOT / "sklearn_debias").glob("*/__init__.py"))
    ),
    "sklearn_debias.exceptions",
]


def blocks(text, language):
    """Fenced blocks of a Markdown text that are in `language`."""
    fenced = re.findall(r"^```(\w*)\n(.*?)^```$", text, flags=re.DOTALL | re.MULTILINE)
    return [block for name, block in fenced if name == language]


@pytest.mark.parametrize(
    "entry",
    [
        "pyproject.toml",
        "tox.ini",
        "README.md",
        "CHANGELOG.md",
        "CONTRIBUTING.md",
        "LICENSE",
        ".ci/run",
        "docs",
    ],
)
def test_top_level_entry_exists(entry):
    assert (ROOT / entry).exists()


def test_readme_has_the_two_commands_and_ci_runs_the_second():
    install_and_run, install_and_test = blocks(README, "")
    assert install_and_run.strip().endswith("examples/quickstart.py")
    assert install_and_test.strip().endswith("pytest -n 2 --dist worksteal")
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert script.endswith(install_and_test)
    assert "set -euo pipefail" in script


def test_readme_example_is_short_and_runs(capsys):
    (example,) = blocks(README, "python")
    assert len(example.strip().splitlines()) <= 12
    exec(compile(example, "README.md", "exec"), {})
    assert "worst group" in capsys.readouterr().out


@pytest.mark.parametrize("package", PACKAGES)
def test_public_names_exist_and_are_documented(package):
    module = importlib.import_module(package)
    assert module.__doc__
    assert len(set(module.__all__)) == len(module.__all__) > 0
    for name in set(module.__all__) - {"__version__"}:
        thing = getattr(module, name)
        if inspect.isclass(thing) or inspect.isroutine(thing):
            generated = (thing.__doc__ or f"{name}(").startswith(
                f"{name}("
            )  # what a dataclass makes up
            assert not generated, f"{package}.{name}"


def test_readme_names_every_estimator():
    """Each once, in a row of its own, and nothing else."""
    import sklearn_debias

    rows = re.findall(r"^\| `(\w+)` \|", README, flags=re.MULTILINE)
    assert sorted(rows) == sorted(set(sklearn_debias.__all__) - {"__version__"})
