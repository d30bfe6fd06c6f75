"""Features on a huge scale: one warning names scaling, and none is given without need."""

import warnings
from contextlib import suppress

import numpy as np
import pytest
from faulty import METHODS, arguments, make
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_debias.exceptions import DebiasWarning, DivergedError

rng = np.random.default_rng(0)
y = np.arange(40) % 2
b = np.arange(40) // 2 % 2
X = rng.normal(size=(40, 4)) + 2 * y[:, None]
NOISY = np.column_stack([X, 1e6 * rng.normal(size=40)])


def of_scale(fit):
    """Warnings of the scale that a fit gives, whether or not it ends."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with suppress(DivergedError):
            fit()
    told = [str(w.message) for w in caught if issubclass(w.category, DebiasWarning)]
    return [words for words in told if "Scale X, by StandardScaler" in words]


@pytest.mark.parametrize("name", METHODS)
def test_every_method_warns_once(name):
    given = {"bias_labels": b} if "bias_labels" in arguments(name) else {}
    (words,) = of_scale(lambda: make(name).fit(NOISY, y, **given))
    assert "in 1 of 5 columns (the first is 4)" in words
    assert f"up to {np.abs(NOISY).max():.3g}" in words


@pytest.mark.parametrize("scale", [1e6, 1e30])
def test_all_columns(scale):
    (words,) = of_scale(lambda: make("ERMClassifier").fit(scale * X, y))
    assert "in 4 of 4 columns" in words


def test_no_warning_where_it_is_scaled_or_moderate():
    erm = make("ERMClassifier", lr=0.05, max_epochs=20)
    assert of_scale(lambda: make_pipeline(StandardScaler(), erm).fit(NOISY, y)) == []
    mean, std = NOISY.mean(0), NOISY.std(0)
    scaled = make("ERMClassifier", lr=0.05, max_epochs=20, normalize=(mean, std))
    assert of_scale(lambda: scaled.fit(NOISY, y)) == []
    assert scaled.score(NOISY, y) > 0.9
    assert of_scale(lambda: make("ERMClassifier").fit(1e4 * X, y)) == []


REFUSE = {"AdversarialTrainingClassifier", "DHATClassifier", "UIATClassifier"}  # such images


@pytest.mark.parametrize("name", sorted({*METHODS} - REFUSE))
def test_grey_levels_held_as_floats_are_told(name):
    images = np.random.default_rng(0).integers(0, 256, (40, 3, 8, 8))
    given = {"bias_labels": b} if "bias_labels" in arguments(name) else {}

    def told(rows, **params):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            with suppress(DivergedError):
                make(name, module="linear", **params).fit(rows, y, **given)
        return sum("look like grey levels held as floats" in str(w.message) for w in caught)

    assert told(images.astype(np.float32)) == 1
    assert told(images.astype(np.uint8)) == 0
    assert told(images / 255) == 0
    assert told(images.astype(np.float32), normalize=((128,) * 3, (64,) * 3)) == 0
