"""Bad input for adversarial training: before a step it is said what is wrong, and with what."""

from inspect import signature

import numpy as np
import pytest
import torch
from faulty import CLASSES, METHODS, arguments
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from torch import nn
from torch.utils.data import Dataset

from sklearn_debias import AdversarialTrainingClassifier, DHATClassifier, ERMClassifier
from sklearn_debias.exceptions import DebiasWarning

ATTACK = {"epsilon": 0.1, "step_size": 0.05, "n_steps": 2}


def convolutional(in_channels, n_classes):
    return nn.Sequential(
        nn.Conv2d(in_channels, 4, 3, 1, 1),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(2),
        nn.Flatten(),
        nn.Linear(16, n_classes),
    )


QUICK = {
    "module": convolutional,
    "lr": 0.02,
    "max_epochs": 1,
    "batch_size": 16,
    "random_state": 0,
    **ATTACK,
}
X = np.random.default_rng(0).random((20, 3, 8, 8), dtype=np.float32)
y = np.arange(20) % 2
MAPS = np.random.default_rng(1).random((20, 8, 8), dtype=np.float32)
KINDS = [CLASSES[name] for name in METHODS if "X_extra" in arguments(name)]
WITH_INVERSE = [kind for kind in KINDS if "inverse_epsilon" in signature(kind).parameters]
quiet = pytest.mark.filterwarnings("ignore::sklearn_debias.exceptions.DebiasWarning")


@pytest.mark.parametrize("kind", KINDS)
def test_radius_in_grey_levels(kind):
    with pytest.raises(
        ValueError, match="`epsilon`=8 is larger than the whole range.*divide by 255"
    ):
        kind(**{**QUICK, "epsilon": 8}).fit(X, y)


@pytest.mark.parametrize("kind", WITH_INVERSE)
def test_inverse_radius_in_grey_levels(kind):
    with pytest.raises(ValueError, match="`inverse_epsilon`=4 is larger than the whole range"):
        kind(**QUICK, inverse_epsilon=4).fit(X, y)


@pytest.mark.parametrize("kind", KINDS)
def test_images_outside_of_the_unit_range(kind):
    with pytest.raises(
        ValueError, match=r"`clip`=.*must hold X, which reaches from .* to .*normalize"
    ):
        kind(**QUICK).fit(3 * X - 1, y)


@quiet
def test_images_outside_of_the_unit_range_without_a_clip():
    AdversarialTrainingClassifier(**QUICK, clip=None).fit(3 * X - 1, y)


@pytest.mark.parametrize(
    ("maps", "message"),
    [
        (
            MAPS[:, :7],
            r"`attention_maps` must have the \(height, width\) of X, \(8, 8\), got \(7, 8\)",
        ),
        (MAPS[:5], "`attention_maps`.*it has 5 rows, and X 20"),
        (255 * MAPS, "`attention_maps`.*they reach from .* Divide masks of 0 and 255 by 255"),
        (MAPS - 0.5, "`attention_maps`.*they reach from"),
        (np.where(MAPS > 0.9, np.nan, MAPS), "`attention_maps`.*NaN or infinity"),
        (MAPS[0, 0], r"`attention_maps`.*got shape \(8,\)"),
        (np.stack([MAPS] * 3, 1), r"`attention_maps`.*got shape \(20, 3, 8, 8\)"),
        (np.array(["a"] * 20), "`attention_maps`"),
        ("maps.npy", "`attention_maps`"),
        (MAPS.reshape(20, -1), r"`attention_maps` must have the \(height, width\) of X"),
    ],
)
def test_maps_that_do_not_fit(maps, message):
    clf = DHATClassifier(**QUICK)
    with pytest.raises((ValueError, TypeError), match=message):
        clf.fit(X, y, attention_maps=maps)
    assert not hasattr(clf, "classes_")


@quiet
@pytest.mark.parametrize("value", [0.0, 0.7, 1.0])
def test_constant_maps(value):
    clf = DHATClassifier(**QUICK).fit(X, y, attention_maps=np.full((20, 8, 8), value))
    assert np.isfinite(clf.history_[["model_loss", "dhlr", "floe"]].to_numpy(float)).all()


