"""Maps of fitted classifiers and modules."""

import copy
import warnings

import numpy as np
import pandas as pd
import pytest
import torch
from captum.attr import Saliency
from networks import cnn, images
from torch import nn

from sklearn_debias import ERMClassifier
from sklearn_debias.attribution import attribute, grad_cam, input_gradients, integrated_gradients
from sklearn_debias.core import Net
from sklearn_debias.exceptions import DebiasWarning
from sklearn_debias.maps import _maps

METHODS = ["grad_cam", "integrated_gradients", "input_gradient", "gradient_x_input"]
rng = np.random.default_rng(0)
NAMES = np.array(["cat", "dog", "fox"])
CODES = np.arange(45) % 3
LABELS = NAMES[CODES]
IMAGES = (0.5 * rng.random((45, 1, 8, 10)) + 0.2 * CODES[:, None, None, None]).astype(np.float32)
ROWS = rng.normal(size=(45, 4)) + CODES[:, None]
QUICK = {"lr": 0.01, "max_epochs": 3, "batch_size": 16, "random_state": 0}


@pytest.fixture(scope="module")
def on_images():
    return ERMClassifier("simple_cnn", **QUICK).fit(IMAGES, LABELS)


@pytest.fixture(scope="module")
def on_rows():
    return ERMClassifier("mlp", **QUICK).fit(ROWS, LABELS)


class Last(nn.Module):
    """Channels last from the convolution on; ``second`` is its twin."""

    def __init__(self, second=False):
        super().__init__()
        self.conv, self.act, self.head = nn.Conv2d(1, 4, 3), nn.GELU(), nn.Linear(4, 3)
        self.second = second

    def forward(self, x):
        z = self.act(self.conv(x) if self.second else self.conv(x).permute(0, 2, 3, 1))
        return self.head(z.mean((2, 3) if self.second else (1, 2)))


def test_a_network_with_its_channels_last_is_explained_as_its_twin():
    torch.manual_seed(0)
    last, second = Last(), Last(second=True)
    second.load_state_dict(last.state_dict())
    for find in (attribute, grad_cam):
        expected = find(second, IMAGES, CODES)
        np.testing.assert_allclose(find(last, IMAGES, CODES), expected, rtol=1e-4, atol=1e-6)
    assert attribute(last, IMAGES[:1], CODES[:1]).shape == (1, 8, 10)


@pytest.mark.parametrize("method", METHODS)
def test_maps_of_a_module_are_those_of_its_net(method):
    module, x, y = cnn(), images(40), torch.arange(40) % 4
    if method == "grad_cam":
        y = module(x).argmax(1)
    found = attribute(module, x, y, method=method, n_steps=5)
    options = {"grad_cam": ("5",), "integrated_gradients": (5,)}.get(method, ())
    expected = getattr(_maps, f"{method}_attention")(Net(module), x, y, *options)
    assert found.dtype == np.float64
    np.testing.assert_allclose(found, expected.numpy(), rtol=0, atol=1e-12)


def test_raw_maps_are_those_of_the_net():
    module, x, y = cnn(), images(40), torch.arange(40) % 4
    pairs = [
        (input_gradients(module, x, y), _maps.input_gradient(Net(module), x, y)),
        (
            integrated_gradients(module, x, y, baseline=0.5),
            _maps.integrated_gradients(Net(module), x, y, baseline=0.5),
        ),
        (grad_cam(module, x, y), _maps.grad_cam(Net(module), x, y, "5")),
        (grad_cam(module, x, y, layer="2"), _maps.grad_cam(Net(module), x, y, "2")),
        (
            input_gradients(module, x, scalar="log_prob"),
            _maps.input_gradient(Net(module), x, scalar="log_prob"),
        ),
    ]
    for found, expected in pairs:
        np.testing.assert_allclose(found, expected.numpy(), rtol=0, atol=1e-12)


@pytest.mark.filterwarnings("ignore:.*maps are constant")
@pytest.mark.parametrize("method", METHODS)
def test_the_caller_s_labels_are_explained_and_by_default_the_predictions(method, on_images):
    predicted = on_images.predict(IMAGES)
    by_default = attribute(on_images, IMAGES, method=method)
    assert by_default.shape == (45, 8, 10)
    np.testing.assert_array_equal(
        attribute(on_images, IMAGES, predicted, method=method), by_default
    )
    np.testing.assert_array_equal(
        attribute(on_images, IMAGES, pd.Series(predicted), method=method), by_default
    )
    other = NAMES[(np.searchsorted(NAMES, predicted) + 1) % 3]
    assert (attribute(on_images, IMAGES, other, method=method) != by_default).any(
        (1, 2)
    ).mean() > 0.5


@pytest.mark.parametrize("method", METHODS)
def test_a_row_s_map_depends_on_no_other_row(method, on_images):
    rng = np.random.default_rng(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DebiasWarning)
        whole, order = attribute(on_images, IMAGES, LABELS, method=method), rng.permutation(45)
        np.testing.assert_array_equal(
            attribute(on_images, IMAGES[order], LABELS[order], method=method), whole[order]
        )
        np.testing.assert_array_equal(
            attribute(on_images, IMAGES[7:9], LABELS[7:9], method=method), whole[7:9]
        )


