"""Recipes of the guide: blocks under a heading, which run where their library is installed."""

import ast
import re
import sys
import tomllib
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]
# What a distribution calls itself where it is imported.
IMPORTED = {"imbalanced-learn": "imblearn", "mlflow-skinny": "mlflow"}
# What others deprecate is theirs; our own warnings stay errors.
QUIET = [
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::PendingDeprecationWarning"),
    pytest.mark.filterwarnings("ignore:.*is experimental"),
    pytest.mark.filterwarnings("ignore:.*loader strategy is deprecated"),
    pytest.mark.filterwarnings("ignore:.*type hint:UserWarning"),
]


def read(page):
    """Return the first program of a page, and the others by their headings."""
    text = (ROOT / "docs" / "guide" / f"{page}.md").read_text(encoding="utf-8")
    first, *sections = re.split(r"^## ", text, flags=re.MULTILINE)
    (setup,) = blocks(first)
    return setup, {section.partition("\n")[0]: blocks(section) for section in sections}


def run(page, name, folder, monkeypatch):
    """Return the names that a recipe leaves behind; what it writes is in the folder."""
    setup, by_name = read(page)
    (code,) = by_name[name]
    skip_without(code)
    monkeypatch.chdir(folder)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{folder}/mlflow.db")
    monkeypatch.setitem(sys.modules, "wandb", stand_in(folder))
    made = {}
    exec(compile(setup, f"{page}.md", "exec"), made)
    exec(compile(code, f"{page}.md, {name}", "exec"), made)
    return made


def check_form(page, names):
    """Check that each heading has one recipe of 12 lines or fewer, and is named here."""
    setup, by_name = read(page)
    assert list(by_name) == list(names)
    for code in [setup, *(code for (code,) in by_name.values())]:
        assert len([line for line in code.splitlines() if line.strip()]) <= 12


def cases(checks, slow):
    """Return the headings to run over, those of slow libraries with their mark."""
    return [
        pytest.param(name, marks=pytest.mark.slow if name.startswith(slow) else ())
        for name in checks
    ]


def blocks(text):
    return re.findall(r"^```python\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)


def optional():
    """The modules that the extras `compat` and `test` bring, and a user may not have."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    names = [re.match(r"[\w-]+", line)[0] for line in extras["compat"] + extras["test"]]
    return {IMPORTED.get(name, name.replace("-", "_")) for name in names}


def skip_without(code):
    """Skip where the code imports what no extra has installed; a misspelt name stays an error."""
    roots = set()
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Import):
            roots |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            roots.add(node.module.partition(".")[0])
            if node.module == "torch.utils.tensorboard":
                roots.add("tensorboard")
    missing = [root for root in roots & optional() - set(sys.modules) if find_spec(root) is None]
    if missing:
        pytest.skip(f"needs {', '.join(sorted(missing))}")


class Run:
    """As W&B's, which would ask for an account."""

    def __init__(self, folder):
        self.dir = folder
        self.rows = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def watch(self, module):
        self.watched = module

    def log(self, row):
        self.rows.append(row)


def stand_in(folder):
    """Return a module for wandb, whose own would ask for an account."""
    module = ModuleType("wandb")
    module.__spec__ = ModuleSpec("wandb", None)
    module.init = lambda project: Run(folder)
    return module
