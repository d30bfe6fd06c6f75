"""Names of networks: they follow the user's code wherever a forward pass can reach it by name."""

import functools
import importlib
import operator
import os
import subprocess
import sys

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from sklearn_debias.content import fingerprint
from sklearn_debias.feature_extraction import Embedder

HELPERS = """
import functools
from torch import nn

class Act:
    def __call__(self, x):
        return x * 2.0

class Layer(nn.Module):
    def forward(self, x):
        return x + 3.0

def scaled(x, by):
    return x * by

def blur(x):
    return x - 5.0

@functools.lru_cache
def cached(x):
    return x + 6.0

def unused(x):
    return x + 7.0

LAYER, CALL, PART = Layer(), Act(), functools.partial(scaled, by=4.0)
"""
USER = """
import helpers
from helpers import CALL, LAYER, PART, Act, cached
from torch import nn

class Net(nn.Module):
    def forward(self, x):
        {body}
"""
PROGRAM = """
from sklearn_debias.content import fingerprint
import helpers, user
print(fingerprint(user.Net()))
"""


def write(folder, body, helpers):
    (folder / "helpers.py").write_text(helpers)
    (folder / "user.py").write_text(USER.format(body=body))


def name(folder, monkeypatch, body, helpers=HELPERS):
    """Name of the network by what its modules hold when they are imported anew."""
    write(folder, body, helpers)
    with monkeypatch.context() as patch:
        patch.syspath_prepend(folder)
        patch.setattr(sys, "dont_write_bytecode", True)
        for module in ("helpers", "user"):
            patch.delitem(sys.modules, module, raising=False)
        found = fingerprint(importlib.import_module("user").Net())
        for module in ("helpers", "user"):
            del sys.modules[module]
    return found


@pytest.mark.parametrize(
    ("body", "old", "new"),
    [
        ("return Act()(x)", "2.0", "2.5"),
        ("return CALL(x)", "2.0", "2.5"),
        ("return LAYER(x)", "3.0", "3.5"),
        ("return PART(x)", "4.0", "4.5"),
        ("return PART(x)", "x * by", "x / by"),
        ("return helpers.blur(x)", "5.0", "5.5"),
        ("from helpers import blur; return blur(x)", "5.0", "5.5"),
        ("return cached(x)", "6.0", "6.5"),
    ],
)
def test_code_of_the_user_counts_wherever_it_is(body, old, new, tmp_path, monkeypatch):
    first = name(tmp_path, monkeypatch, body)
    assert first == name(tmp_path, monkeypatch, body, HELPERS.replace("7.0", "7.5"))
    assert first != name(tmp_path, monkeypatch, body, HELPERS.replace(old, new))


class Holding(nn.Module):
    """A network that holds a function, as those of Hugging Face hold F.gelu."""

    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x):
        x = x.numpy() if isinstance(self.function, np.ufunc) else x
        return torch.as_tensor(self.function(x)).mean((2, 3))


FUNCTIONS = {
    "torch": torch.sin,
    "builtin of a part of torch": F.gelu,
    "another one": F.softplus,
    "special": torch.special.expit,
    "an operator": torch.ops.aten.gelu.default,
    "operators": torch.ops.aten.relu,
    "ufunc": np.tanh,
    "another ufunc": np.cos,
    "partial": functools.partial(F.gelu, approximate="tanh"),
    "other arguments": functools.partial(F.gelu, approximate="none"),
    "of Python": operator.neg,
}


def test_functions_without_code_are_told_apart_by_their_names():
    names = {row: fingerprint(Holding(function)) for row, function in FUNCTIONS.items()}
    assert names == {row: fingerprint(Holding(function)) for row, function in FUNCTIONS.items()}
    assert len(set(names.values())) == len(FUNCTIONS)


@pytest.mark.parametrize("row", FUNCTIONS)
def test_networks_that_hold_functions_are_cached(row, cache):
    images = np.random.default_rng(0).random((4, 3, 8, 8), dtype=np.float32)
    expected = Holding(FUNCTIONS[row])(torch.from_numpy(images))
    embedder = Embedder(Holding(FUNCTIONS[row]), batch_size=1)
    for _ in range(2):
        np.testing.assert_allclose(embedder.fit_transform(images), expected, rtol=1e-5, atol=1e-6)
    assert len(list(cache.glob("*/*.keys.npy"))) == 1  # the second time nothing is written


def test_operators_of_an_unknown_library_have_no_name():
    library = torch.library.Library("of_nobody", "DEF")
    library.define("twice(Tensor x) -> Tensor")
    with pytest.raises(TypeError, match="the code of .*of_nobody.twice.* is not known"):
        fingerprint(Holding(torch.ops.of_nobody.twice))


def test_names_are_the_same_in_another_process(tmp_path, monkeypatch):
    body = "return PART(CALL(LAYER(helpers.blur(Act()(x)))))"
    here = name(tmp_path, monkeypatch, body)
    environment = os.environ | {"PYTHONPATH": str(tmp_path), "PYTHONHASHSEED": "1"}
    command = [sys.executable, "-c", PROGRAM]
    assert (
        subprocess.run(
            command, capture_output=True, text=True, check=True, env=environment
        ).stdout.strip()
        == here
    )
