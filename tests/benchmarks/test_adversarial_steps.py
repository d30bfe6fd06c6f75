"""Adversarial training on images: DHAT against a loop by hand and against PGD-AT, 10 steps each."""

import numpy as np
import pytest
from by_hand_images import BATCH, C, dhat, small_network

from sklearn_debias import AdversarialTrainingClassifier, DHATClassifier

pytestmark = pytest.mark.filterwarnings("ignore:The fitted model predicts")  # noise teaches nothing
N, EPOCHS = 512, 4
rng = np.random.default_rng(0)
X = rng.random((N, 3, 32, 32), dtype=np.float32)
y = np.arange(N) % C
SHARED = {"max_epochs": EPOCHS, "batch_size": BATCH, "device": "cpu", "random_state": 0}


def test_image_dhat_against_a_loop_by_hand(compare):
    ours = DHATClassifier(small_network, **SHARED)
    compare(lambda: ours.fit(X, y), lambda: dhat(small_network, X, y, EPOCHS), rounds=5, limit=1.05)


def test_image_dhat_against_pgd_at(compare):
    """The attention's training included, which PGD-AT has not."""
    ours = DHATClassifier(small_network, **SHARED)
    at = AdversarialTrainingClassifier(small_network, **SHARED)
    compare(lambda: ours.fit(X, y), lambda: at.fit(X, y), rounds=5, limit=2.6)
