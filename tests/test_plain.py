"""Plain data: what goes in comes out, and nothing else can be made of it."""

import json
from collections import Counter, OrderedDict, deque
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from sklearn_debias.core import Phase
from sklearn_debias.objectives import ERM
from sklearn_debias.plain import NotPlainError, pack, unpack

VALUES = [
    None,
    True,
    3,
    0.1,
    -0.0,
    float("-inf"),
    "text",
    [1, (2, {4, 5}), frozenset({3})],
    {("tuple", 1): {2: [3.5]}, None: "none"},
    Counter({3: 2}),
    OrderedDict(b=1, a=2),
    deque([1, (2,)], maxlen=3),
    torch.Size([2, 3]),
    torch.float64,
    torch.device("cpu"),
    Path("a", "b"),
    ERM(role="biased"),
    Phase("train", (ERM(),), 3),
]
NUMBERS = [np.float32(1.3), np.int64(-3), np.bool_(True), np.str_("x"), np.float16(0.1)]
ARRAYS = [
    np.arange(6.0).reshape(2, 3).T,
    np.array(3.0),
    np.zeros((0, 2), dtype=np.uint8),
    np.array([True, False]),
    np.array([1 + 2j]),
    np.array(["2020-01-01", "NaT"], dtype="M8[D]"),
    np.array([["a", "longer"]]),
    np.array(["a", None, 1], dtype=object),
    np.array([np.nan, np.inf]),
]
TENSORS = [
    torch.tensor(1.5),
    torch.arange(6, dtype=torch.float64).reshape(2, 3).T,
    torch.full((2, 2), 0.1, dtype=torch.bfloat16),
    torch.tensor([True, False]),
    torch.tensor([1 + 2j]),
    torch.zeros(0, 3, dtype=torch.int8),
]
FRAMES = [
    pd.DataFrame({"a": [1.0, None], "b": ["x", "y"], "c": [True, False]}, index=["p", "q"]),
    pd.DataFrame({"a": [1]}, index=pd.MultiIndex.from_arrays([["x"], [1]], names=["g", "h"])),
    pd.DataFrame([[1, 2.0]], columns=["same", "same"]),
]


def there_and_back(value):
    arrays = {}
    packed = pack(value, arrays, "value")
    return unpack(json.loads(json.dumps(packed, allow_nan=False)), arrays)


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_small_values(value):
    back = there_and_back(value)
    assert type(back) is type(value)
    assert repr(back) == repr(value) or back == value


@pytest.mark.parametrize("value", NUMBERS, ids=repr)
def test_numbers_of_numpy_keep_their_type(value):
    back = there_and_back(value)
    assert type(back) is type(value)
    assert back == value


@pytest.mark.parametrize("value", ARRAYS, ids=lambda array: str(array.dtype))
def test_arrays(value):
    back = there_and_back(value)
    assert back.dtype == value.dtype
    np.testing.assert_array_equal(back, value)


@pytest.mark.parametrize("value", TENSORS, ids=lambda tensor: str(tensor.dtype))
def test_tensors(value):
    back = there_and_back(value)
    assert back.dtype == value.dtype
    assert torch.equal(back, value)


@pytest.mark.parametrize("value", FRAMES)
def test_frames(value):
    pd.testing.assert_frame_equal(there_and_back(value), value)


def test_a_series():
    value = pd.Series([1, 2], index=["p", "q"], name="s", dtype="int32")
    pd.testing.assert_series_equal(there_and_back(value), value)


def test_one_array_per_place():
    arrays = {}
    pack({"a": np.ones(2), "b": [np.zeros(1), torch.ones(3)]}, arrays, "it")
    assert {name: len(array) for name, array in arrays.items()} == {
        "it.a": 2,
        "it.b[0]": 1,
        "it.b[1]": 3,
    }


def test_equal_names_of_places_do_not_overwrite_each_other():
    value = {"a.b": np.zeros(1), "a": {"b": np.ones(1)}}
    back = there_and_back(value)
    assert back["a.b"] == 0
    assert back["a"]["b"] == 1


def test_a_copy_does_not_change_with_the_value():
    weight = torch.ones(2)
    shared = {}
    copied = {}
    pack(weight, shared, "w")
    pack(weight, copied, "w", copy=True)
    weight.mul_(5)
    assert shared["w"].tolist() == [5, 5]
    assert copied["w"].tolist() == [1, 1]


def test_tensors_of_a_read_only_array_can_be_trained_on():
    arrays = {}
    packed = pack(torch.ones(2), arrays, "w")
    arrays["w"].flags.writeable = False
    unpack(packed, arrays).mul_(2)
    assert arrays["w"].tolist() == [1, 1]


@pytest.mark.parametrize(
    "value",
    [
        lambda: 0,
        iter([]),
        torch.nn.Linear(1, 1),
        torch.Generator(),
        np.zeros(1, dtype=[("a", "f4")]),
        torch.ones(1, device="meta"),
        object(),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_has_no_plain_form_is_named(value):
    with pytest.raises(NotPlainError, match=r"state\.inner\[1\]"):
        pack({"inner": [1, value]}, {}, "state")


@pytest.mark.parametrize(
    "packed",
    [
        ["ours", "os", "system", []],
        ["ours", "sklearn_debias.plain", "unpack", []],
        ["ours", "sklearn_debias.objectives", "np.dtype", []],
        ["ours", "sklearn_debias.core", "Net.__init__", []],
        ["unknown", 1],
        ["array", "missing"],
        ["list"],
        [],
        ["pack", 1],
    ],
    ids=str,
)
def test_what_is_read_makes_nothing_but_plain_data(packed):
    with pytest.raises(ValueError, match="not plain data"):
        unpack(packed, {})


class Other:
    pass


def test_what_is_kept_apart_is_given_back():
    apart = []

    def keep(pack, value, path):
        if not isinstance(value, Other):
            return None
        apart.append(value)
        return [len(apart) - 1, pack(np.arange(2), f"{path}.beside")]

    def kept(unpack, number, beside):
        assert unpack(beside).tolist() == [0, 1]
        return apart[number]

    arrays = {}
    one = Other()
    packed = pack({"a": [one, ERM()]}, arrays, "value", keep=keep)
    assert unpack(packed, arrays, kept=kept) == {"a": [one, ERM()]}
    with pytest.raises(ValueError, match="kept apart"):
        unpack(packed, arrays)


@pytest.mark.parametrize(
    "packed",
    [
        ["torch.dtype", "load"],
        ["torch.dtype", "sys"],
        ["tensor", "save", "cpu", "a"],
        ["ours", "sklearn_debias.estimators", "ERMClassifier", [["lr", 1]]],
        ["ours", "sklearn_debias.objectives", "ERM", [["step", 1]]],
        ["of_array", "a"],
        ["unpack", ["list", []]],
    ],
    ids=str,
)
def test_names_of_other_things_are_refused(packed):
    with pytest.raises(ValueError, match="not plain data"):
        unpack(packed, {"a": np.ones(1)})


def test_a_text_as_deep_as_python_is_refused():
    deep = []
    for _ in range(100_000):
        deep = ["list", [deep]]
    with pytest.raises(ValueError, match="not plain data"):
        unpack(deep, {})
