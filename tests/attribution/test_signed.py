"""Maps that keep their sign: what speaks for the class, and what against it."""

import numpy as np
import pytest
import torch
from networks import cnn, images
from torch import nn

from sklearn_debias.attribution import attribute, input_gradients, integrated_gradients
from sklearn_debias.core import Net
from sklearn_debias.exceptions import DebiasWarning
from sklearn_debias.losses import scale_free
from sklearn_debias.maps import gradient_x_input, max_abs, signed_map

BY_SIGN = ["integrated_gradients", "input_gradient", "gradient_x_input"]
MODULE = cnn()
X = images(6)
Y = torch.arange(6) % 4


def scaled(maps):
    """Each map divided by its largest magnitude, written out."""
    return np.stack([one / np.abs(one).max() for one in maps])


def test_gradients_keep_the_entry_of_the_largest_magnitude_over_channels():
    raw = input_gradients(MODULE, X, Y)
    expected = np.empty((6, 8, 10))
    for i in range(6):
        for place in np.ndindex(8, 10):
            channels = raw[(i, slice(None), *place)]
            expected[(i, *place)] = channels[np.abs(channels).argmax()]
    found = attribute(MODULE, X, Y, method="input_gradient", signed=True)
    np.testing.assert_allclose(found, scaled(expected), rtol=1e-12)
    # Without their sign they are the other maps, but for the offset that these are rid of.
    unsigned = attribute(MODULE, X, Y, method="input_gradient")
    size = np.abs(found)
    low = size.min((1, 2), keepdims=True)
    np.testing.assert_allclose(unsigned, (size - low) / (1 - low), atol=1e-12)


def test_shares_of_the_logit_are_added_up_over_channels():
    raw = integrated_gradients(MODULE, X, Y, n_steps=7, baseline=0.5)
    given = {"method": "integrated_gradients", "n_steps": 7, "baseline": 0.5}
    found = attribute(MODULE, X, Y, signed=True, **given)
    np.testing.assert_allclose(found, scaled(raw.sum(1)), rtol=1e-9)
    by_input = gradient_x_input(Net(MODULE), X, Y).numpy()
    found = attribute(MODULE, X, Y, method="gradient_x_input", signed=True)
    np.testing.assert_allclose(found, scaled(by_input.sum(1)), rtol=1e-9)


@pytest.mark.parametrize("method", BY_SIGN)
def test_they_reach_from_minus_1_or_to_1(method):
    found = attribute(MODULE, X, Y, method=method, signed=True, n_steps=5)
    assert found.shape == (6, 8, 10)
    assert found.min() < 0
    np.testing.assert_array_equal(np.abs(found).max((1, 2)), 1)


def test_rows_of_features_keep_the_sign_of_their_weights():
    torch.manual_seed(0)
    module = nn.Linear(5, 3)
    rows = torch.randn(4, 5)
    found = attribute(module, rows, [0, 1, 2, 0], method="input_gradient", signed=True)
    np.testing.assert_allclose(found, scaled(module.weight.detach().numpy()[[0, 1, 2, 0]]))


def test_a_callable_may_give_negative_values():
    found = attribute(MODULE, X, Y, method=lambda module, x, y: x.sum(1) - 1.5, signed=True)
    np.testing.assert_allclose(found, scaled((X.sum(1) - 1.5).numpy()), rtol=1e-9)


def test_they_are_scaled_as_ule_scales_its_maps():
    found = attribute(MODULE, X[:, :1].repeat(1, 3, 1, 1), Y, method="input_gradient", signed=True)
    raw = torch.as_tensor(input_gradients(MODULE, X[:, :1].repeat(1, 3, 1, 1), Y))
    largest = raw.gather(1, raw.abs().argmax(1, keepdim=True))[:, 0]
    np.testing.assert_allclose(found, scale_free(largest))


def test_a_map_of_zeros_stays_one_and_is_told():
    still = nn.Sequential(nn.Flatten(), nn.Linear(4, 2))
    nn.init.zeros_(still[1].weight)
    with pytest.warns(DebiasWarning, match="2 of 2 maps are constant"):
        found = attribute(still, torch.ones(2, 1, 2, 2), method="input_gradient", signed=True)
    assert not found.any()


def test_a_constant_gradient_has_a_sign_and_is_no_zero_map():
    even = nn.Sequential(nn.Flatten(), nn.Linear(4, 2))
    nn.init.constant_(even[1].weight, -2.0)
    found = attribute(even, torch.ones(2, 1, 2, 2), method="input_gradient", signed=True)
    np.testing.assert_array_equal(found, -1)


def test_pure_maps_of_odd_values():
    assert max_abs(torch.tensor([[0.0, float("nan")], [1.0, float("inf")]])).isnan().any(1).all()
    for scale in (1e-30, -1.0, 1e30):
        expected = max_abs(X[:, 0]) * (1 if scale > 0 else -1)
        torch.testing.assert_close(max_abs(X[:, 0] * scale), expected)
    channels = torch.tensor([[[[3.0]], [[-4.0]]]])
    assert signed_map(channels, additive=False).item() == -1
    assert signed_map(channels + 2, additive=True).item() == 1


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"signed": True}, "`signed`=True needs a method that keeps what speaks against"),
        ({"signed": True, "method": "gradcam"}, "`signed`=True needs a method"),
        ({"signed": 1, "method": "input_gradient"}, "`signed` must be True or False, got 1"),
        ({"signed": None}, "`signed` must be True or False"),
    ],
)
def test_what_has_no_sign_is_named(given, words):
    with pytest.raises(ValueError, match=words):
        attribute(MODULE, X, Y, **given)
