"""Linear heads predict in float32 where they are sure: nobody can tell from the labels."""

import math
import operator
import os
import subprocess
import sys
from fractions import Fraction
from types import MethodType

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from sklearn_debias import ERMClassifier
from sklearn_debias.core import SplitModule
from sklearn_debias.exceptions import DivergedError
from sklearn_debias.fitting import _predicting
from sklearn_debias.fitting._sure import SureClasses

pytestmark = pytest.mark.filterwarnings("ignore:The fitted model predicts")  # few steps
N, D = 2000, 40
FLOAT32, FLOAT64 = np.dtype("float32"), np.dtype("float64")


def linear(n_classes, seed=0, scale=1.0, shift=0.0):
    """A layer in float64 whose weights are numbers of float32."""
    rng = np.random.default_rng(seed)
    layer = nn.Linear(D, n_classes)
    with torch.no_grad():
        layer.weight.copy_(torch.from_numpy(scale * rng.normal(size=(n_classes, D)) + shift))
        layer.bias.copy_(torch.from_numpy(scale * rng.normal(size=n_classes)))
    return layer.double()


def near_ties(layer, dtype, seed=1):
    """Rows whose first two logits differ by no more than rounding can do, and ordinary ones."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(N, D)) * 10.0 ** rng.integers(-3, 4, size=(N, 1))
    weight = layer.weight.detach().numpy()
    normal = weight[1] - weight[0]
    shift = (layer.bias[1] - layer.bias[0]).item()
    tied = x - ((x @ normal + shift) / (normal @ normal))[:, None] * normal
    return np.concatenate([tied, x]).astype(dtype)


def fitted(n_classes=2, **params):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, D)).astype(np.float32)
    y = np.arange(300) % n_classes
    X[:, 0] += y
    return ERMClassifier(max_epochs=2, device="cpu", random_state=0, **params).fit(X, y)


@pytest.mark.parametrize("n_classes", [2, 5])
@pytest.mark.parametrize("scale", [1e-8, 1.0, 1e8])
def test_what_float32_is_sure_of_is_so(n_classes, scale):
    layer = linear(n_classes, scale=scale)
    rows = near_ties(layer, "float32")
    codes, is_sure = SureClasses.of(layer, FLOAT32)(rows)
    # Products of float32 numbers are exact in float64, and fsum rounds once.
    weight, bias = layer.weight.detach().numpy(), layer.bias.detach().numpy()
    layers = list(zip(weight, bias, strict=True))
    exact = [[math.fsum([*(x * w), b]) for w, b in layers] for x in rows.astype(float)]
    right = codes == np.argmax(exact, axis=1)
    assert right[is_sure].all()
    assert not right.all()  # these rows can tell
    assert is_sure[N:].mean() > 0.95


def test_what_float64_is_sure_of_is_so():
    layer = linear(2)
    rows = near_ties(layer, "float64")[N - 300 : N + 300]
    codes, is_sure = SureClasses.of(layer, FLOAT64)(rows)
    normal = [Fraction(b) - Fraction(a) for a, b in layer.weight.detach().T.tolist()]
    shift = Fraction(layer.bias[1].item()) - Fraction(layer.bias[0].item())
    leads = [sum(map(operator.mul, map(Fraction, row), normal), shift) for row in rows.tolist()]
    right = codes == np.array([lead > 0 for lead in leads])
    assert right[is_sure].all()
    assert not right.all()
    assert is_sure[300:].all()


def test_values_that_are_not_finite_or_huge_are_never_sure():
    rows = np.ones((6, D), dtype=np.float32)
    rows[0, 3], rows[1, 4], rows[2, 5] = np.nan, np.inf, -np.inf
    rows[3] = 3e38
    rows[4, :2] = 1e30, -1e30
    with np.errstate(all="raise"):
        _, is_sure = SureClasses.of(linear(2), FLOAT32)(rows)
    assert is_sure.tolist() == [False] * 5 + [True]
    layer = linear(2)
    layer.weight.data[:] = 0  # times infinity it is no number
    assert not SureClasses.of(layer, FLOAT32)(rows)[1][:3].any()


@pytest.mark.parametrize(("dtype", "bits"), [(FLOAT32, 24), (FLOAT64, 53)])
def test_the_bound_is_that_of_higham(dtype, bits):
    """Its gamma is n u / (1 - n u), n = d + 1; float64 is compared with sums of its own kind."""
    layer = linear(3)
    level = SureClasses.of(layer, dtype)
    u = Fraction(1, 2**bits)
    gamma = (D + 1) * u / (1 - (D + 1) * u)
    sums = 2 if dtype == FLOAT32 else 4
    norm = layer.weight.detach().norm(dim=1).max().item()
    reach = layer.bias.detach().abs().max().item()
    # No less, and beyond it the slack for the rounding of the bound itself.
    assert sums * gamma * norm <= level.per_norm <= 1.011 * sums * gamma * norm
    assert sums * gamma * reach <= level.at_least <= 1.011 * sums * gamma * reach


class Own(nn.Linear):
    """Its forward may be another."""


def scaled(module):
    """Put a forward on the object."""

    def forward(self, x):
        return -type(self).forward(self, x)

    module.forward = MethodType(forward, module)
    return module


@pytest.mark.parametrize(
    "module",
    [
        Own(D, 2).double(),
        scaled(linear(2)),
        scaled(SplitModule(nn.Identity(), linear(2))),
        SplitModule(nn.Identity(), scaled(linear(2))),
        nn.Sequential(linear(2)),
        SplitModule(nn.ReLU(), linear(2)),
        nn.utils.parametrizations.weight_norm(linear(2)),
        linear(2, scale=1e20),
        linear(2, scale=np.nan),
        nn.Linear(D, 2, dtype=torch.float64),  # float32 does not hold its weights
    ],
)
def test_other_modules_go_to_float64(module):
    assert SureClasses.of(module, FLOAT32) is None


def test_a_layer_may_have_no_bias():
    layer = linear(3)
    rows = near_ties(layer, "float32")[N:]
    without = nn.Linear(D, 3, bias=False, dtype=torch.float64)
    without.weight = layer.weight
    codes, is_sure = SureClasses.of(SplitModule(nn.Identity(), without), FLOAT32)(rows)
    expected = (rows.astype(float) @ layer.weight.detach().numpy().T).argmax(1)
    np.testing.assert_array_equal(codes[is_sure], expected[is_sure])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("n_classes", [2, 4])
def test_labels_are_those_of_the_logits_alone_and_in_company(n_classes, dtype):
    clf = fitted(n_classes, dtype=dtype)
    rows = near_ties(clf.module_.head.double(), dtype)
    clf.module_.to(getattr(torch, dtype))
    scores = clf.decision_function(rows)
    expected = scores > 0 if n_classes == 2 else scores.argmax(1)
    predicted = clf.predict(rows)
    np.testing.assert_array_equal(predicted, expected)
    order = np.random.default_rng(2).permutation(len(rows))
    for part in (order[:1], order[1:8], order[8:700], order[700:]):
        np.testing.assert_array_equal(clf.predict(rows[part]), predicted[part])


@pytest.mark.parametrize("module", ["linear", "mlp"])
@pytest.mark.parametrize("dtype", ["f2", "f8", "u1", "i8", "?", ">f4", ">f2"])
def test_types_of_rows(module, dtype):
    clf = fitted(module=module)
    rows = (3 * near_ties(linear(2), "float64")[N - 50 : N + 600]).clip(0, 250).astype(dtype)
    plain = rows.astype("f4")
    np.testing.assert_array_equal(clf.predict(rows), clf.predict(plain))
    np.testing.assert_array_equal(clf.predict_proba(rows), clf.predict_proba(plain))


@pytest.mark.parametrize("module", ["linear", "mlp"])
def test_layouts_of_rows(module, tmp_path):
    clf = fitted(module=module)
    rows = near_ties(linear(2), "float32")[N - 50 : N + 600]
    path = tmp_path / "rows.npy"
    np.save(path, rows)
    wide = np.repeat(rows, 2, axis=1)
    kinds = [
        np.asfortranarray(rows),
        wide[:, ::2],
        rows[::-1][::-1],
        np.load(path, mmap_mode="r"),
        rows.tolist(),
        pd.DataFrame(rows),
        torch.from_numpy(rows),
    ]
    for kind in kinds:
        np.testing.assert_array_equal(clf.predict(kind), clf.predict(rows))
        np.testing.assert_allclose(
            clf.decision_function(kind), clf.decision_function(rows), rtol=0, atol=1e-12
        )


@pytest.mark.parametrize("call", ["predict", "predict_proba"])
@pytest.mark.parametrize("module", ["linear", "mlp"])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e300])
@pytest.mark.parametrize("at", [(0, 0), (700, D - 1), (1500, 7)])
def test_a_bad_value_is_refused_wherever_it_is(call, module, value, at):
    clf = fitted(module=module)
    rows = np.ones((1501, D))
    rows[at] = value
    with pytest.raises(ValueError, match="Input X contains") as found:
        getattr(clf, call)(rows)
    with pytest.raises(ValueError, match="Input X contains") as expected:
        clf._fitted.open(clf, rows)
    assert str(found.value) == str(expected.value)


def test_a_diverged_head_is_none_of_the_rows_fault():
    clf = fitted()
    with torch.no_grad():
        clf.module_.head.weight[0, 0] = np.nan
    with pytest.raises(DivergedError, match="outputs of the fitted `module` are not finite"):
        clf.predict(np.ones((3, D), dtype=np.float32))


def test_a_changed_head_predicts_as_it_is_now():
    clf = fitted()
    rows = near_ties(linear(2), "float32")[N:]
    before = clf.predict(rows)
    clf.module_.head.weight.data.mul_(-1)
    clf.module_.head.bias.data.mul_(-1)
    np.testing.assert_array_equal(clf.predict(rows), 1 - before)


def test_many_doubted_rows_are_not_copied_at_once(monkeypatch):
    clf = fitted()
    asked = []
    outputs = _predicting.outputs
    monkeypatch.setattr(
        _predicting, "outputs", lambda clf, rows: asked.append(len(rows)) or outputs(clf, rows)
    )
    rows = np.zeros((1300, D), dtype=np.float32)
    with torch.no_grad():
        clf.module_.head.bias.zero_()
    assert (clf.predict(rows) == 0).all()
    assert asked == [512, 512, 276]


MEMORY = """
import resource, sys
import numpy as np
from sklearn_debias import ERMClassifier