@quiet
@pytest.mark.parametrize("floe", ["code", "paper"])
def test_background_that_says_nothing(floe):
    """Black images of zero radius and no biases: all logits are 0, and so is FLOE's denominator."""

    def unbiased(in_channels, n_classes):
        return nn.Sequential(nn.Flatten(), nn.Linear(in_channels * 64, n_classes, bias=False))

    black = X.copy()
    black[:, :, :4] = 0
    maps = np.zeros((20, 8, 8))
    maps[:, 4:] = 1
    settings = {**QUICK, "module": unbiased, "epsilon": 0.0, "inverse_epsilon": 0.0, "floe": floe}
    clf = DHATClassifier(**settings).fit(black, y, attention_maps=maps)
    assert np.isfinite(clf.history_[["model_loss", "dhlr", "floe"]].to_numpy(float)).all()


@quiet
def test_single_channel_and_not_square():
    for images in (X[:, :1], X[:, :, :5], X[:, :1, :, :6]):
        for attention in ("gradcam", "integrated_gradients"):
            clf = DHATClassifier(**QUICK, attention=attention).fit(images, y)
            assert clf.predict(images).shape == (20,)


def dense(n_features, n_classes):
    return nn.Sequential(nn.Flatten(), nn.Linear(n_features, n_classes))


def test_attention_without_a_convolution():
    words = (
        "`attention`='gradcam' needs a layer with "
        "positions.*integrated_gradients.*`attention_module`"
    )
    with pytest.raises(ValueError, match=words):
        DHATClassifier(**{**QUICK, "module": dense}).fit(X, y)


@quiet
def test_what_to_use_without_a_convolution():
    for settings in ({"attention": "integrated_gradients"}, {"attention_module": convolutional}):
        DHATClassifier(**{**QUICK, "module": dense, **settings}).fit(X, y)


@pytest.mark.parametrize("omega", [-0.1, 1.1, np.nan, None, "a"])
def test_omega(omega):
    with pytest.raises(ValueError, match="omega"):
        DHATClassifier(**QUICK, omega=omega).fit(X, y)


@pytest.mark.parametrize(
    ("attention", "message"),
    [
        ("cam", "'attention' parameter"),
        (3, "'attention' parameter"),
        (ERMClassifier, "`attention` must be an estimator, not its class"),
        (lambda images, labels: None, "`attention`"),
        (lambda images, labels: np.zeros((3, 8, 8)), "`attention`.*made 3 maps for 20 rows"),
        (
            lambda images, labels: np.zeros((len(images), 4, 4)),
            r"`attention` must have the \(height, width\)",
        ),
        (lambda images, labels: 255 * images[:, 0], "`attention`.*they reach from"),
        (lambda images: images, "`attention`"),
    ],
)
@quiet
def test_attention_of_a_wrong_kind(attention, message):
    with pytest.raises((ValueError, TypeError), match=message):
        DHATClassifier(**QUICK, attention=attention).fit(X, y)


@pytest.mark.parametrize(
    ("attention", "message"),
    [
        (
            LogisticRegression(),
            "`attention` must be an estimator of sklearn_debias.*got a LogisticRegression",
        ),
        (
            FrozenEstimator(LogisticRegression()),
            "`attention` must be an estimator of sklearn_debias",
        ),
        (
            GridSearchCV(ERMClassifier(), {}),
            "`attention` must be an estimator of sklearn_debias.*GridSearchCV",
        ),
        (
            nn.Flatten(),
            "`attention` must be a name, an estimator or a function.*got a torch module",
        ),
    ],
)
def test_attention_that_has_no_gradients(attention, message):
    with pytest.raises(TypeError, match=message):
        DHATClassifier(**QUICK, attention=attention).fit(X, y)


def test_attention_of_a_network_without_positions():
    plain = ERMClassifier(module=dense, max_epochs=20, lr=0.05, random_state=0).fit(X, y)
    with pytest.raises(
        ValueError, match="`attention` failed.*Grad-CAM needs a layer.*`attention_maps`"
    ):
        DHATClassifier(**QUICK, attention=plain).fit(X, y)


@pytest.mark.parametrize(
    ("maps", "side"), [(MAPS / 255, "background"), (np.ones_like(MAPS), "foreground")]
)
def test_maps_with_nothing_to_tell_apart(maps, side):
    with pytest.warns(DebiasWarning) as seen:
        DHATClassifier(**QUICK).fit(X, y, attention_maps=maps)
    assert f"`attention_maps` calls all of the image {side} in 100% of the maps" in str(
        seen[0].message
    )


@pytest.mark.parametrize("kind", KINDS)
def test_steps_that_do_not_reach_the_border(kind):
    with pytest.warns(DebiasWarning) as seen:
        kind(**{**QUICK, "step_size": 0.01}).fit(X, y)
    assert "`step_size`=0.01 is too small for `epsilon`=0.1: 2 steps do not reach" in str(
        seen[0].message
    )


