"""Make the model files of this version, which later versions must load.

    python tests/deployment/keep_models.py

It writes ``models/<version>/``: run it once for each release, and never over an older folder.
"""

import json
import sys
import warnings
from pathlib import Path

from saved_networks import Convolutions
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import sklearn_debias
from sklearn_debias import BiasAdvClassifier, DFRClassifier, ERMClassifier, LfFClassifier
from sklearn_debias.deployment import save_model
from sklearn_debias.group_inference import InferredGroupsClassifier
from sklearn_debias.testing._estimator_data import toy_rows

MODELS = Path(__file__).parent / "models"
SHORT = {"lr": 0.05, "max_epochs": 3, "batch_size": 16, "device": "cpu", "random_state": 0}


def made():
    """Yield name, rows and fitted model."""
    X, y, bias = toy_rows()
    images, labels, _ = toy_rows(n=30, shape=(3, 6, 6))
    yield "linear", X, ERMClassifier(**SHORT).fit(X, y)
    yield "biasadv_mlp", X, BiasAdvClassifier("mlp", clip=(0.0, 1.0), **SHORT).fit(X, y)
    yield "convolutions", images, ERMClassifier(Convolutions, **SHORT).fit(images, labels)
    yield "dfr", X, DFRClassifier(n_resamples=2, random_state=0).fit(X, y, bias_labels=bias)
    yield "pipeline", X, make_pipeline(StandardScaler(), LfFClassifier(**SHORT)).fit(X, y)
    yield (
        "inferred_groups_slim",
        X,
        InferredGroupsClassifier(ERMClassifier(balance="group", **SHORT), random_state=0).fit(X, y),
    )


def main():
    folder = MODELS / sklearn_debias.__version__
    if folder.exists():
        sys.exit(f"{folder} is there already: other versions are tested with what it holds.")
    folder.mkdir(parents=True)
    warnings.simplefilter("ignore")
    for name, rows, model in made():
        save_model(model, folder / f"{name}.skops", slim=name.endswith("_slim"))
        # Text has all bits of a float, and no program takes it for data.
        few = rows[:5]
        expected = {"rows": few.tolist(), "probability": model.predict_proba(few).tolist()}
        (folder / f"{name}.json").write_text(json.dumps(expected), encoding="utf-8")


if __name__ == "__main__":
    main()
