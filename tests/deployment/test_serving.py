"""What a server does with a fitted classifier: several threads, a process that did not fit it."""

import threading
from concurrent.futures import ThreadPoolExecutor

import joblib
import numpy as np
import pytest
from fresh import said_by
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_debias import DFRClassifier, ERMClassifier

pytestmark = pytest.mark.filterwarnings("ignore:The fitted model predicts")  # noise teaches nothing
FEW = {"max_epochs": 2, "batch_size": 32, "random_state": 0}
THREADS = 4


def features():
    return np.random.default_rng(0).normal(size=(60, 6)).astype(np.float32)


def images():
    return np.random.default_rng(0).integers(0, 256, (60, 1, 8, 8), dtype=np.uint8)


CASES = {
    "linear": (ERMClassifier("linear", **FEW), features),
    "mlp": (ERMClassifier("mlp", **FEW), features),
    "pipeline": (make_pipeline(StandardScaler(), ERMClassifier("mlp", **FEW)), features),
    "last layer": (DFRClassifier(n_resamples=1, random_state=0), features),
    "cnn": (ERMClassifier("simple_cnn", **FEW), images),
}


@pytest.mark.filterwarnings("ignore:.*no bias_labels")
@pytest.mark.parametrize("case", CASES)
def test_threads_predict_the_same_bits(case):
    clf, rows = CASES[case]
    X = rows()
    clf.fit(X, np.arange(60) % 3)
    # Requests of one, of few and of many rows, as a server has them at the same time.
    requests = [X[i : i + n] for n in (1, 3, 40) for i in range(0, 20, 4)]
    expected = [clf.predict_proba(rows) for rows in requests]
    start = threading.Barrier(THREADS)

    def serve(_):
        start.wait()
        return [clf.predict_proba(rows) for rows in requests]

    with ThreadPoolExecutor(THREADS) as pool:
        for answers in pool.map(serve, range(THREADS)):
            for answer, right in zip(answers, expected, strict=True):
                np.testing.assert_array_equal(answer, right)


@pytest.mark.slow
def test_a_fresh_process_predicts_the_same_bits(tmp_path):
    X = features()
    clf = ERMClassifier("mlp", **FEW).fit(X, np.arange(60) % 3)
    joblib.dump(clf, tmp_path / "clf.joblib")
    np.save(tmp_path / "X.npy", X)
    program = """
        import joblib, numpy as np
        clf = joblib.load("clf.joblib")
        X = np.load("X.npy")
        # One row first: nothing has been computed in this process yet.
        np.save("first.npy", clf.predict_proba(X[:1]))
        np.save("all.npy", clf.predict_proba(X))
    """
    said_by(program, tmp_path)
    np.testing.assert_array_equal(np.load(tmp_path / "all.npy"), clf.predict_proba(X))
    np.testing.assert_array_equal(np.load(tmp_path / "first.npy"), clf.predict_proba(X)[:1])
