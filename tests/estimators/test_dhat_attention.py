"""Where DHAT's attention comes from: seeds, what is kept, what is said of flat attention."""

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from torch import nn

from sklearn_debias import DHATClassifier, ERMClassifier
from sklearn_debias.attribution import attribute
from sklearn_debias.core import Net, split
from sklearn_debias.datasets import load_biased_digits
from sklearn_debias.exceptions import DebiasWarning
from sklearn_debias.maps import find_place
from sklearn_debias.maps._maps import gradient_x_input_attention

QUICK = {
    "lr": 0.02,
    "max_epochs": 2,
    "batch_size": 16,
    "random_state": 0,
    "epsilon": 0.1,
    "n_steps": 2,
}


@pytest.fixture(scope="module")
def rows():
    train = load_biased_digits(random_state=0).train
    return train.data[:48], train.target[:48] % 3


def tiny_cnn(in_channels, n_classes):
    body = nn.Sequential(nn.Conv2d(in_channels, 4, 3, 2, 1), nn.ReLU(), nn.Flatten())
    return nn.Sequential(*body, nn.Linear(4 * 16, n_classes))


@pytest.mark.filterwarnings("ignore:The fitted model predicts")
def test_an_estimator_without_a_seed_takes_that_of_the_fit(rows):
    attention = ERMClassifier(tiny_cnn, lr=0.02, max_epochs=2)
    fits = [DHATClassifier(tiny_cnn, **QUICK, attention=attention).fit(*rows) for _ in range(2)]
    np.testing.assert_array_equal(
        fits[0].decision_function(rows[0]), fits[1].decision_function(rows[0])
    )
    other = clone(fits[0]).set_params(random_state=1).fit(*rows)
    assert other.attention_.random_state != fits[0].attention_.random_state
    seeded = clone(attention).set_params(random_state=3)
    assert (
        DHATClassifier(tiny_cnn, **QUICK, attention=seeded).fit(*rows).attention_.random_state == 3
    )
    assert not hasattr(attention, "classes_")


@pytest.mark.filterwarnings("ignore:The fitted model predicts")
@pytest.mark.parametrize("flat", [False, True])
def test_grad_cam_is_one_word_in_both_spellings(rows, flat):
    X = rows[0].reshape(48, -1) if flat else rows[0]
    module = "linear" if flat else tiny_cnn
    one, other = (
        DHATClassifier(module, **QUICK, attention=word).fit(X, rows[1])
        for word in ("gradcam", "grad_cam")
    )
    np.testing.assert_array_equal(one.decision_function(X), other.decision_function(X))
    if not flat:
        maps = [attribute(one, X[:5], method=word) for word in ("gradcam", "grad_cam")]
        np.testing.assert_array_equal(*maps)


@pytest.mark.filterwarnings("ignore:The fitted model predicts")
@pytest.mark.parametrize("own", [False, True])
def test_a_vision_transformer_attends_at_its_patches(rows, own):
    timm = pytest.importorskip("timm")
    settings = {"img_size": 8, "patch_size": 2, "in_chans": 3, "num_classes": 3, "depth": 2}
    vit = timm.create_model("vit_tiny_patch16_224", embed_dim=24, num_heads=3, **settings)
    plain = ERMClassifier(vit, lr=0.02, max_epochs=1, random_state=0)
    clf = DHATClassifier(vit, **QUICK, attention=plain if own else "gradcam").fit(*rows)
    place = find_place(clf.attention_module_, torch.from_numpy(rows[0]))
    assert (place.layer.removeprefix("body."), place.grid) == ("blocks.1.norm1", (4, 4))
    assert clf.history_["no_foreground"].dropna().max() < 0.5 or own


@pytest.mark.filterwarnings("ignore:The fitted model predicts")
def test_what_attended_is_kept(rows):
    plain = ERMClassifier(tiny_cnn, lr=0.02, max_epochs=2, random_state=0)
    clf = DHATClassifier(tiny_cnn, **QUICK, attention=plain).fit(*rows)
    assert clf.attention_module_ is clf.attention_.module_
    expected = clone(plain).fit(*rows).decision_function(rows[0])
    np.testing.assert_array_equal(clf.attention_.decision_function(rows[0]), expected)
    fitted = clone(plain).fit(*rows)
    assert DHATClassifier(tiny_cnn, **QUICK, attention=fitted).fit(*rows).attention_ is fitted
    by_maps = clf.fit(*rows, attention_maps=np.tile(np.eye(8), (48, 1, 1)))
    with pytest.raises(AttributeError, match="trained no network for attention"):
        by_maps.attention_module_  # noqa: B018
    with pytest.raises(NotFittedError):
        DHATClassifier().attention_module_  # noqa: B018


@pytest.mark.filterwarnings("ignore:The fitted model predicts")
def test_an_estimator_explains_the_label_not_its_prediction(rows):
    """On 2-D X, with a network whose predictions are not the labels."""
    X, y = rows[0].reshape(48, -1), rows[1]
    wrong = ERMClassifier("linear", max_epochs=20, lr=0.05, random_state=0).fit(X, (y + 1) % 3)
    x, net = torch.from_numpy(X), Net(split(wrong.module_)).frozen()
    by_label = gradient_x_input_attention(net, x, torch.from_numpy(y)).numpy()
    by_prediction = gradient_x_input_attention(net, x, torch.from_numpy(wrong.predict(X))).numpy()
    assert np.abs(by_label - by_prediction).max() > 0.1
    flat = {**QUICK, "module": "linear"}
    ours = DHATClassifier(**flat, attention=wrong).fit(X, y)
    given = DHATClassifier(**flat).fit(X, y, attention_maps=by_label)
    np.testing.assert_allclose(
        ours.decision_function(X), given.decision_function(X), rtol=1e-4, atol=1e-6
    )


def test_attention_without_a_foreground_is_warned_about(rows):
    with pytest.warns(
        DebiasWarning, match="`attention` calls all of the image background in 100% of the maps, at"
    ):
        clf = DHATClassifier(tiny_cnn, **QUICK, omega=1.0).fit(*rows)
    assert clf.history_[["no_foreground", "no_background"]].iloc[-1].tolist() == [1, 0]


def test_attention_of_a_dead_network_is_warned_about(rows):
    with pytest.warns(
        DebiasWarning, match="`attention` calls all of the image background in 100% of the maps, at"
    ):
        DHATClassifier(tiny_cnn, **QUICK, attention_module=Dead()).fit(*rows)


class Dead(nn.Module):
    """Its convolution is there, and its outputs do not need it."""

    def __init__(self):
        super().__init__()
        self.conv, self.head = nn.Conv2d(3, 3, 3), nn.Linear(192, 3)

    def forward(self, x):
        return self.head(x.flatten(1)) - 0 * self.conv(x).mean((2, 3))


def test_shares_of_one_sided_maps_are_those_of_the_batches(rows):
    maps = np.tile(np.linspace(0, 1, 8), (48, 8, 1))
    maps[:12], maps[12:18] = 0, 1
    clf = DHATClassifier("linear", **QUICK).fit(*rows, attention_maps=maps)
    assert clf.history_[["no_foreground", "no_background"]].iloc[-1].tolist() == pytest.approx(
        [0.25, 0.125]
    )
