"""Groups of images: by two kinds of nets; as arrays, tensors, Datasets and paths."""

import numpy as np
import pytest
import torch
from inferring import METHODS, SMALL, digits, given
from PIL import Image
from torch.utils.data import TensorDataset

from sklearn_debias import ERMClassifier, GroupInferrer

FEW = 120
NOT_TOLD = pytest.mark.filterwarnings("ignore::sklearn_debias.exceptions.DebiasWarning")


def images(tmp_path=None):
    """Few images of two digits, their labels and colours; as paths where there is a folder."""
    rows = digits()
    few = np.flatnonzero(rows.target < 2)[:FEW]
    X, y, bias = rows.data[few], rows.target[few], rows.bias_labels[few]
    if tmp_path is None:
        return X, y, bias
    paths = []
    for i, image in enumerate((255 * X).round().astype(np.uint8)):
        paths.append(str(tmp_path / f"{i:03}.png"))
        Image.fromarray(image.transpose(1, 2, 0)).save(paths[-1])
    return paths, y, bias


def of_images(method, module):
    return GroupInferrer(method, estimator=ERMClassifier(module, **SMALL), random_state=0)


@NOT_TOLD
@pytest.mark.parametrize("module", ["simple_cnn", "linear"])
@pytest.mark.parametrize("method", METHODS)
def test_images(method, module):
    X, y, bias = images()
    arguments = given(method, bias)
    groups = of_images(method, module).fit(X, y, **arguments)
    assert groups.bias_labels_.shape == y.shape
    assert groups.input_shape_ == (3, 8, 8)
    found = groups.predict(X[:9], y[:9])
    assert set(found.tolist()) <= {0, 1, 2, 3, *bias.tolist()}
    again = of_images(method, module).fit(torch.from_numpy(X), y, **arguments)
    np.testing.assert_array_equal(again.bias_labels_, groups.bias_labels_)
    data = TensorDataset(torch.from_numpy(X), torch.from_numpy(y))
    of_data = of_images(method, module).fit(data, y, **arguments)
    np.testing.assert_array_equal(of_data.bias_labels_, groups.bias_labels_)
    np.testing.assert_array_equal(of_data.predict(data, y)[:9], found)


@NOT_TOLD
@pytest.mark.parametrize("method", METHODS)
def test_image_paths_are_the_images(method, tmp_path):
    paths, y, bias = images(tmp_path)
    X = (255 * images()[0]).round().astype(np.uint8)
    arguments = given(method, bias)
    expected = of_images(method, "linear").fit(X, y, **arguments)
    groups = of_images(method, "linear").fit(paths, y, **arguments)
    np.testing.assert_array_equal(groups.bias_labels_, expected.bias_labels_)
    np.testing.assert_array_equal(groups.predict(paths[:9], y[:9]), expected.predict(X[:9], y[:9]))
