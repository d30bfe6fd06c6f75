"""The house: rooms are entered by their face, and a stranger finds any paper by its file name."""

import ast
from collections import defaultdict
from pathlib import Path

import sklearn_debias
from sklearn_debias import estimators

PACKAGE = Path(sklearn_debias.__file__).parent
FACES = {"internal"}  # modules beside a room's __init__ that other rooms may import from
WINGS = {("model_selection", "batched")}


def room_of(parts):
    """Room of a module, given by its parts below the package; a wing is a room of its own."""
    return parts[:2] if tuple(parts[:2]) in WINGS else parts[:1]


def imports():
    """(file, room, imported module, name) of every import from this package."""
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = list(path.relative_to(PACKAGE).with_suffix("").parts)
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(PACKAGE.name):
                for alias in node.names:
                    yield parts, node.module.split(".")[1:], alias.name


def test_rooms_are_entered_by_their_face():
    wrong = []
    for parts, module, name in imports():
        if room_of(parts) == room_of(module) or parts[-1] == "__init__":
            continue
        beyond = module[len(room_of(module)) :]
        if name.startswith("_") or (beyond and beyond != ["internal"]):
            wrong.append((".".join(parts), ".".join(module), name))
    assert not wrong


def test_estimators_are_one_file_per_method_and_their_families():
    """A file holds a public estimator, or what several of them derive from or share."""
    users = defaultdict(set)
    for parts, module, _ in imports():
        if parts[0] == "estimators" and module[:1] == ["estimators"] and len(module) == 2:
            users[module[1]].add(parts[-1])
    public = {getattr(estimators, name).__module__.split(".")[-1] for name in estimators.__all__}
    files = {path.stem for path in (PACKAGE / "estimators").glob("_*.py")} - {"__init__"}
    shared = {name for name in files if len(users[name] - {"__init__"}) >= 2}
    assert files == public & files | shared


def test_internal_faces_say_so():
    for path in PACKAGE.rglob("internal.py"):
        doc = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
        assert "may change without notice" in doc
