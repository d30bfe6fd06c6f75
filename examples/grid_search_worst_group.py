"""Model selection decides
=======================

One grid search, judged by accuracy and by worst-group accuracy.

Embeddings with a shortcut that holds for 95 % of the training rows. The search over epsilon, lam
and beta of BiasAdv, in a pipeline, scores each setting twice on the same folds. Plain accuracy
hardly sees the rare groups. Metadata routing carries the bias labels to the folds and to the
scorer; the method itself never uses them.
"""

import pandas as pd
import sklearn
import torch
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_debias import BiasAdvClassifier
from sklearn_debias.datasets import make_spurious_embeddings
from sklearn_debias.metrics import group_report, worst_group_accuracy_scorer
from sklearn_debias.model_selection import BiasStratifiedKFold

GRID = {
    "biasadvclassifier__epsilon": [0.5, 2.0],
    "biasadvclassifier__lam": [0.5, 1.0],
    "biasadvclassifier__beta": [0.5, 2.0],
}
SCORING = {"accuracy": "accuracy", "worst_group": worst_group_accuracy_scorer}


def search(X, y, bias_labels):
    """Score every setting by both criteria; folds and scorer see the bias labels."""
    shared = {"lr": 1e-2, "max_epochs": 20, "random_state": 0}
    pipeline = make_pipeline(StandardScaler(), BiasAdvClassifier(base="lff", n_steps=2, **shared))
    folds = BiasStratifiedKFold(n_splits=3, shuffle=True, random_state=0)
    with sklearn.config_context(enable_metadata_routing=True):
        found = GridSearchCV(pipeline, GRID, scoring=SCORING, refit=False, cv=folds)
        return found.fit(X, y, bias_labels=bias_labels)


def best_row(found, criterion, train, test):
    """Fit the setting that `criterion` selects; return its row of the table."""
    results = found.cv_results_
    best = results[f"rank_test_{criterion}"].argmin()
    setting = results["params"][best]
    model = clone(found.estimator).set_params(**setting).fit(train.data, train.target)
    report = group_report(test.target, model.predict(test.data), bias_labels=test.bias_labels)
    low, high = report.worst_group_interval
    row = {name.removeprefix("biasadvclassifier__"): value for name, value in setting.items()}
    for name in SCORING:
        row[f"cv {name}"] = f"{results[f'mean_test_{name}'][best]:.3f}"
    row["test accuracy"] = f"{report.averages['raw']:.3f}"
    row["test worst group"] = f"{report.worst_group_accuracy:.3f} [{low:.3f}, {high:.3f}]"
    return row


def main():
    torch.set_num_threads(1)  # small networks: threads would wait for each other
    data = make_spurious_embeddings(1000, conflict_ratio=0.05, n_test=4000, random_state=0)
    train, test = data.train, data.test
    found = search(train.data, train.target, train.bias_labels)
    rows = {criterion: best_row(found, criterion, train, test) for criterion in SCORING}
    print(pd.DataFrame(rows).T.rename_axis("selected by").to_string())


if __name__ == "__main__":
    main()
