"""A head on embeddings: n=5000, d=512, batch 128, 30 epochs, Adam, on the CPU.

`table.py` has heads against loops by hand.
"""

import cases_heads
from skorch import NeuralNetClassifier
from torch import nn, optim

from sklearn_debias import ERMClassifier

SETTINGS = cases_heads.settings(quick=False)


def test_erm_against_skorch_as_it_comes(compare):
    X, y, _ = cases_heads.rows()
    net = NeuralNetClassifier(
        nn.Linear,
        module__in_features=cases_heads.D,
        module__out_features=cases_heads.C,
        criterion=nn.CrossEntropyLoss,
        optimizer=optim.Adam,
        optimizer__weight_decay=1e-4,
        lr=1e-3,
        max_epochs=cases_heads.EPOCHS,
        batch_size=128,
        iterator_train__shuffle=True,
        train_split=None,
        verbose=0,
    )
    compare(
        lambda: ERMClassifier(**SETTINGS).fit(X, y), lambda: net.fit(X, y), rounds=3, limit=1 / 2.5
    )
