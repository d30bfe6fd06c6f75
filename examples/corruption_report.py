"""How far does a classifier fall when images get worse? Table 6 of BiasAdv's paper, in one call per model.

scikit-learn's digits, 8x8 pixels, whose colour gives the answer away in 95 % of the training
images: four methods, each tried on the test images as they are and under eight corruptions. Prints
the table and writes corruption_report.png.
"""

import matplotlib.pyplot as plt
import pandas as pd

from sklearn_debias import BiasAdvClassifier, ERMClassifier, JTTClassifier, LfFClassifier
from sklearn_debias.corruptions import corrupt, corruption_names
from sklearn_debias.datasets import load_biased_digits
from sklearn_debias.metrics import aligned_map
from sklearn_debias.robustness import corruption_report

digits = load_biased_digits(conflict_ratio=0.05, random_state=0)
train, test = digits.train, digits.test
aligned = aligned_map(train.target, train.bias_labels)
shared = {"module": "mlp", "max_epochs": 40, "random_state": 0}
METHODS = {
    "ERM": ERMClassifier(**shared),
    "LfF": LfFClassifier(**shared),
    "JTT": JTTClassifier(**shared, identification_epochs=5, upweight=20),
    "BiasAdv-JTT": BiasAdvClassifier(
        **shared,
        base=JTTClassifier(identification_epochs=5, upweight=20),
        epsilon=0.2,
        lam=0.5,
        clip=(0, 1),
    ),
}


def report(method):
    """Fit without bias labels; they only say which test images conflict."""
    method.fit(train.data, train.target)
    return corruption_report(
        method, test.data, test.target, bias_labels=test.bias_labels, aligned=aligned
    )


def draw(reports):
    """Left: the images. Right: conflicting accuracy with exact intervals."""
    figure, (left, right) = plt.subplots(
        1, 2, figsize=(10, 4.6), layout="constrained", width_ratios=(1, 1.3)
    )
    rows = ["clean", *corruption_names("biasadv"), "mean"]
    for i, name in enumerate(rows[:-1]):
        images = test.data[:8] if name == "clean" else corrupt(test.data[:8], name)
        for j, image in enumerate(images):
            left.imshow(
                image.transpose(1, 2, 0),
                extent=(j, j + 0.92, i + 0.46, i - 0.46),
                interpolation="nearest",
            )
    left.set(xlim=(0, 8), ylim=(len(rows) - 0.5, -0.5), aspect="auto")
    left.axis("off")
    for i, (name, found) in enumerate(reports.items()):
        table, places = found.table, [row + 0.18 * (i - 1.5) for row in range(len(rows))]
        value = table["conflicting"]
        errors = (value - table["conflicting_lower"], table["conflicting_upper"] - value)
        right.errorbar(
            100 * value, places, xerr=[100 * e for e in errors], fmt="o", ms=4, lw=1, label=name
        )
    right.set(ylim=(len(rows) - 0.5, -0.5), xlabel="accuracy on conflicting images (%)")
    right.set_yticks(range(len(rows)), [name.replace("_", " ") for name in rows])
    right.grid(axis="x", color="0.9")
    right.legend(frameon=False, ncols=4, loc="lower center", bbox_to_anchor=(0.5, 1))
    figure.savefig("corruption_report.png", dpi=110)


def main():
    """Print average / conflicting accuracy per corruption and method, draw, and say what was written."""
    reports = {name: report(method) for name, method in METHODS.items()}
    table = {
        name: [
            f"{100 * a:.1f} / {100 * c:.1f}"
            for a, c in found.table[["average", "conflicting"]].to_numpy()
        ]
        for name, found in reports.items()
    }
    some = next(iter(reports.values()))
    print(pd.DataFrame(table, index=some.table["corruption"].tolist()).to_string())
    print(
        f"average / conflicting accuracy in % ({some.n_samples} and {some.n_conflicting} images, "
        "one fit each)"
    )
    draw(reports)
    print("Wrote corruption_report.png")


if __name__ == "__main__":
    main()
