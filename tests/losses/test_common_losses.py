"""What every exported function of `sklearn_debias.losses` keeps to, found by discovery."""

from inspect import signature

import pytest
import torch
from torch.func import vmap

from sklearn_debias.losses import no_statistics
from sklearn_debias.testing import all_losses
from sklearn_debias.testing._asserts import assert_close, generators_untouched

LOSSES = dict(all_losses())
SIZES = {"b": 9, "k": 3, "d": 4, "e": 2}  # rows, classes, features, environments
B, K, D, E = SIZES.values()


def drawn(*shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(len(shape))).double()


Y = torch.arange(B) % K
SPREAD = drawn(K, D, D)
# By the names of parameters. A tensor of another name is as the logits, a number is a half.
ROWS = {
    "logits": drawn(B, K),
    "reference": drawn(B, K).flip(0),
    "background": drawn(B, K).flip(1),
    "y": Y,
    "group": Y,
    "member": torch.eye(E)[torch.arange(B) % E].double(),
    "features": drawn(B, D),
    "activation": drawn(B, D),
    "z": drawn(B, D),
    "student": drawn(B, D),
    "teacher": drawn(B, D).flip(0),
    "values": drawn(B),
    "loss": drawn(B).exp(),
}
FIXED = {
    "count": torch.tensor([50.0, 20.0, 5.0]).double(),
    "margins": torch.tensor([0.1, 0.2, 0.3]).double(),
    "weight": drawn(K, D),
    "covariance": SPREAD @ SPREAD.mT,
    "like": drawn(1),
    "groups": torch.arange(K),
    "n_classes": K,
    "n_features": D,
    "diagonal": False,
    "kind": "log_prob",
    "statistics": no_statistics(K, D, diagonal=False, like=drawn(1)),
}
OWN = {
    "class_opposition": {
        "student": drawn(K, D),
        "teacher": drawn(K, D).flip(0),
        "share": torch.full((K, K), 1 / K**2).double(),
    },
    "mean_over_present": {"values": drawn(E)},
}
# Shapes of what is neither a value for each row nor a scalar.
SHAPES = {
    "class_balanced_weights": ["k"],
    "environment_means": ["e"],
    "ldam_margins": ["k"],
    "membership": ["bk"],
    "no_statistics": ["k", "kd", "kdd"],
    "saliency_cotangent": ["bk"],
    "scale_free": ["bd"],
    "similarity_matrix": ["bb"],
    "spread": ["kk"],
    "update_statistics": ["k", "kd", "kdd"],
}
WITHOUT_GRADIENT = {"gce_weight", "gce_weight_of_loss", "membership", "no_statistics"}
ALWAYS_DOUBLE = {"class_balanced_weights"}
each = pytest.mark.parametrize("name", LOSSES)


def arguments(name):
    """Arguments of the function, by name; those with a default are left out."""
    required = {
        p.name: p for p in signature(LOSSES[name]).parameters.values() if p.default is p.empty
    }
    known = {**ROWS, **FIXED, **OWN.get(name, {})}
    return {n: known[n] if n in known else other(p) for n, p in required.items()}


def other(parameter):
    return 0.5 if "float" in str(parameter.annotation) else ROWS["logits"]


def changed(given, change):
    """The arguments with ``change`` applied to every tensor of floats."""
    return {n: change(v) if is_float(v) else v for n, v in given.items()}


def is_float(value):
    return isinstance(value, torch.Tensor) and value.is_floating_point()


def is_row_wise(name, argument):
    return argument in ROWS and argument not in OWN.get(name, {})


def results(name, given):
    """What the function returns, as a tuple."""
    out = LOSSES[name](**given)
    return out if isinstance(out, tuple) else (out,)


def axes(name, found):
    """Letters of the axes of each result, "b" for the rows."""
    return SHAPES.get(name) or ["b" * found[0].ndim]


@each
def test_a_value_for_each_row_or_a_scalar(name):
    found = results(name, arguments(name))
    expected = [tuple(SIZES[letter] for letter in letters) for letters in axes(name, found)]
    assert [f.shape for f in found] == expected


@each
def test_the_same_each_time_and_nothing_is_written_to(name):
    given = arguments(name)
    before = changed(given, torch.clone)
    with generators_untouched():
        first, again = results(name, given), results(name, given)
    for one, two in zip(first, again, strict=True):
        assert torch.equal(one, two)
    for argument, value in before.items():
        if is_float(value):
            assert torch.equal(given[argument], value), argument


@each
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_precision_is_kept(name, dtype):
    given = changed(arguments(name), lambda v: v.to(dtype))
    if "statistics" in given:
        given["statistics"] = tuple(v.to(dtype) for v in given["statistics"])
    expected = torch.float64 if name in ALWAYS_DOUBLE else dtype
    assert all(found.dtype == expected for found in results(name, given))


@each
def test_finite_with_finite_gradients_at_a_thousand_times_the_size(name):
    given = arguments(name)
    large = {
        n: 1e3 * v if is_row_wise(name, n) and n != "member" and is_float(v) else v
        for n, v in given.items()
    }
    large = changed(large, lambda v: v.float().requires_grad_())
    if "statistics" in large:
        large["statistics"] = tuple(v.float() for v in large["statistics"])
    found = results(name, large)
    assert all(torch.isfinite(f).all() for f in found)
    assert any(f.requires_grad for f in found) == (name not in WITHOUT_GRADIENT)
    if name not in WITHOUT_GRADIENT:
        wanted = [v for v in large.values() if is_float(v)]
        total = sum(f.sum() for f in found)
        gradients = torch.autograd.grad(total, wanted, allow_unused=True)
        assert all(g is None or torch.isfinite(g).all() for g in gradients)


@each
def test_the_order_of_the_rows_does_not_matter(name):
    given = arguments(name)
    order = torch.randperm(B, generator=torch.Generator().manual_seed(1))
    turned = {n: v[order] if is_row_wise(name, n) else v for n, v in given.items()}
    found, again = results(name, given), results(name, turned)
    for expected, actual, letters in zip(found, again, axes(name, found), strict=True):
        for axis in [i for i, letter in enumerate(letters) if letter == "b"]:
            expected = expected.index_select(axis, order)
        assert_close(actual, expected, 1e-12, name)


@each
def test_one_vmapped_run_gives_what_each_run_gives(name):
    given = arguments(name)
    floats = {n: v for n, v in given.items() if is_float(v)}
    rest = {n: v for n, v in given.items() if n not in floats}
    runs = [floats, {n: v if n in FIXED or n == "member" else 0.5 * v for n, v in floats.items()}]
    stacked = {n: torch.stack([run[n] for run in runs]) for n in floats}
    together = vmap(lambda own: results(name, {**own, **rest}), randomness="error")(stacked)
    for i, run in enumerate(runs):
        for actual, expected in zip(together, results(name, {**run, **rest}), strict=True):
            assert_close(actual[i], expected, 1e-12, name)
