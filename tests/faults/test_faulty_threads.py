"""Nothing that reads a fitted model writes to it: threads may read one model at the same time."""

import copy
import os
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from faulty import IMAGES, NOTHING_LEARNED, erm, y
from sklearn.model_selection import GridSearchCV
from torch import nn

from sklearn_debias.attribution import attribute
from sklearn_debias.core import SplitModule
from sklearn_debias.feature_extraction import Embedder
from sklearn_debias.model_selection import BatchedGridSearchCV
from sklearn_debias.robustness import robust_accuracy_score

pytestmark = [NOTHING_LEARNED, pytest.mark.filterwarnings("ignore:.*maps are constant")]

# Of the test of all readers; more on demand.
SECONDS = float(os.environ.get("SKLEARN_DEBIAS_SECONDS", "2"))


def noisy():
    """A network that answers otherwise, and writes to its buffers, in train mode."""
    body = nn.Sequential(
        nn.Conv2d(3, 6, 3),
        nn.BatchNorm2d(6),
        nn.ReLU(),
        nn.Dropout(0.5),
        nn.AdaptiveAvgPool2d(2),
        nn.Flatten(),
    )
    return SplitModule(body, nn.Linear(24, 2))


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    return erm(module=noisy(), max_epochs=3).fit(IMAGES, y)


READERS = {
    "predict_proba": lambda clf: clf.predict_proba(IMAGES),
    "decision_function": lambda clf: clf.decision_function(IMAGES[:7]),
    "score": lambda clf: clf.score(IMAGES, y),
    "Grad-CAM": lambda clf: attribute(clf, IMAGES[:8], y[:8], method="grad_cam"),
    "robust accuracy": lambda clf: robust_accuracy_score(
        clf, IMAGES[:8], y[:8], attack="pgd-2", epsilon=0.1
    ),
    "embedding": lambda clf: Embedder(clf.module_).fit(IMAGES[:2]).transform(IMAGES[:9]),
}


def bits(module):
    return {name: value.numpy().tobytes() for name, value in module.state_dict().items()}


@pytest.mark.parametrize("row", READERS)
def test_reading_leaves_modes_and_tensors_alone(model, row):
    before = bits(model.module_)
    READERS[row](model)
    assert bits(model.module_) == before
    assert not any(part.training for part in model.module_.modules())


def test_all_readers_at_once_in_eight_threads(model):
    before = bits(model.module_)
    expected = {row: read(model) for row, read in READERS.items()}
    end = time.monotonic() + SECONDS

    def read(number):
        rows = list(READERS)
        while time.monotonic() < end:
            row = rows[number % len(rows)]
            np.testing.assert_array_equal(READERS[row](model), expected[row], err_msg=row)
            number += 3
        return number

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(read, range(8)))
    assert bits(model.module_) == before


def test_a_model_that_was_put_into_train_mode_predicts_as_before_and_stays_there(model):
    expected = model.predict_proba(IMAGES)
    switched = copy.deepcopy(model)
    switched.module_.train()
    before = bits(switched.module_)
    with ThreadPoolExecutor(4) as pool:
        for found in pool.map(switched.predict_proba, [IMAGES] * 8):
            np.testing.assert_array_equal(found, expected)
    assert bits(switched.module_) == before
    assert all(part.training for part in switched.module_.modules())


def test_an_embedder_in_threads(model):
    embedder = Embedder(model.module_).fit(IMAGES)
    parts = [IMAGES[i : i + 9] for i in range(8)]
    expected = [embedder.transform(part) for part in parts]
    with ThreadPoolExecutor(8) as pool:
        for found, alone in zip(pool.map(embedder.transform, parts), expected, strict=True):
            np.testing.assert_array_equal(found, alone)


@pytest.mark.parametrize("search", [GridSearchCV, BatchedGridSearchCV])
def test_the_best_estimator_of_a_search_is_in_eval_mode(search):
    rows = IMAGES.reshape(40, -1)
    head = nn.Sequential(nn.Linear(192, 4), nn.Dropout(0.5), nn.Linear(4, 2))
    found = search(erm(module=head), {"lr": [0.01, 0.1]}, cv=2).fit(rows, y)
    assert not any(part.training for part in found.best_estimator_.net_.module_.modules())


@pytest.mark.filterwarnings("ignore:The fitted model predicts")
def test_a_monitor_looks_at_the_network_as_it_predicts():
    modes = []

    def monitor(estimator, X, y):
        modes.append(any(part.training for part in estimator.module_.modules()))
        return estimator.score(X, y)

    erm(module=noisy(), validation=0.25, monitor=monitor).fit(IMAGES, y)
    assert modes == [False, False]
