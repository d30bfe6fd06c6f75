"""Embeddings, class labels, and nothing else
==========================================

Who is in the minority, and a classifier for them.

Embeddings with a shortcut that holds for 95 % of the training rows. Groups are inferred from the
rows that a regularised model gets wrong where it was not fitted, and a classifier is trained for
them. Bias labels are used in two places only, to say how good this was: in the first table, and to
score the test rows.
"""

import pandas as pd
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_debias import ERMClassifier, JTTClassifier
from sklearn_debias.datasets import make_spurious_embeddings
from sklearn_debias.group_inference import (
    GroupInferrer,
    InferredGroupsClassifier,
    inferred_groups_report,
)
from sklearn_debias.metrics import group_report


def tested(model, test):
    """Accuracy and worst-group accuracy on test rows."""
    report = group_report(test.target, model.predict(test.data), bias_labels=test.bias_labels)
    low, high = report.worst_group_interval
    return {
        "accuracy": f"{report.averages['raw']:.3f}",
        "worst group": f"{report.worst_group_accuracy:.3f} [{low:.3f}, {high:.3f}]",
    }


def main():
    torch.set_num_threads(1)  # small networks: threads would wait for each other
    data = make_spurious_embeddings(2000, n_features=50, n_test=4000, random_state=0)
    train, test = data.train, data.test

    print("Rows that the inferred groups take for a minority, against the truth:")
    for method in ("errors", "xrm"):
        groups = GroupInferrer(method, random_state=0).fit(train.data, train.target)
        report = inferred_groups_report(train.target, groups, train.bias_labels)
        print(f"\n{method}\n{report}")

    logistic = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    nets = {"max_epochs": 30, "lr": 1e-2, "random_state": 0}
    models = {
        "logistic regression": logistic,
        "ERM": ERMClassifier(**nets),
        "JTT": JTTClassifier(identification_epochs=2, **nets),
        "inferred groups": InferredGroupsClassifier(random_state=0),
        "inferred groups, by XRM": InferredGroupsClassifier(inferrer="xrm", random_state=0),
    }
    rows = {
        name: tested(model.fit(train.data, train.target), test) for name, model in models.items()
    }
    print(f"\nOn unbiased test rows:\n{pd.DataFrame(rows).T.to_string()}")
    chosen = models["inferred groups"]
    print(f"\nInferred from other rows the groups agree by {chosen.stability_:.2f} (0 is chance).")


if __name__ == "__main__":
    main()
