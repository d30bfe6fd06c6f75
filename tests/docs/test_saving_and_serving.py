"""The page on saved and served models runs as one program."""

import re
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "saving_and_serving.md"


def test_page_runs(monkeypatch, tmp_path):
    pytest.importorskip("onnxruntime")
    pytest.importorskip("skl2onnx")
    text = PAGE.read_text(encoding="utf-8")
    blocks = re.findall(r"^```python\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    assert len(blocks) >= 4
    monkeypatch.chdir(tmp_path)
    exec(compile("\n".join(blocks), PAGE.name, "exec"), {})
