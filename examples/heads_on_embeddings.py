"""Embed images once, then search hundreds of heads: eight methods by worst-group accuracy in one table.

With SKLEARN_DEBIAS_DATA set: photographs of six actions (BAR) through ImageNet's MobileNetV2, of
which 47 of 947 in training show other surroundings than usual. Without: digits whose colour gives
the answer away, through a small CNN. Embeddings are cached: a second run begins with the search.
Settings are chosen on validation rows with bias labels; DFR and class scaling learn from these
rows, too, the others do not.
"""

import numpy as np
import pandas as pd
import sklearn
import torch
from sklearn.model_selection import PredefinedSplit
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import sklearn_debias as sd
from sklearn_debias.datasets import data_folder, load_biased_digits, read_bar
from sklearn_debias.feature_extraction import Embedder
from sklearn_debias.metrics import group_report, worst_group_accuracy_scorer
from sklearn_debias.model_selection import BatchedGridSearchCV

LR, DECAY = {"lr": [1e-4, 1e-3, 1e-2]}, {"weight_decay": [1e-4, 1e-2]}
METHODS = {
    "ERM": (sd.ERMClassifier(), {}),
    "LfF": (sd.LfFClassifier(), {"q": [0.3, 0.7]}),
    "BiasAdv-LfF": (sd.BiasAdvClassifier(), {"epsilon": [1.0, 5.0]}),
    "ULE": (sd.ULEClassifier(optimizer="adam"), {"lam": [0.5, 0.8, 1.0]}),
    "AFR": (sd.AFRClassifier(), {"gamma": [1.0, 4.0, 10.0], "lam": [0.0, 0.3]}),
    "GroupDRO": (sd.GroupDROClassifier(balance="group"), {"step_size": [0.01, 0.1]}),
}


def bar(folder):
    pack, rng = read_bar(folder, kind="images"), np.random.default_rng(0)
    X, y, bias = (
        np.concatenate([pack.train[k], pack.test[k]]) for k in ("data", "target", "bias_labels")
    )
    aligned, conflicting = (rng.permutation(np.flatnonzero(bias == value)) for value in (0, 1))
    cuts = np.split(aligned[:1300], [900, 1050]), np.split(conflicting, [47, 297])
    return [(X[part], y[part], bias[part]) for part in map(np.concatenate, zip(*cuts, strict=True))]


def embedded():
    if folder := data_folder(required=False):
        parts, weights = bar(folder), folder / "mobilenet_v2_imagenet_fp16.pt"
        embedder = Embedder(
            "mobilenet_v2", weights=weights, normalize=([0.5], [0.5]), image_size=96, batch_size=128
        )
    else:
        digits = load_biased_digits(target="low_high", conflict_ratio=0.05, random_state=0)
        parts = [
            (d.data, d.target, d.bias_labels)
            for d in (digits.train, digits.validation, digits.test)
        ]
        cnn = sd.ERMClassifier("simple_cnn", max_epochs=20, random_state=0)
        embedder = Embedder(cnn.fit(parts[0][0], digits.train.digit).module_, verbose=1)
    return [(embedder.fit_transform(X), y, bias) for X, y, bias in parts]


def result(model, X, y, bias):
    report = group_report(y, model.predict(X), bias_labels=bias)
    worst, low, high = (
        100 * v for v in (report.worst_group_accuracy, *report.worst_group_interval)
    )
    return {
        "mean": f"{100 * report.averages['group_mean']:.1f}",
        "worst group": f"{worst:.1f} [{low:.1f}, {high:.1f}]",
    }


def main():
    torch.set_num_threads(1)  # small images: threads would wait for each other
    train, validation, test = embedded()
    X, y, bias = (np.concatenate(pair) for pair in zip(train, validation, strict=True))
    fold = PredefinedSplit(np.repeat([-1, 0], [len(train[1]), len(validation[1])]))
    fitted = {}
    for name, (method, grid) in METHODS.items():
        pipeline = make_pipeline(StandardScaler(), method.set_params(max_epochs=30, random_state=0))
        grid = {f"{pipeline.steps[-1][0]}__{k}": v for k, v in {**LR, **DECAY, **grid}.items()}
        with sklearn.config_context(enable_metadata_routing=True):
            search = BatchedGridSearchCV(
                pipeline, grid, scoring=worst_group_accuracy_scorer, cv=fold, refit=False
            )
            best = search.fit(X, y, bias_labels=bias).best_params_
            fitted[name] = pipeline.set_params(**best).fit(*train[:2], bias_labels=train[2])
    held_out = {
        "ERM, scaled classes": sd.ClassScaling(fitted["ERM"]),
        "DFR": sd.DFRClassifier(random_state=0),
    }
    fitted |= {k: m.fit(*validation[:2], bias_labels=validation[2]) for k, m in held_out.items()}
    print(
        pd.DataFrame({name: result(model, *test) for name, model in fitted.items()}).T.to_string()
    )
    print(
        f"Test accuracy in %: mean of the groups, and the worst, with 95 % bounds ({len(test[1])} "
        "rows)."
    )


if __name__ == "__main__":
    main()
