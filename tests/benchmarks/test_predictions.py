"""Predictions: one image against the forward pass, linear heads against scikit-learn's."""

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression

from sklearn_debias import ERMClassifier

pytestmark = pytest.mark.filterwarnings("ignore::sklearn_debias.exceptions.DebiasWarning")


@pytest.mark.parametrize("n", [1, 33])
def test_images_of_224_pixels_against_the_forward_pass(compare, n):
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

    compare(lambda: clf.predict(rows), plain, rounds=5, limit=1.5)


@pytest.mark.parametrize(("n", "calls", "limit"), [(1, 300, 2), (1_000, 100, 1.5), (100_000, 2, 2)])
@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_a_linear_head_against_logistic_regression(compare, dtype, n, calls, limit):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((n, 512), dtype=np.float32).astype(dtype)
    train = rng.standard_normal((2000, 512), dtype=np.float32)
    y = train[:, 0] > 0
    clf = ERMClassifier(max_epochs=5, device="cpu", random_state=0).fit(train, y)
    theirs = LogisticRegression(max_iter=20).fit(train, y)

    def repeated(predict):
        for _ in range(calls):
            predict(X)

    compare(lambda: repeated(clf.predict), lambda: repeated(theirs.predict), rounds=11, limit=limit)
