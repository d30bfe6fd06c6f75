"""How far does a classifier fall when images get worse?
=====================================================

Table 6 of BiasAdv's paper, on digits.

scikit-learn's digits, 8x8 pixels, whose colour gives the answer away in 95 % of the training
images: four methods, each tried on the test images as they are and under eight corruptions. Prints
the table and writes corruption_report.png.
"""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch

from sklearn_debias import BiasAdvClassifier, ERMClassifier, JTTClassifier, LfFClassifier
from sklearn_debias.corruptions import corrupt, corruption_names
from sklearn_debias.datasets import load_biased_digits
from sklearn_debias.metrics import aligned_map
from sklearn_debias.robustness import corruption_report

digits = load_biased_digits(conflict_ratio=0.05, random_state=0)
train, test = digits.train, digits.test
aligned = aligned_map(train.target, train.bias_labels)
shared = {"module": "mlp", "max_epochs": 40, "random_state": 0}
jtt = {"identification_epochs": 5, "upweight": 10}
attack = {"epsilon": 0.2, "lam": 0.5, "clip": (0, 1), "n_steps": 2}
METHODS = {
    "ERM": ERMClassifier(**shared),
    "LfF": LfFClassifier(**shared),
    "JTT": JTTClassifier(**shared, **jtt),
    "BiasAdv-JTT": BiasAdvClassifier(**shared, **attack, base=JTTClassifier(**jtt)),
}


def report(method):
    """Fit without bias labels, which only say here which test images conflict."""
    method.fit(train.data, train.target)
    told = {"bias_labels": test.bias_labels, "aligned": aligned}
    return corruption_report(method, test.data, test.target, **told)


def draw(reports):
    """Draw the images on the left, conflicting accuracy with exact intervals on the right."""
    corruptions = corruption_names("biasadv")
    few = test.data[:8]
    rows = [few, *(corrupt(few, name) for name in corruptions)]
    padded = np.pad(rows, [(0, 0)] * 3 + [(0, 1)] * 2, constant_values=1)
    picture = padded.transpose(0, 3, 1, 4, 2).reshape(9 * len(rows), 9 * len(few), 3)
    names = ["clean", *corruptions, "mean"]
    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4.6), layout="constrained")
    left.imshow(picture, extent=(0, 8, len(rows) - 0.5, -0.5), aspect="auto")
    left.set(ylim=(len(rows) + 0.5, -0.5))
    left.axis("off")
    for i, (name, found) in enumerate(reports.items()):
        value, low, high = found.table.filter(like="conflicting").to_numpy().T * 100
        places = np.arange(len(names)) + 0.18 * (i - 1.5)
        right.errorbar(value, places, xerr=[value - low, high - value], fmt="o", ms=4, label=name)
    right.set(ylim=(len(names) - 0.5, -0.5), xlabel="accuracy on conflicting images (%)")
    right.set_yticks(range(len(names)), [name.replace("_", " ") for name in names])
    right.grid(axis="x", color="0.9")
    right.legend(frameon=False, ncols=4, loc="lower center", bbox_to_anchor=(0.5, 1))
    figure.savefig("corruption_report.png", dpi=110)


def main():
    """Print average / conflicting accuracy per corruption and method, and draw."""
    torch.set_num_threads(1)  # small networks: threads would wait for each other
    reports = {name: report(method) for name, method in METHODS.items()}
    table = {}
    for name, found in reports.items():
        cells = 100 * found.table.set_index("corruption")[["average", "conflicting"]]
        table[name] = cells.apply(lambda row: f"{row.average:.1f} / {row.conflicting:.1f}", axis=1)
    print(pd.DataFrame(table).rename_axis(None).to_string())
    counts = f"{found.n_samples} and {found.n_conflicting} images, one fit each"
    print(f"average / conflicting accuracy in % ({counts})")
    draw(reports)
    print("Wrote corruption_report.png")


if __name__ == "__main__":
    main()
