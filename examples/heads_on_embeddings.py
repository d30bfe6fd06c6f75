"""Embed images once, then search hundreds of heads: eight methods by worst-group accuracy in one table.

    SKLEARN_DEBIAS_DATA=~/data python examples/heads_on_embeddings.py

With that folder: photographs of six actions (BAR) through ImageNet's MobileNetV2; 94 of 1494 training rows do not
show the surroundings usual for their action. Without: digits whose colour gives the answer away, through a small
network trained on them. Embeddings are cached: the second run starts with the search. Settings are chosen on
validation rows with bias labels; DFR and class scaling learn from these rows, too, the others do not.
"""

import numpy as np
import pandas as pd
import sklearn
from sklearn.base import clone
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
    "BiasAdv-LfF": (sd.BiasAdvClassifier(), {"epsilon": [1.0, 5.0], "beta": [0.5, 1.0]}),
    "ULE": (sd.ULEClassifier(optimizer="adam"), {"lam": [0.5, 0.8, 0.9, 1.0]}),
    "AFR": (sd.AFRClassifier(), {"gamma": [1.0, 4.0, 10.0], "lam": [0.0, 0.3]}),
    "GroupDRO": (sd.GroupDROClassifier(balance="group"), {"step_size": [0.01, 0.1]}),
}


def bar(folder):
    """Images, actions and bias labels of the training, validation and test rows of BAR."""
    pack = read_bar(folder, kind="images")
    X, y, bias = (np.concatenate([pack.train[k], pack.test[k]]) for k in ("data", "target", "bias_labels"))
    rng = np.random.default_rng(0)
    aligned, conflicting = rng.permutation(np.flatnonzero(bias == 0)), rng.permutation(np.flatnonzero(bias == 1))
    rows = zip(np.split(aligned, [1400, 1640]), np.split(conflicting, [94, 334]), strict=True)
    return [(X[part], y[part], bias[part]) for part in map(np.concatenate, rows)]


def embedded():
    """Embeddings, targets and bias labels of the three parts."""
    if folder := data_folder(required=False):
        parts, weights = bar(folder), folder / "mobilenet_v2_imagenet_fp16.pt"
        embedder = Embedder("mobilenet_v2", weights=weights, normalize=([0.5] * 3, [0.5] * 3), image_size=128, verbose=1)
    else:
        digits = load_biased_digits("colour", target="low_high", conflict_ratio=0.05, random_state=0)
        parts = [(d.data, d.target, d.bias_labels) for d in (digits.train, digits.validation, digits.test)]
        cnn = sd.ERMClassifier("simple_cnn", max_epochs=5, random_state=0).fit(*parts[0][:2])
        embedder = Embedder(cnn.module_, verbose=1)
    return [(embedder.fit_transform(X), y, bias) for X, y, bias in parts]


def main():
    train, validation, test = embedded()
    X, y, bias = (np.concatenate(pair) for pair in zip(train, validation, strict=True))
    fold = PredefinedSplit(np.repeat([-1, 0], [len(train[1]), len(validation[1])]))
    fitted, n_heads = {}, 0
    for name, (method, grid) in METHODS.items():
        pipeline = make_pipeline(StandardScaler(), clone(method).set_params(max_epochs=30, random_state=0))
        grid = {f"{pipeline.steps[-1][0]}__{k}": v for k, v in {**LR, **DECAY, **grid}.items()}
        with sklearn.config_context(enable_metadata_routing=True):
            search = BatchedGridSearchCV(pipeline, grid, scoring=worst_group_accuracy_scorer, cv=fold, refit=False)
            search.fit(X, y, bias_labels=bias)
            fitted[name] = pipeline.set_params(**search.best_params_).fit(*train[:2], bias_labels=train[2])
        n_heads += len(search.cv_results_["params"])
    fitted["ERM, scaled classes"] = sd.ClassScaling(fitted["ERM"]).fit(*validation[:2], bias_labels=validation[2])
    fitted["DFR"] = sd.DFRClassifier(random_state=0).fit(*validation[:2], bias_labels=validation[2])
    rows = {}
    for name, model in fitted.items():
        report = group_report(test[1], model.predict(test[0]), bias_labels=test[2])
        low, high = (100 * bound for bound in report.worst_group_interval)
        average, worst = 100 * report.averages["group_mean"], 100 * report.worst_group_accuracy
        rows[name] = {"mean of groups": f"{average:.1f}", "worst group": f"{worst:.1f} [{low:.1f}, {high:.1f}]"}
    print(pd.DataFrame(rows).T.to_string())
    print(f"Test accuracy in %, {len(test[1])} rows; settings of {n_heads} heads chosen on {len(validation[1])} rows.")


if __name__ == "__main__":
    main()
