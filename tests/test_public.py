"""What a stranger meets first: the README, the commands, the names, the cost of an import."""

import importlib
import inspect
import re
import tomllib
from itertools import product
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.models import ResNet18_Weights, resnet18

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


def grow_birds(folder):
    """Write tiny images in the README's folders: green or blue goes with the class in training."""
    rng = np.random.default_rng(0)
    sizes = {"train": (12, 3), "val": (2, 2), "test": (5, 5)}
    for split, y, a in product(sizes, (0, 1), (0, 1)):
        place = folder / split / ("landbird", "waterbird")[y] / ("land", "water")[a]
        place.mkdir(parents=True)
        for i in range(sizes[split][y != a]):
            pixels = rng.integers(0, 128, (32, 32, 3), dtype=np.uint8)
            pixels[..., 1 + a] += 100
            pixels[8:24, 12 + 4 * y : 16 + 4 * y] = 255
            Image.fromarray(pixels).save(place / f"{i}.jpg")


def keep_weights(folder):
    """Write weights where torchvision would keep those that it downloads."""
    name = ResNet18_Weights.DEFAULT.url.rpartition("/")[2]
    path = folder / "hub" / "checkpoints" / name
    path.parent.mkdir(parents=True)
    torch.save(resnet18().state_dict(), path)


def test_readme_example_is_short_and_runs(tmp_path, monkeypatch, capsys):
    (example,) = blocks(README, "python")
    lines = [line for line in example.splitlines() if line]
    assert len(lines) <= 10
    assert max(map(len, lines)) <= 100
    grow_birds(tmp_path / "birds")
    keep_weights(tmp_path / "torch")
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setenv("SKLEARN_DEBIAS_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    names = {}
    exec(compile(example, "README.md", "exec"), names)
    printed = capsys.readouterr().out
    assert "background" in printed
    assert "worst group" in printed
    assert "20 samples in 4 groups" in printed
    assert "landbird" in printed  # by its name
    birds = names["birds"]
    assert birds.test.data.shape == (20, 512)
    assert birds.target_names.tolist() == ["landbird", "waterbird"]


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
