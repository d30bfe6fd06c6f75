"""Embed images once, then search many heads on them: eight methods by worst-group accuracy.

With SKLEARN_DEBIAS_DATA set: photographs of actions (BAR) through ImageNet's MobileNetV2, 47 of 947
in training with unusual surroundings. Without: digits whose colour gives the answer away, through a
small CNN. Validation rows with bias labels choose the settings, and teach DFR and class scaling.
"""

import numpy as np
import pandas as pd
import sklearn
import torch
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import sklearn_debias as sd
from sklearn_debias.datasets import data_folder, load_biased_digits, read_bar
from sklearn_debias.feature_extraction import Embedder
from sklearn_debias.metrics import group_report, worst_group_accuracy_scorer
from sklearn_debias.model_selection import BatchedGridSearchCV

WEIGHTS = "mobilenet_v2_imagenet_fp16.pt"
KEYS = ("data", "target", "bias_labels")
METHODS = {
    "ERM": (sd.ERMClassifier(), {"weight_decay": [1e-4, 1e-2]}),
    "LfF": (sd.LfFClassifier(), {"q": [0.3, 0.7]}),
    "BiasAdv-LfF": (sd.BiasAdvClassifier(n_steps=2), {"epsilon": [1.0, 5.0]}),
    "ULE": (sd.ULEClassifier(optimizer="adam"), {"lam": [0.5, 0.8, 1.0]}),
    "AFR": (sd.AFRClassifier(), {"gamma": [1.0, 4.0, 10.0]}),
    "GroupDRO": (sd.GroupDROClassifier(balance="group"), {"step_size": [0.01, 0.1]}),
}


def embed():
    """Return embeddings, classes and bias labels of training, validation and test rows."""
    if folder := data_folder(required=False):
        bar = read_bar(folder, kind="images")
        X, y, bias = (np.concatenate([bar.train[k], bar.test[k]]) for k in KEYS)
        order = np.random.default_rng(0).permutation(len(y))
        usual, other = order[bias[order] == 0], order[bias[order] == 1]
        rows = zip(np.split(usual[:1300], [900, 1050]), np.split(other, [47, 297]), strict=True)
        parts = [(X[part], y[part], bias[part]) for part in map(np.concatenate, rows)]
        pixels = {"normalize": ([0.5], [0.5]), "image_size": 96}
        embedder = Embedder("mobilenet_v2", weights=folder / WEIGHTS, **pixels)
    else:
        digits = load_biased_digits(target="low_high", conflict_ratio=0.05, random_state=0)
        parts = [[digits[part][k] for k in KEYS] for part in ("train", "validation", "test")]
        cnn = sd.ERMClassifier("simple_cnn", max_epochs=10, random_state=0)
        embedder = Embedder(cnn.fit(digits.train.data, digits.train.digit).module_)
    embedder = make_pipeline(embedder, StandardScaler()).fit(parts[0][0])
    return [(embedder.transform(X), y, bias) for X, y, bias in parts]


def main():
    torch.set_num_threads(1)  # small networks: threads would wait for each other
    train, validation, test = embed()
    X, y, bias = (np.concatenate(pair) for pair in zip(train, validation, strict=True))
    fold = np.split(np.arange(len(y)), [len(train[1])])
    search = {"scoring": worst_group_accuracy_scorer, "cv": [fold], "refit": False}
    fitted = {}
    with sklearn.config_context(enable_metadata_routing=True):
        for name, (method, grid) in METHODS.items():
            method.set_params(max_epochs=20, random_state=0)
            found = BatchedGridSearchCV(method, grid | {"lr": [3e-3, 3e-2]}, **search)
            method.set_params(**found.fit(X, y, bias_labels=bias).best_params_)
            fitted[name] = method.fit(*train[:2], bias_labels=train[2])
    X, y, bias = validation
    fitted["ERM, scaled classes"] = sd.ClassScaling(fitted["ERM"]).fit(X, y, bias_labels=bias)
    fitted["DFR"] = sd.DFRClassifier(random_state=0).fit(X, y, bias_labels=bias)
    table = pd.DataFrame(columns=["mean", "worst group"])
    for name, model in fitted.items():
        report = group_report(test[1], model.predict(test[0]), bias_labels=test[2])
        worst = 100 * np.array([report.worst_group_accuracy, *report.worst_group_interval])
        mean = f"{100 * report.averages['group_mean']:.1f}"
        table.loc[name] = [mean, "{:.1f} [{:.1f}, {:.1f}]".format(*worst)]
    print(table.to_string())
    print(f"Test accuracy in % and 95 % bounds of the worst group ({len(test[1])} rows).")


if __name__ == "__main__":
    main()
