"""Draw docs/images/corruptions.png: every corruption, on crops of scikit-learn's two photographs.

    MPLBACKEND=agg python docs/corruption_sheet.py

Crops of the photographs are shrunk to 32 pixels, the size that the strengths are meant for.
"""

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from PIL import Image
from sklearn.datasets import load_sample_images

from sklearn_debias.corruptions import corrupt, corruption_names

OUT = Path(__file__).parent / "images" / "corruptions.png"
SIDE = 32
CROPS = (
    (0, 60, 190, 300),
    (1, 90, 190, 300),
    (0, 20, 0, 240),
    (1, 0, 20, 300),
    (0, 150, 340, 240),
)  # photograph, top, left, side


def crops():
    """Images, uint8 (n, 3, 32, 32)."""
    photographs = load_sample_images().images
    out = []
    for which, top, left, side in CROPS:
        crop = Image.fromarray(photographs[which][top : top + side, left : left + side])
        out.append(
            np.asarray(crop.resize((SIDE, SIDE), Image.Resampling.LANCZOS)).transpose(2, 0, 1)
        )
    return np.stack(out)


def row(images, gap=2):
    """Images side by side, (32, width, 3)."""
    padded = [
        np.pad(image.transpose(1, 2, 0), ((0, 0), (0, gap), (0, 0)), constant_values=255)
        for image in images
    ]
    return np.concatenate(padded, axis=1)[:, :-gap]


def panel(ax, image, title):
    """One strip of images with its name."""
    ax.imshow(image, interpolation="nearest")
    ax.set_ylabel(title.replace("_", " "), rotation=0, ha="right", va="center", fontsize=8)
    ax.set_xticks([])
    ax.set_yticks([])
    for spine in ax.spines.values():
        spine.set_visible(False)


def main():
    """Draw BiasAdv's eight on the left, the classic ones at severities 1 to 5 on the right."""
    images = crops()
    drawn, classic = corruption_names("biasadv"), corruption_names("classic")
    figure = plt.figure(figsize=(10, 14.5), layout="constrained")
    left, right = figure.subfigures(1, 2)
    rows = len(classic) + 1
    axes = left.subplots(rows, 1)
    panel(axes[0], row(images), "original")
    for ax, name in zip(axes[1:], drawn, strict=False):
        panel(ax, row(corrupt(images, name)), name)
    eight = len(drawn) + 1
    axes[eight].axis("off")
    axes[eight].text(
        0.5, 0.1, "classic, severity 5", ha="center", fontsize=10, transform=axes[eight].transAxes
    )
    shown = (
        "snow",
        "frost",
        "fog",
        "spatter",
        "glass_blur",
        "motion_blur",
        "elastic",
        "saturate",
        "contrast",
        "jpeg",
    )
    for ax, name in zip(axes[eight + 1 :], shown, strict=True):
        panel(ax, row(corrupt(images, name, severity=5)), name)
    left.suptitle("BiasAdv's eight: strength drawn per image", fontsize=10)
    axes = right.subplots(rows, 1)
    panel(axes[0], row(images[[1] * 5]), "original")
    for ax, name in zip(axes[1:], classic, strict=True):
        panel(ax, row([corrupt(images[1:2], name, severity=s)[0] for s in range(1, 6)]), name)
    right.suptitle("The nineteen classic ones: severity 1 to 5", fontsize=10)
    figure.savefig(OUT, dpi=80, pil_kwargs={"optimize": True})


if __name__ == "__main__":
    main()
