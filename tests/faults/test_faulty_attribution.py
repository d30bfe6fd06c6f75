"""faults.md, the row on attribution: sizes, channels, layers, constant maps, names, modules."""

import numpy as np
import pytest
import torch
from faulty import IMAGES, UINT8, Detached, NaNInEval, NoGradient, X, erm, rng, y
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import nn

from sklearn_debias.attribution import attribute, grad_cam, input_gradients, integrated_gradients
from sklearn_debias.exceptions import DebiasWarning, DivergedError
from sklearn_debias.inspection import SaliencyDisplay

METHODS = ["grad_cam", "integrated_gradients", "input_gradient", "gradient_x_input"]


@pytest.fixture(scope="module")
def on_images():
    return erm(module="simple_cnn", lr=1e-3, max_epochs=10).fit(UINT8, y)


@pytest.fixture(scope="module")
def on_rows():
    return erm(module="mlp", max_epochs=5).fit(X, y)


@pytest.mark.parametrize("function", [attribute, SaliencyDisplay.from_estimator])
@pytest.mark.parametrize("method", ["grad-cam", "saliency", None, 3])
def test_an_unknown_method_is_told_which_there_are(function, method, on_images):
    with pytest.raises(
        ValueError,
        match="`method` must be one of 'grad_cam', 'integrated_gradients', .* or a callable",
    ):
        function(on_images, UINT8, method=method)


@pytest.mark.parametrize("function", [attribute, grad_cam])
def test_a_network_without_positions_is_told_what_to_use(function, on_rows):
    with pytest.raises(
        ValueError, match='Use "integrated_gradients" or "input_gradient", or name a `layer`'
    ):
        function(on_rows, X)
    flat = erm(module="mlp", lr=1e-3, max_epochs=10).fit(UINT8, y)
    with pytest.raises(ValueError, match='Use "integrated_gradients" or "input_gradient"'):
        function(flat, UINT8)


@pytest.mark.parametrize("function", [attribute, grad_cam])
def test_layers_that_do_not_serve(function, on_images):
    with pytest.raises(ValueError, match="there is no layer 'conv9'; the layers are"):
        function(on_images, UINT8, layer="conv9")
    with pytest.raises(
        ValueError,
        match=r"`layer`='head' must give outputs of shape \(n, channels, height, width\)",
    ):
        function(on_images, UINT8, layer="head")


def test_a_layer_without_grad_cam(on_images):
    with pytest.raises(ValueError, match="`layer`='0' is for method=\"grad_cam\""):
        attribute(on_images, UINT8, method="input_gradient", layer="0")


@pytest.mark.parametrize("n_steps", [0, -1, 2.5, True, "50", None])
def test_bad_n_steps(n_steps, on_rows):
    with pytest.raises(ValueError, match="`n_steps` must be an int >= 1"):
        integrated_gradients(on_rows, X, n_steps=n_steps)


@pytest.mark.parametrize(
    "baseline", [np.zeros(3), np.zeros((40, 4)), np.nan, np.inf, "black", None, [[0] * 4] * 2]
)
def test_bad_baselines(baseline, on_rows):
    with pytest.raises(
        ValueError,
        match=r"`baseline` must be a finite number, or an array that broadcasts .* \(4,\)",
    ):
        integrated_gradients(on_rows, X, baseline=baseline)


@pytest.mark.parametrize("scalar", ["prob", "loss", None])
def test_bad_scalars(scalar, on_images):
    for function in (attribute, grad_cam, integrated_gradients, input_gradients):
        with pytest.raises(ValueError, match="`scalar` must be one of 'logit', 'log_prob'"):
            function(on_images, UINT8, scalar=scalar)


BAD_Y = {
    "unseen": (y + 5, "`y` must hold labels seen in fit"),
    "too short": (y[:3], "`y` must have one label per row of X, 40, got 3"),
    "text": (["a"] * 40, "`y` must hold labels seen in fit"),
}


@pytest.mark.parametrize("row", BAD_Y)
def test_bad_labels(row, on_images):
    bad, words = BAD_Y[row]
    for function in (
        attribute,
        grad_cam,
        integrated_gradients,
        input_gradients,
        SaliencyDisplay.from_estimator,
    ):
        with pytest.raises(ValueError, match=words):
            function(on_images, UINT8, bad)


def test_bad_inputs(on_images):
    for bad, words in (
        (UINT8[:, :, :4], "must have rows of shape"),
        (X, "must have rows of shape|2-D"),
        (np.full_like(IMAGES, np.nan), "NaN"),
    ):
        with pytest.raises(ValueError, match=words):
            attribute(on_images, bad)


