"""Small folders in the layouts that readers know, for random calls of them."""

import atexit
import shutil
import tempfile
from pathlib import Path

import numpy as np

ROOT = Path(tempfile.mkdtemp(prefix="fuzz_folders_"))
atexit.register(shutil.rmtree, ROOT, ignore_errors=True)


def _images():
    """Write a table and folders of splits, classes and bias values, as one set."""
    lines = ["filename,split,y,a"]
    for i in range(24):
        split, y, a = i // 4 % 3, i % 2, i // 2 % 2
        name = f"{('train', 'val', 'test')[split]}/{y}/{a}/{i}.png"
        path = ROOT / "images" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"an image")
        lines.append(f"{name},{split},{y},{a}")
    # Beside the folder: what is in it are splits, and nothing else.
    (ROOT / "metadata.csv").write_text("\n".join(lines))
    return ROOT / "images"


def _features():
    folder = ROOT / "features"
    folder.mkdir()
    x = np.linspace(0, 1, 24, dtype=np.float32).reshape(12, 2)
    np.savez(folder / "x.npz", x=x, y=np.arange(12) % 2, a=np.arange(12) // 2 % 2, split=[0, 2] * 6)
    return folder


def _lists():
    folder = ROOT / "lists"
    folder.mkdir()
    for split in ("train", "test"):
        (folder / f"pets_{split}.txt").write_text("images/train/0/0/0.png 0\nx.png 1\n")
    return folder


def _cifar_c():
    folder = ROOT / "cifar_c"
    folder.mkdir()
    np.save(folder / "labels.npy", np.tile([0, 1], 5))
    np.save(folder / "fog.npy", np.zeros((10, 32, 32, 3), dtype=np.uint8))
    return folder


IMAGES, FEATURES, LISTS, CIFAR_C = _images(), _features(), _lists(), _cifar_c()
