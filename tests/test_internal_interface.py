"""What packages take from the private modules of `estimators` is what docs/design/seams.md lists."""

import ast
import re
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).parents[1]
OWNER = "sklearn_debias.estimators."


def test_private_names_that_other_packages_use_are_listed():
    names, users = defaultdict(set), defaultdict(set)
    for path in (ROOT / "sklearn_debias").rglob("*.py"):
        package = path.relative_to(ROOT / "sklearn_debias").parts[0]
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            module = node.module or "" if isinstance(node, ast.ImportFrom) else ""
            if module.startswith(f"{OWNER}_") and package != "estimators":
                names[module.removeprefix(OWNER)].update(alias.name for alias in node.names)
                users[module.removeprefix(OWNER)].add(package)
    used = {
        (module, tuple(sorted(names[module])), tuple(sorted(users[module]))) for module in names
    }
    page = (ROOT / "docs" / "design" / "seams.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(_\w+)` \| (.+) \| (.+) \|$", page, flags=re.MULTILINE)
    listed = {
        (module, *(tuple(re.findall(r"`(\w+)`", cell)) for cell in cells))
        for module, *cells in rows
    }
    assert used == listed
