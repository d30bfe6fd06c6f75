"""Inference of groups against one fit of an ERM head: n=5000, d=512, on the CPU."""

import warnings

import numpy as np
import pytest

from sklearn_debias import ERMClassifier, GroupInferrer

N, D = 5000, 512
rng = np.random.default_rng(0)
y = rng.integers(0, 2, N)
bias = np.where(rng.uniform(size=N) < 0.05, 1 - y, y)
X = rng.standard_normal((N, D), dtype=np.float32)
X[:, 0] += 1.5 * y
X[:, 1] += 4 * bias


def erm():
    return ERMClassifier(device="cpu", random_state=0).fit(X, y)


@pytest.mark.parametrize(("method", "limit"), [("xrm", 3.0), ("errors", 1.0)])
def test_inference_against_one_fit_of_erm(compare, method, limit):
    def infer():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return GroupInferrer(method, random_state=0).fit(X, y)

    compare(infer, erm, rounds=5, limit=limit)
