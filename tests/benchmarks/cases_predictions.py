"""Predictions: one image against the forward pass, linear heads against scikit-learn's."""

import tempfile

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression
from timing import Case, extra_megabytes

from sklearn_debias import ERMClassifier

ROWS = {1: (300, 2), 1_000: (100, 1.5), 100_000: (2, 2)}  # calls, what is asked


def images(n):
    """Prepare n images of 224 pixels: ResNet-18 of ours, and its plain forward pass."""
    rng = np.random.default_rng(0)
    X = rng.random((max(n, 4), 3, 224, 224), dtype=np.float32)
    clf = ERMClassifier("resnet18", max_epochs=1, batch_size=4, device="cpu", random_state=0)
    clf.fit(X[:4], [0, 1, 0, 1])
    rows = X[:n]
    clf.predict(rows)  # short batches are tried from the second call on

    def plain():
        with torch.inference_mode():
            for part in torch.from_numpy(rows).split(32):
                clf.module_(part).argmax(1).numpy()

    return lambda: clf.predict(rows), plain


def heads(n, dtype="float32"):
    """Prepare n rows of 512 columns, a head of ours and scikit-learn's."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((n, 512), dtype=np.float32).astype(dtype)
    train = rng.standard_normal((2000, 512), dtype=np.float32)
    y = train[:, 0] > 0
    clf = ERMClassifier(max_epochs=5, device="cpu", random_state=0).fit(train, y)
    theirs = LogisticRegression(max_iter=20).fit(train, y)
    return X, clf, theirs


def linear(n, dtype="float32"):
    X, clf, theirs = heads(n, dtype)

    def repeated(predict):
        for _ in range(ROWS[n][0]):
            predict(X)

    return lambda: repeated(clf.predict), lambda: repeated(theirs.predict)


def float16_map(n):
    """Prepare a memory map: what a prediction of all rows needs, and one of the first rows."""
    X, clf, _ = heads(n, "float16")
    with tempfile.TemporaryFile() as file:
        file.write(X.tobytes())
        file.flush()
        mapped = np.memmap(file, X.dtype, "r", shape=X.shape)
    return lambda: extra_megabytes(lambda: clf.predict(mapped)), lambda: clf.predict(X[:1000])


def linear_case(n, dtype):
    return Case(
        f"predict-{n}-{dtype}",
        f"`predict`, linear head of 512 columns, {n:,} {dtype} row{'s' * (n > 1)}",
        "`LogisticRegression.predict`",
        ROWS[n][1],
        lambda quick: linear(n, dtype),
        rounds=11,
    )


CASES = [
    Case(
        f"predict-image-{n}",
        f"`predict` of {n} image{'s' * (n > 1)} of 224 pixels, ResNet-18",
        "the forward pass of torch",
        1.5,
        lambda quick, n=n: images(n),
    )
    for n in (1, 33)
]
CASES += [linear_case(n, dtype) for dtype in ("float32", "float16") for n in ROWS]
CASES.append(
    Case(
        "predict-memory",
        "memory of `predict` beside a map of 100,000 float16 rows of 512 columns",
        "-",
        64,
        lambda quick: float16_map(2000 if quick else 100_000),
        unit="MB",
    )
)