def test_what_is_no_model():
    pipeline = make_pipeline(StandardScaler(), erm()).fit(X, y)
    for model, words in (
        (pipeline, "Pass its last step"),
        (LogisticRegression().fit(X, y), "no gradient reaches"),
    ):
        with pytest.raises(TypeError, match=words):
            attribute(model, X, method="input_gradient")
    with pytest.raises(NotFittedError):
        attribute(erm(), X, method="input_gradient")


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("shape", [(1, 8, 8), (1, 8, 11), (3, 9, 8), (4, 8, 8)])
def test_small_grey_and_oblong_images(method, shape):
    images = rng.random((6, *shape)).astype(np.float32)
    torch.manual_seed(0)
    module = nn.Sequential(
        nn.Conv2d(shape[0], 4, 3),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(2),
        nn.Flatten(),
        nn.Linear(16, 2),
    )
    nn.init.ones_(module[4].weight)
    found = attribute(module, images, method=method)
    assert found.shape == (6, *shape[1:])
    assert found.min() >= 0
    assert found.max() <= 1
    assert found.any((1, 2)).all()


@pytest.mark.parametrize("method", METHODS)
def test_a_relu_in_place_changes_nothing(method):
    def network(inplace):
        torch.manual_seed(0)
        layers = [nn.BatchNorm2d(3), nn.ReLU(inplace), nn.Conv2d(3, 4, 3), nn.ReLU(inplace)]
        module = nn.Sequential(*layers, nn.Flatten(), nn.Linear(144, 2))
        nn.init.uniform_(module[5].weight)
        return module

    twins = [attribute(network(inplace), IMAGES, method=method) for inplace in (False, True)]
    np.testing.assert_array_equal(*twins)


@pytest.mark.parametrize("images", [np.zeros((3, 1, 8, 8)), np.ones((3, 1, 8, 8))])
def test_constant_images_have_a_zero_map_and_one_warning(images):
    module = nn.Sequential(
        nn.Conv2d(1, 2, 1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(2, 2)
    )
    for method in METHODS:
        with pytest.warns(DebiasWarning, match="3 of 3 maps are constant") as said:
            found = attribute(module, images.astype(np.float32), [0, 1, 0], method=method)
        assert len(said) == 1
        np.testing.assert_array_equal(found, 0)


@pytest.mark.parametrize("module", [NoGradient, Detached])
@pytest.mark.parametrize("method", METHODS[1:])
def test_a_network_without_gradient_has_zero_maps_and_a_warning(module, method):
    with pytest.warns(DebiasWarning, match="40 of 40 maps are constant.*no gradient there"):
        found = attribute(module(), torch.tensor(X).float(), method=method)
    assert not found.any()


@pytest.mark.parametrize("method", METHODS[1:])
def test_maps_that_are_not_finite_are_refused(method):
    class Overflow(nn.Linear):
        def forward(self, x):
            return super().forward(x).exp() * torch.tensor([1e38, 1.0]) * 1e38

    with pytest.raises(DivergedError, match=r"The map of row \d of `X` is not finite"):
        attribute(Overflow(4, 2), torch.tensor(X).float(), np.zeros(40, int), method=method)
    with pytest.raises((DivergedError, ValueError), match="not finite"):
        input_gradients(NaNInEval().eval(), torch.tensor(X).float(), scalar="log_prob")


BAD_MAPS = {
    "signed": (lambda module, x, y: x.sum(1) - 10, "got negative values. Take their abs"),
    "with channels": (lambda module, x, y: x, r"must return maps of shape \(b, h, w\)"),
    "one map": (lambda module, x, y: x[0, 0], r"must return maps of shape \(b, h, w\)"),
    "NaN": (lambda module, x, y: x.sum(1) * float("nan"), "`method`.*NaN or infinity"),
}


@pytest.mark.parametrize("row", BAD_MAPS)
def test_callables_that_give_no_maps(row, on_images):
    method, words = BAD_MAPS[row]
    with pytest.raises(ValueError, match=words):
        attribute(on_images, UINT8, method=method)


def test_a_callable_that_writes_to_its_input_changes_nothing(on_images):
    def scribble(module, x, y):
        x.zero_()
        return x[:, 0] + torch.arange(8.0)

    before = UINT8.copy()
    attribute(on_images, UINT8, method=scribble)
    np.testing.assert_array_equal(UINT8, before)
