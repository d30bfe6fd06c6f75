"""What an import loads: what is asked for, where it is asked for."""

import ast
import importlib
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

import sklearn_debias

PACKAGE = Path(sklearn_debias.__file__).parent
LAZY = [
    "sklearn_debias",
    "sklearn_debias.datasets",
    "sklearn_debias.estimators",
    "sklearn_debias.objectives",
]


ROOMS = ["metrics.group_report", "datasets.read_features", "rows", "exceptions"]
# One after the other in one process: what one of them loads, the later ones have, too.
CODES = {
    "what needs no torch": "import sklearn_debias"
    + "".join(f"; sklearn_debias.{room}" for room in ROOMS),
    "one method": "from sklearn_debias import ERMClassifier",
    "all methods": "from sklearn_debias import *",
}


@cache
def loaded():
    """Names of the modules that a fresh process has after each of `CODES`."""
    steps = [f"{code}\nprint(*sys.modules)" for code in CODES.values()]
    found = subprocess.run(
        [sys.executable, "-c", "\n".join(["import sys", *steps])],
        capture_output=True,
        text=True,
        check=True,
        cwd=PACKAGE.parent,
    )
    lines = [set(line.split()) for line in found.stdout.splitlines()]
    return dict(zip(CODES, lines, strict=True))


def test_what_needs_no_torch_loads_none():
    """Rooms are found as attributes, too."""
    modules = loaded()["what needs no torch"]
    assert "sklearn_debias.metrics._groups" in modules
    assert not {"torch", "torchvision", "skorch"} & modules


def test_one_method_loads_no_other():
    modules = loaded()["one method"]
    files = {name for name in modules if name.startswith("sklearn_debias.estimators.")}
    assert files == {"sklearn_debias.estimators._base", "sklearn_debias.estimators._erm"}
    assert "sklearn.linear_model" not in modules


def test_what_is_no_name_is_no_attribute():
    assert not hasattr(sklearn_debias, "estimators._erm")
    assert not hasattr(sklearn_debias, "a.b")


@pytest.mark.slow
def test_all_methods_load_no_optional_package_and_no_clustering():
    """Clustering takes as long as half of this package, and one method of inference needs it."""
    modules = loaded()["all methods"]
    assert "sklearn_debias.group_inference._inferrer" in modules
    roots = {name.partition(".")[0] for name in modules}
    assert not {"torchvision", "matplotlib", "captum", "timm", "PIL"} & roots
    assert "sklearn.cluster" not in modules


@pytest.mark.parametrize("package", LAZY)
def test_each_name_comes_from_where_type_checkers_see_it(package):
    module = importlib.import_module(package)
    seen = {}
    for node in ast.walk(ast.parse(Path(module.__file__).read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.col_offset:
            seen |= {alias.name: node.module for alias in node.names}
    assert set(seen) == set(module.__all__) - {"__version__"}
    assert seen == {name: module._PLACES[name] for name in seen}


@pytest.mark.parametrize("package", LAZY)
def test_dir_lists_what_is_not_yet_loaded(package):
    module = importlib.import_module(package)
    assert set(module.__all__) <= set(dir(module))
    rooms = {path.parent.name for path in Path(module.__file__).parent.glob("[a-z]*/__init__.py")}
    assert rooms <= set(dir(module))


@pytest.mark.parametrize("package", LAZY)
@pytest.mark.parametrize("name", ["Nothing", "_nothing"])
def test_other_names_are_attribute_errors(package, name):
    module = importlib.import_module(package)
    with pytest.raises(AttributeError, match=f"module '{package}' has no attribute '{name}'"):
        getattr(module, name)
