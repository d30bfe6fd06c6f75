"""A name that is none is refused in one way, whatever it is."""

import ast
import inspect
from pathlib import Path

import numpy as np
import pytest

from sklearn_debias import presets

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("wrong", [["x"], {"x": 1}, np.array(["x", "y"]), None, 3, "", "Eiil"])
@pytest.mark.parametrize("preset", [name for name in presets.__all__ if name.endswith("_preset")])
def test_a_name_that_is_none(preset, wrong):
    function = getattr(presets, preset)
    others = ["erm"] * (len(inspect.signature(function).parameters) - 1)
    with pytest.raises(ValueError, match="`name` must be one of .*, got "):
        function(wrong, *others)


def test_the_page_says_what_presets_know():
    known = set()
    for path in (ROOT / "sklearn_debias" / "presets").glob("_*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module:
                known.add(node.module)
    own = {name for name in known if name.startswith("sklearn_debias.presets.")}
    standard = {"collections.abc", "copy", "functools", "typing"}
    assert known - own - standard == {"sklearn_debias.arguments", "torch.optim.lr_scheduler"}
    rows = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8").splitlines()
    (row,) = [line for line in rows if line.startswith("| `presets/`")]
    assert row.endswith("| `arguments`, torch's schedules |")
