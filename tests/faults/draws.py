"""What random calls are drawn from: parameters of every method, and arguments of `fit`."""

import inspect

import numpy as np
import pandas as pd
import torch
from draws_of_classifiers import OF_CLASSIFIERS, SHARED
from draws_of_inferrers import OF_INFERRERS
from faulty import CLASSES, IMAGES, UINT8, X, b, y
from ranges import declared, own_parameters

OWN = OF_CLASSIFIERS | OF_INFERRERS


def space(name):
    """Values of each parameter of the class, the sound one first."""
    taken = inspect.signature(CLASSES[name]).parameters
    shared = {parameter: values for parameter, values in SHARED.items() if parameter in taken}
    own = {p: [taken[p].default, *declared(name, p)] for p in own_parameters(name)}
    return {**shared, **own, **OWN.get(name, {})}


spoiled = X.copy()
spoiled[3, 1] = np.nan
INPUTS = [
    X,
    X.astype(np.float32),
    pd.DataFrame(X),
    X.tolist(),
    torch.tensor(X),
    X[:, :1],
    X[:2],
    X[:1],
    X[:0],
    X[0],
]
INPUTS += [
    1e6 * X,
    1e30 * X,
    1e-30 * X,
    0 * X,
    spoiled,
    1e300 * X,
    X.astype(np.float16),
    X > 1,
    X + 1j,
    None,
    "a",
    [[1]],
]
INPUTS += [
    IMAGES,
    UINT8,
    IMAGES[:, :1, :2, :2],
    IMAGES.transpose(0, 2, 3, 1),
    IMAGES[0],
    IMAGES[:, :, :0],
]
LABELS = [
    y,
    5 * y - 100,
    np.array(["a", "b"])[y],
    y == 1,
    pd.Series(y, dtype="Int64"),
    np.arange(40) % 3,
    0 * y,
]
LABELS += [
    np.arange(40),
    X[:, 0] + 0.3,
    np.eye(2)[y],
    y[:7],
    y[:2],
    None,
    [None] * 40,
    np.where(y, np.nan, 1.0),
    "a",
]
BIAS = [
    None,
    b,
    np.column_stack([b, y]),
    np.array(["sea", "land"])[b],
    0 * b,
    b[:7],
    X[:, 0] + 0.3,
    [None] * 40,
    "a",
]
WEIGHTS = [None, np.ones(40), np.arange(40), 1.0 * y, 0 * X[:, 0], -X[:, 0], X, "a"]