def test_a_dataset_that_leaves_the_unit_range_after_its_first_item():
    class Items(Dataset):
        def __len__(self):
            return 20

        def __getitem__(self, index):
            return torch.from_numpy(X[index]) * (1 + (index > 4)), 0

    with pytest.raises(ValueError, match="`clip`.*must hold X, which reaches from .* to 1.9"):
        AdversarialTrainingClassifier(**QUICK).fit(Items(), y)


def test_extra_rows_of_another_size_before_resizing():
    large = np.repeat(np.repeat(X[:5], 2, 2), 2, 3)
    with pytest.raises(
        ValueError, match=r"`X_extra` must have rows of the shape of X before.*\(3, 8, 8\)"
    ):
        AdversarialTrainingClassifier(**QUICK, image_size=8).fit(X, y, X_extra=large, y_extra=y[:5])


@quiet
@pytest.mark.parametrize(("rows", "labels"), [(X[:, 0, 0], y), (X, y + 1), (X[:, :, :4], y)])
def test_attention_of_an_estimator_of_other_data(rows, labels):
    attention = ERMClassifier(
        max_epochs=1, random_state=0, module=None if rows.ndim == 2 else convolutional
    )
    with pytest.raises(ValueError, match="`attention`"):
        DHATClassifier(**QUICK, attention=attention.fit(rows, labels)).fit(X, y)


def test_an_augmentation_that_cannot_move_maps():
    with pytest.raises(
        ValueError, match="`augment` must be 'crop-flip' or None.*attention='gradcam'"
    ):
        DHATClassifier(**QUICK, augment=lambda x: x.flip(-1)).fit(X, y, attention_maps=MAPS)


def test_maps_that_serve_nothing():
    with pytest.warns(DebiasWarning) as seen:
        DHATClassifier(**QUICK, lam1=0, lam2=0).fit(X, y, attention_maps=MAPS)
    assert "`attention_maps` serve nothing with `lam1` and `lam2` both 0" in str(seen[0].message)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"X_extra": X[:5]}, "`y_extra` must be given with `X_extra`"),
        ({"y_extra": y[:5]}, "`X_extra` must be given with `y_extra`"),
        ({"X_extra": X, "y_extra": y}, "`X_extra` must not have as many rows as X, 20.* one pair"),
        (
            {"X_extra": X[:5, :, :4], "y_extra": y[:5]},
            r"`X_extra`.*must have rows of shape \(3, 8, 8\)",
        ),
        ({"X_extra": X[:5], "y_extra": y[:5] + 7}, "`y_extra` must hold labels seen in fit"),
        ({"X_extra": X[:5], "y_extra": y[:4]}, "`y_extra` must have one label per row of X_extra"),
        ({"X_extra": 3 * X[:5], "y_extra": y[:5]}, "`clip`.*must hold X"),
    ],
)
@quiet
def test_extra_rows_that_do_not_fit(kind, given, message):
    with pytest.raises(ValueError, match=message):
        kind(**QUICK).fit(X, y, **given)


def test_maps_beside_extra_rows():
    with pytest.raises(ValueError, match="`attention_maps` must not be given with `X_extra`"):
        DHATClassifier(**QUICK).fit(X, y, attention_maps=MAPS, X_extra=X[:5], y_extra=y[:5])


def test_an_unknown_preset():
    with pytest.raises(
        ValueError,
        match=r"`name` must be one of \['cifar10', 'cifar100', 'imagenet'\], got 'mnist'",
    ):
        DHATClassifier.from_preset("mnist")


@quiet
def test_a_network_without_a_gradient():
    class Rounded(nn.Module):
        def __init__(self, n_features, n_classes):
            super().__init__()
            self.last = nn.Linear(n_features, n_classes)

        def forward(self, x):
            return self.last(x.flatten(1).detach())

    for kind in KINDS:
        with pytest.raises(ValueError, match="`module` must be differentiable in its input"):
            kind(**{**QUICK, "module": Rounded}).fit(X, y)


def test_a_fit_that_diverges_leaves_nothing():
    clf = DHATClassifier(**{**QUICK, "lr": 1e6, "max_epochs": 5}, floe="paper")
    torch.manual_seed(0)
    with pytest.raises(ValueError, match="Training diverged"):
        clf.fit(X, y)
    assert not hasattr(clf, "module_")
