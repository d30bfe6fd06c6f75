"""One row in a server: a head against its plain forward pass after scikit-learn's validation."""

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.utils.validation import validate_data

from sklearn_debias import ERMClassifier

pytestmark = pytest.mark.filterwarnings("ignore:The fitted model predicts")  # noise teaches nothing
REQUESTS = 100  # in a round: one takes less than a millisecond


@pytest.mark.parametrize("d", [20, 512])
@pytest.mark.parametrize("module", ["linear", "mlp"])
def test_one_row(compare, module, d):
    X = np.random.default_rng(0).standard_normal((200, d), dtype=np.float32)
    y = np.arange(200) % 3
    clf = ERMClassifier(module, max_epochs=2, device="cpu", random_state=0).fit(X, y)
    validating = LogisticRegression().fit(X, y)
    row = X[:1]

    def ours():
        for _ in range(REQUESTS):
            clf.predict_proba(row)

    def plain():
        for _ in range(REQUESTS):
            x = validate_data(validating, row, reset=False, dtype=np.float32)
            with torch.inference_mode():
                torch.softmax(clf.module_(torch.from_numpy(x)), 1).numpy()

    compare(ours, plain, rounds=15, limit=3)