def peak():
    return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

rows = np.ones((600, 256), dtype=np.float32)
rows[::2, 0] = 9
clf = ERMClassifier(max_epochs=1, device="cpu", random_state=0).fit(rows, np.arange(600) % 2)
clf.predict(rows), clf.decision_function(rows)
for path in sys.argv[1:]:
    X = np.load(path, mmap_mode="r")
    before = peak()
    clf.predict(X), clf.decision_function(X)
    print(peak() - before - X.nbytes)
    del X
"""


@pytest.mark.skipif(sys.platform != "linux", reason="ru_maxrss is in other units")
def test_a_prediction_takes_a_few_batches_of_memory(tmp_path):
    paths = []
    for dtype in ("u1", "f2", "f4"):
        paths.append(tmp_path / f"{dtype}.npy")
        X = np.lib.format.open_memmap(paths[-1], mode="w+", dtype=dtype, shape=(70_000, 256))
        X[:] = np.arange(256) % 7
        X[::2, 0] = 9
        X.flush()
    found = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", MEMORY, *map(str, paths)],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    # The pages of a map that were read count, too. A copy in float32 would take 72 MB.
    beyond = [int(line) for line in found.stdout.split()]
    assert len(beyond) == 3
    assert max(beyond) < 64e6, beyond


def test_where_most_rows_are_in_doubt_nobody_asks_any_more(monkeypatch):
    """Classes that tie leave every row to float64: asking first would cost as much again."""
    clf = fitted(3)
    head = clf.module_.get_submodule("head")
    with torch.no_grad():
        head.weight[1] = head.weight[0]
        head.bias[:2] = 5.0  # far above the third
    asked = []
    call = SureClasses.__call__

    def counted(self, rows):
        asked.append(len(rows))
        return call(self, rows)

    monkeypatch.setattr(SureClasses, "__call__", counted)
    X = np.random.default_rng(0).normal(size=(5 * 512, clf.n_features_in_)).astype(np.float32)
    codes = clf.predict(X)
    assert sum(asked) <= 2 * 512  # float32 and float64 looked at the first piece only
    np.testing.assert_array_equal(codes, clf.classes_[clf.predict_log_proba(X).argmax(axis=1)])