@pytest.mark.filterwarnings("ignore:.*maps are constant")
@pytest.mark.parametrize("method", METHODS[1:])
def test_rows_of_features_have_maps_of_features(method, on_rows):
    found = attribute(on_rows, pd.DataFrame(ROWS).to_numpy(), LABELS, method=method)
    assert found.shape == (45, 4)
    assert found.dtype == np.float64  # as predict computes
    assert 1.0 in set(found.max(1)) <= {0.0, 1.0}


def test_a_linear_head_shares_out_its_logit_exactly():
    clf = ERMClassifier(**QUICK).fit(ROWS, LABELS)
    contributions = ROWS * input_gradients(clf, ROWS, LABELS)
    bias = clf.module_.head.bias.detach().numpy()[CODES]
    logits = clf.decision_function(ROWS)[np.arange(45), CODES]
    np.testing.assert_allclose(contributions.sum(1) + bias, logits, rtol=1e-6)
    np.testing.assert_allclose(
        integrated_gradients(clf, ROWS, LABELS), contributions, rtol=1e-5
    )  # X is float32


def test_whole_numbers_are_scaled_like_the_network_s_images(on_images):
    whole = (IMAGES * 255).astype(np.uint8)
    clf = copy.deepcopy(on_images)
    expected = attribute(clf, whole / np.float32(255), LABELS, method="input_gradient")
    np.testing.assert_allclose(
        attribute(clf, whole, LABELS, method="input_gradient"), expected, atol=1e-5
    )
    module = cnn(1)
    np.testing.assert_allclose(
        input_gradients(module, whole), input_gradients(module, whole / 255), atol=1e-12
    )


@pytest.mark.filterwarnings("ignore:.*maps are constant")
@pytest.mark.parametrize("method", METHODS)
def test_the_fitted_model_is_left_as_it_is(method, on_images):
    clf = copy.deepcopy(on_images)
    clf.module_.train()
    clf.module_.head.weight.requires_grad_(False)
    module, given = clf.module_, IMAGES.copy()
    state, flags = (
        copy.deepcopy(module.state_dict()),
        [(m.training, len(m._forward_hooks)) for m in module.modules()],
    )
    torch_state, numpy_state = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    threads = torch.get_num_threads()
    expected = attribute(on_images, IMAGES, LABELS, method=method)
    with torch.inference_mode():
        np.testing.assert_array_equal(attribute(clf, given, LABELS, method=method), expected)
        assert torch.is_inference_mode_enabled()
    assert all(torch.equal(state[k], v) for k, v in module.state_dict().items())
    assert [(m.training, len(m._forward_hooks)) for m in module.modules()] == flags
    assert all(p.grad is None for p in module.parameters())
    assert torch.equal(torch.get_rng_state(), torch_state)
    np.testing.assert_array_equal(np.random.get_state()[1], numpy_state)  # noqa: NPY002
    assert torch.get_num_threads() == threads
    np.testing.assert_array_equal(given, IMAGES)


def test_captum_s_attributions_fit_in():
    module, x, y = cnn(), images(40), torch.arange(40) % 4

    def saliency(module, x, y):
        return Saliency(module).attribute(x.requires_grad_(), target=y).amax(1)

    found = attribute(module, x, y, method=saliency)
    np.testing.assert_allclose(
        found, attribute(module, x, y, method="input_gradient"), rtol=0, atol=1e-12
    )
    predicted = module(x).argmax(1)
    np.testing.assert_array_equal(
        attribute(module, x, method=saliency), attribute(module, x, predicted, method=saliency)
    )


def test_a_callable_may_give_arrays_and_other_sizes():
    module, x = cnn(), images(3)
    found = attribute(
        module, x, method=lambda module, x, y: np.arange(len(x) * 12.0).reshape(-1, 3, 4)
    )
    assert found.shape == (3, 8, 10)
    np.testing.assert_allclose([found.min(), found.max()], [0, 1])


def test_constant_maps_are_zero_and_said_so_once():
    module = cnn()
    with torch.no_grad():
        module[9].weight[1] = 0
    y = torch.tensor([0, 1, 1, 2, 3])
    for method in METHODS[1:]:
        with pytest.warns(
            DebiasWarning, match="2 of 5 maps are constant, and returned as zeros"
        ) as said:
            found = attribute(module, images(), y, method=method)
        assert len(said) == 1
        assert said[0].filename == __file__
        assert not found[1:3].any()
        assert found[[0, 3, 4]].any((1, 2)).all()


def test_one_channel_8x8_and_images_that_are_resized():
    shape = {"image_size": (16, 12)}
    clf = ERMClassifier("simple_cnn", **{**QUICK, "max_epochs": 10}, **shape).fit(IMAGES, LABELS)
    assert attribute(clf, IMAGES[:2], method="input_gradient").shape == (2, 16, 12)
    module = nn.Sequential(nn.Conv2d(1, 3, 3), nn.ReLU(), nn.Flatten(), nn.Linear(3 * 36, 2))
    nn.init.ones_(module[3].weight)
    nn.init.ones_(module[0].bias)
    assert attribute(module, IMAGES[:2, :, :8, :8]).shape == (2, 8, 8)
    assert grad_cam(module, IMAGES[:2, :, :8, :8]).shape == (2, 6, 6)
