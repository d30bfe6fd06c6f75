"""How large are saved models, and what becomes of damaged files?

    python docs/reproduction/saved_models.py --sizes
    python docs/reproduction/saved_models.py --mutations 5000

The first line fits every estimator with a perceptron of 600,000 weights, and two with a ResNet-18,
and compares its files with the weights. The second damages files of several models: a flipped bit,
a missing end, a range of zeros, two ranges that changed places. It counts which files raise an
error, which give the same predictions, and which give others: there must be none. Rows are written
to saved_models.csv. No data are read.
"""

import argparse
import io
import pickle
import sys
import tempfile
import time
import warnings
from pathlib import Path

import cloudpickle
import joblib
import numpy as np
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_debias import BiasAdvClassifier, DFRClassifier, ERMClassifier
from sklearn_debias.deployment import load_model, save_model, slimmed
from sklearn_debias.group_inference import InferredGroupsClassifier
from sklearn_debias.testing import all_estimators, quick

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[2] / "tests" / "deployment"))
from mutations import MUTATIONS, outcome
from tables import append

OUT = Path(__file__).with_suffix(".csv")
COLUMNS = ("what", "model", "weights", "pickle", "joblib", "cloudpickle", "skops", "slim")
COLUMNS += ("load_seconds", "slim_seconds", "damage", "error", "same", "other")
WIDE = {"module": "mlp", "net_params": {"module__hidden": [768, 768]}, "random_state": 0}


def rows(shape=(8,), n=60):
    """Rows whose classes can be told apart, labels, bias labels."""
    rng = np.random.default_rng(0)
    X = rng.random((n, *shape), dtype=np.float32)
    y = np.arange(n) % 2
    X[:, 0] += 0.5 * y.reshape(-1, *[1] * (len(shape) - 1))
    return X, y, rng.integers(2, size=n)


def n_bytes(modules):
    """Bytes of the networks, each once."""
    tensors = [value for module in modules for value in module.state_dict().values()]
    return sum(value.numel() * value.element_size() for value in tensors)


def kept(model):
    """Bytes of fitted arrays that are documented, such as covariances."""
    return sum(value.nbytes for value in vars(model).values() if isinstance(value, np.ndarray))


def seconds(function, *args):
    """Seconds that a call takes."""
    start = time.perf_counter()
    function(*args)
    return round(time.perf_counter() - start, 3)


def measured(name, model, path):
    """The row of a fitted torch classifier."""
    save_model(model, path)
    by_joblib = io.BytesIO()
    joblib.dump(model, by_joblib)
    row = {
        "what": "size",
        "model": name,
        "weights": n_bytes(model.net_.module_.values()) + kept(model),
        "pickle": len(pickle.dumps(model)),
        "joblib": by_joblib.tell(),
        "cloudpickle": len(cloudpickle.dumps(model)),
        "skops": path.stat().st_size,
        "load_seconds": seconds(load_model, path),
    }
    save_model(model, path, slim=True)
    return {**row, "slim": path.stat().st_size, "slim_seconds": seconds(load_model, path)}


def sizes(path):
    """Fit and measure; a row for each estimator with networks."""
    found = []
    models = [
        (name, quick(cls, **WIDE))
        for name, cls in all_estimators()
        if "module" in cls._get_param_names()
    ]
    X, y, bias = rows()
    for name, model in models:
        found.append(measured(name, model.fit(X, y, bias_labels=bias), path))
    X, y, _ = rows((3, 32, 32), n=16)
    for cls in (ERMClassifier, BiasAdvClassifier):
        model = cls("resnet18", max_epochs=1, random_state=0).fit(X, y)
        found.append(measured(f"{cls.__name__}, ResNet-18", model, path))
    for row in found:
        largest = max(row[way] for way in ("pickle", "joblib", "cloudpickle", "skops"))
        print(
            f"{row['model']:34} {row['weights'] / 1e6:7.2f} MB of numbers, files at most "
            f"{largest / row['weights']:.3f} times, slim {row['slim'] / 1e6:6.2f} MB; loads in "
            f"{row['load_seconds']:.2f} s"
        )
    return found


def mutations(n, path):
    """Damage files of several models n times in all."""
    X, y, bias = rows()
    short = {"max_epochs": 2, "random_state": 0}
    models = {
        "linear": ERMClassifier(**short),
        "BiasAdv, perceptron": BiasAdvClassifier("mlp", **short),
        "DFR": DFRClassifier(n_resamples=2, random_state=0),
        "scaler and head": make_pipeline(StandardScaler(), ERMClassifier(**short)),
        "inferred groups": InferredGroupsClassifier(random_state=0),
    }
    found = []
    each = -(-n // (len(models) * len(MUTATIONS)))
    for name, model in models.items():
        model = slimmed(model.fit(X, y, bias_labels=bias) if name == "DFR" else model.fit(X, y))
        save_model(model, path)
        content = path.read_bytes()
        expected = model.predict_proba(X)
        for damage, mutate in MUTATIONS.items():
            rng = np.random.default_rng(0)
            counts = dict.fromkeys(("error", "same", "other"), 0)
            for _ in range(each):
                counts[outcome(path, mutate(content, rng), predictions(X), expected)] += 1
            found.append({"what": "mutations", "model": name, "damage": damage, **counts})
            print(f"{name:20} {damage:8} {counts}")
    total = {key: sum(row[key] for row in found) for key in ("error", "same", "other")}
    print(f"{sum(total.values())} damaged files: {total}")
    return found


def predictions(X):
    """What a model predicts of the rows."""
    return lambda model: model.predict_proba(X)


def main():
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--sizes", action="store_true")
    parser.add_argument("--mutations", type=int, default=0, metavar="N")
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.skops"
        found = sizes(path) if args.sizes else []
        found += mutations(args.mutations, path) if args.mutations else []
    append(OUT, COLUMNS, found)


if __name__ == "__main__":
    main()
