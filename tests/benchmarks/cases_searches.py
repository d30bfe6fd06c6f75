"""A search of 110 settings in 3 folds at once, against one process and against its products.

Few epochs stand for the papers' hundreds: what a search does once per fit (checks, scoring) weighs
more here, so the ratios are pessimistic. The one process trains a tenth of the settings.
"""

import warnings

import numpy as np
import torch
from cases_heads import by_autograd
from sklearn.model_selection import GridSearchCV
from timing import Case

from sklearn_debias import (
    BiasAdvClassifier,
    ERMClassifier,
    GroupDROClassifier,
    JTTClassifier,
    LfFClassifier,
    ULEClassifier,
)
from sklearn_debias.model_selection import BatchedGridSearchCV

N, D, BATCH, EPOCHS, FOLDS = 4795, 512, 128, 20, 3
LR, DECAY = np.logspace(-4, -2, 5), [0.0, 1e-4]
RATES = {"lr": np.logspace(-4, -2, 11), "weight_decay": np.logspace(-5, -1, 10)}
GRIDS = {
    "ULE": (ULEClassifier(), {"lam": np.linspace(0, 1, 11), "lr": LR, "weight_decay": DECAY}),
    "ERM": (ERMClassifier(), RATES),
    "LfF": (LfFClassifier(), {"q": np.linspace(0.1, 0.9, 11), "lr": LR, "weight_decay": DECAY}),
    "GroupDRO": (GroupDROClassifier(), RATES),
    "JTT": (JTTClassifier(), RATES),
    "BiasAdv": (
        BiasAdvClassifier(n_steps=2),
        {"lam": np.linspace(0, 1, 11), "lr": LR, "weight_decay": DECAY},
    ),
}
NETS = {"ULE": 2, "ERM": 1, "LfF": 2, "GroupDRO": 1, "JTT": 1.5}  # heads trained in an epoch
FASTER = {"ULE": 12, "ERM": 12, "LfF": 12, "GroupDRO": 12, "JTT": 6, "BiasAdv": 4}
SEEN = {"ULE": 5, "ERM": 3, "LfF": 3, "GroupDRO": 3, "JTT": 2, "BiasAdv": 0.8}
TIMES_PRODUCTS, SEEN_PRODUCTS = 5, 60


def rows():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((N, D), dtype=np.float32)
    y = (X[:, 0] + rng.standard_normal(N) > 0).astype(int)
    return X, y, np.where(rng.uniform(size=N) < 0.9, y, 1 - y)


def searches(method, quick, *, closed=True):
    """Prepare the fit of the whole grid at once, and of a tenth in one process.

    The one process takes steps in closed form, or goes by autograd, as it did when the limits were
    set.
    """
    clf, grid = GRIDS[method]
    epochs = 1 if quick else EPOCHS
    clf.set_params(max_epochs=epochs, batch_size=BATCH, random_state=0, device="cpu")
    if method == "JTT":
        clf.set_params(identification_epochs=max(1, epochs // 2))
    first = next(iter(grid))
    tenth = {name: values if name == first else values[:1] for name, values in grid.items()}
    X, y, bias = rows()
    given = {"bias_labels": bias} if method == "GroupDRO" else {}

    def run(search):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            search.fit(X, y, **given)

    options = {"cv": FOLDS, "refit": False}

    def one_by_one():
        run(GridSearchCV(clf, tenth, **options))

    return (
        lambda: run(BatchedGridSearchCV(clf, grid, **options)),
        one_by_one if closed else by_autograd(one_by_one),
    )


def products(method, quick, settings=110, classes=2):
    """Prepare the matrix products of all heads and steps, forward and backward, and no more."""
    x = torch.randn(BATCH, D)
    weight = torch.randn(settings * classes, D)
    gradient = torch.randn(settings * classes, BATCH)
    steps = FOLDS * (1 if quick else EPOCHS) * (N * (FOLDS - 1) // FOLDS // BATCH)

    def run():
        for _ in range(int(NETS[method] * steps)):
            weight @ x.T
            gradient @ x

    return run


CASES = [
    Case(
        f"search-{method}",
        f"search of {method} heads: 110 settings, 3 folds, {EPOCHS} epochs",
        "one process, a tenth of the settings times 10",
        1 / faster,
        lambda quick, method=method: searches(method, quick),
        rounds=2,
        warm_up=False,
        share=0.1,
        holds=1 / SEEN[method],
    )
    for method, faster in FASTER.items()
]
CASES += [
    Case(
        f"search-before-{method}",
        f"search of {method} heads: 110 settings, 3 folds, {EPOCHS} epochs",
        "one process by autograd, a tenth of the settings times 10",
        1 / FASTER[method],
        lambda quick, method=method: searches(method, quick, closed=False),
        rounds=2,
        warm_up=False,
        share=0.1,
        holds=1 / SEEN[method],
    )
    for method in ("ERM", "LfF", "GroupDRO", "JTT")
]
CASES += [
    Case(
        f"products-{method}",
        f"search of {method} heads: 110 settings, 3 folds, {EPOCHS} epochs",
        "its matrix products",
        TIMES_PRODUCTS,
        lambda quick, method=method: (searches(method, quick)[0], products(method, quick)),
        rounds=2,
        warm_up=False,
        holds=SEEN_PRODUCTS,
    )
    for method in NETS
]
