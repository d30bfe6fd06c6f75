"""faults.md, the rows on ULE: layers, maps of other shapes, students, batches of one."""

import warnings

import numpy as np
import pytest
import torch
from faulty import IMAGES, X, fitted_names, make, y
from torch import nn

from sklearn_debias.core import SplitModule

rng = np.random.default_rng(0)


def cnn(n_classes):
    body = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(2), nn.Flatten())
    return SplitModule(body, nn.Linear(16, n_classes))


def narrow(n_classes):
    return SplitModule(
        nn.Sequential(nn.Conv2d(3, 2, 3), nn.ReLU(), nn.Flatten()), nn.Linear(72, n_classes)
    )


class Pair(nn.Module):
    """A layer with two outputs."""

    def forward(self, x):
        return x, x


class Plain(nn.Module):
    """A network that has no layers to split at."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(4, 2))

    def forward(self, x):
        return x @ self.weight


class First(nn.Module):
    def forward(self, x):
        return x[0]


def two_outputs(n_classes):
    return SplitModule(nn.Sequential(nn.Flatten(), Pair(), First()), nn.Linear(192, n_classes))


FAULTS = {
    "a layer that does not exist": (
        IMAGES,
        {"module": cnn, "where": "layer9"},
        {},
        "`where`.*layers are '0', '1'",
    ),
    "a layer without one output": (
        IMAGES,
        {"module": two_outputs, "where": "1"},
        {},
        "`where`.*one tensor",
    ),
    "a layer of features": (X, {"where": "layer1"}, {}, "`where`.*no layer 'layer1'"),
    "maps of other shapes": (
        IMAGES,
        {"module": cnn, "student_module": narrow, "where": "0"},
        {},
        "`similarity`.*gram",
    ),
    "features of other shapes": (X, {"student_module": "mlp"}, {}, "`similarity`.*'gram'"),
    "gram below a frozen body": (
        IMAGES,
        {"module": cnn, "freeze": "body", "similarity": "gram", "where": "features"},
        {},
        "`where`='features' .* frozen",
    ),
    "gram with batch 1": (
        X,
        {"similarity": "gram", "batch_size": 1},
        {},
        "`batch_size` must be at least 2",
    ),
    "gram of the input": (X, {"similarity": "gram", "where": "input"}, {}, "`where`='input'"),
    "saliency of the output": (X, {"where": "output"}, {}, "`where`='output'"),
    "a student of fewer rows": (
        X,
        {"similarity": "gram"},
        {"X_student": X[:9]},
        "`X_student`.*9 rows, and X 40",
    ),
    "a student of NaN": (X, {"similarity": "gram"}, {"X_student": X * np.nan}, "`X_student`.*NaN"),
    "a student of another width": (X, {}, {"X_student": X[:, :2]}, "`similarity`.*'gram'"),
    "two learning rates of the student": (
        X,
        {
            "student_lr": 0.1,
            "net_params": {"optimizer__param_groups": [("student.*", {"lr": 1.0})]},
        },
        {},
        "`student_lr`.*`net_params`",
    ),
    "embeddings that are not finite": (np.where(X > 3, np.inf, X), {}, {}, "infinity"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_is_refused_by_name(fault):
    data, params, given, message = FAULTS[fault]
    clf = make("ULEClassifier", **params)
    with pytest.raises((ValueError, TypeError), match=message):
        clf.fit(data, y, **given)
    assert fitted_names(clf) == []


def test_a_last_batch_of_one_row_joins_the_one_before():
    clf = make("ULEClassifier", similarity="gram", batch_size=13).fit(
        X, y
    )  # 40 rows: 13, 13, 13 and 1
    assert np.isfinite(clf.history_["opposition"]).all()


def test_gradients_of_zero_leave_a_finite_model():
    """A ReLU that is dead from the start: every map of the input is zero."""

    def dead(n_classes):
        layer = nn.Linear(4, 3)
        with torch.no_grad():
            layer.bias.fill_(-1e3)
        return SplitModule(nn.Sequential(layer, nn.ReLU()), nn.Linear(3, n_classes))

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        clf = make("ULEClassifier", module=dead, where="input", student_warmup=0).fit(X, y)
    assert np.isfinite(clf.predict_proba(X)).all()
    assert (clf.history_["opposition"] == 0).all()


@pytest.mark.filterwarnings("ignore:The fitted model predicts")
def test_constant_embeddings_are_survived():
    assert np.isfinite(make("ULEClassifier").fit(np.ones_like(X), y).predict_proba(X)).all()


def test_a_module_without_a_body_has_no_features():
    with pytest.raises(TypeError, match="`module` must have a body and a head .*, or let `where`"):
        make("ULEClassifier", module=Plain, where="features").fit(X, y)
