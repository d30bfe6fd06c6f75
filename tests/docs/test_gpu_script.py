"""The script for a GPU reaches its end without one, whatever becomes of its parts."""

import importlib
import json
import sys
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).parents[2]
FOLDERS = (ROOT / "docs/reproduction", ROOT / "tests/benchmarks")
BESIDE = {path.stem for folder in FOLDERS for path in folder.glob("*.py")}
WITHOUT_TESTS = ("steps", "precision", "sweep", "heads", "embedder", "papers")


@pytest.fixture
def gpu(monkeypatch):
    """The script; what it imports from beside it is forgotten afterwards."""
    monkeypatch.setattr(sys, "path", [str(FOLDERS[0]), *sys.path])
    before = set(sys.modules)
    yield importlib.import_module("gpu")
    for name in (set(sys.modules) - before) & BESIDE:
        del sys.modules[name]


@pytest.fixture
def scripted(gpu, monkeypatch, tmp_path):
    """Run parts in processes that execute these lines instead."""

    def run(limit=60, **parts):
        stand_in = tmp_path / "part.py"
        stand_in.write_text(
            "import json, sys, time\n"
            "def figure(value): print('FIGURE', json.dumps(dict(figure='f', value=value, unit='s',"
            " asked=2, at='most', note='')), flush=True)\n"
            f"exec({parts!r}[sys.argv[2]])\n"
        )
        monkeypatch.setattr(gpu, "__file__", str(stand_in))
        monkeypatch.setattr(gpu, "BUDGETS", dict.fromkeys(parts, limit))
        well = gpu.report(list(parts), False, tmp_path)
        return well, json.loads((tmp_path / "gpu.json").read_text())

    return run


@pytest.mark.slow  # 12 s of CPU time or more: six parts at toy size, torch.compile among them
@pytest.mark.filterwarnings("ignore")
def test_every_part_runs_at_toy_size(gpu, capsys):
    for name in WITHOUT_TESTS:
        gpu.run_part(name, True, 30)
        lines = [line for line in capsys.readouterr().out.splitlines() if gpu.MARK in line]
        assert lines, name
        for line in lines:
            found = json.loads(line.removeprefix(gpu.MARK))
            assert found["value"] is None or found["value"] >= 0
            assert gpu.told(found).startswith(found["figure"])


def test_a_part_that_fails_does_not_stop_the_others(scripted, capsys):
    well, found = scripted(bad="figure(1.5); raise RuntimeError('CUDA')", good="figure(3)")
    assert not well
    assert [one["part"] for one in found["figures"]] == ["bad", "bad", "good"]
    assert [one["value"] for one in found["figures"]] == [1.5, None, 3]
    assert found["figures"][1]["note"] == "ended with 1"
    assert found["machine"]["torch"] == torch.__version__
    printed = capsys.readouterr().out
    assert "good: f: 3 s (asked: at most 2)" in printed
    assert "Parts that failed: bad." in printed


def test_a_part_that_hangs_is_stopped(scripted):
    well, found = scripted(limit=2, hangs="figure(1); time.sleep(600)")
    assert not well
    assert [one["note"] for one in found["figures"]] == ["", "stopped after 2 s"]


def test_nothing_fails_where_nothing_fails(scripted, capsys):
    well, _ = scripted(one="figure(1)", two="figure(2)")
    assert well
    assert "Parts that failed: none." in capsys.readouterr().out


def test_no_part_begins_after_the_time(gpu, monkeypatch, capsys):
    monkeypatch.setattr(gpu, "MINUTES", 0)
    assert gpu.report(["steps"], False, None)
    assert "steps: no time is left" in capsys.readouterr().out


def test_an_unknown_part_is_named(gpu, capsys):
    with pytest.raises(SystemExit):
        gpu.main(["nothing"])
    assert "no parts: nothing. There are tests, steps" in capsys.readouterr().err


def test_the_parts_fit_into_the_time_and_stand_on_the_page(gpu):
    assert sum(gpu.BUDGETS.values()) <= 60 * gpu.MINUTES
    page = (FOLDERS[0] / "gpu.md").read_text()
    for name, budget in gpu.BUDGETS.items():
        assert f"| `{name}` | {budget} |" in page
