"""The page on saving and serving: its blocks run, and it names what a slim model is without."""

import inspect
import re
import sys
import types
from pathlib import Path

import pytest

from sklearn_debias.testing import all_estimators

PAGE = Path(__file__).parents[2] / "docs" / "saving_and_serving.md"
TEXT = PAGE.read_text(encoding="utf-8")


def test_its_blocks_run(monkeypatch, tmp_path):
    pytest.importorskip("onnxruntime")
    pytest.importorskip("skl2onnx")
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"^```python\n(.*?)^```$", TEXT, re.DOTALL | re.MULTILINE)
    assert len(blocks) >= 2
    # A module, which what is defined in it can be imported from.
    page = types.ModuleType("saving_and_serving")
    monkeypatch.setitem(sys.modules, page.__name__, page)
    exec(compile("\n".join(blocks), PAGE.name, "exec"), vars(page))


def test_it_names_every_attribute_that_is_told_of_rows():
    documented = set()
    for _, cls in all_estimators():
        for name, kind in re.findall(r"^(\w+_) : (.*)$", inspect.getdoc(cls), re.MULTILINE):
            if re.search(r"shape \(n,\)|of int$", kind) or "rows" in name:
                documented.add(name)
    by_row = {name for name in documented if not name.startswith(("n_", "input", "rows_per"))}
    assert {"error_set_", "held_out_rows_", "bias_labels_"} <= by_row
    assert not [name for name in sorted(by_row) if f"`{name}`" not in TEXT]
