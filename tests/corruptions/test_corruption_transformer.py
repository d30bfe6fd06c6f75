"""A transformer as scikit-learn wants it, on what images allow."""

import inspect
import pickle

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils import estimator_checks, get_tags

from sklearn_debias import ERMClassifier
from sklearn_debias.corruptions import Corruption, corrupt

# Those of scikit-learn's checks that feed no 2-D data.
CHECKS = [
    estimator_checks.check_do_not_raise_errors_in_init_or_set_params,
    estimator_checks.check_estimator_cloneable,
    estimator_checks.check_estimator_repr,
    estimator_checks.check_estimator_tags_renamed,
    estimator_checks.check_get_params_invariance,
    estimator_checks.check_mixin_order,
    estimator_checks.check_no_attributes_set_in_init,
    estimator_checks.check_parameters_default_constructible,
    estimator_checks.check_set_params,
    estimator_checks.check_valid_tag_types,
]
images = np.random.default_rng(0).random((12, 3, 16, 12))


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_sklearn_check(check):
    estimator = Corruption("gaussian_noise")
    names = list(inspect.signature(check).parameters)
    check("Corruption", type(estimator) if "Estimator" in names[1] else estimator)


def test_it_is_the_function_and_idempotent():
    step = Corruption("snow", severity=2, random_state=3)
    before = images.copy()
    out = step.fit(images).transform(images)
    np.testing.assert_array_equal(out, corrupt(images, "snow", 2, 3))
    np.testing.assert_array_equal(out, step.fit_transform(images, np.zeros(12)))
    np.testing.assert_array_equal(out, step.fit(images).transform(images))
    np.testing.assert_array_equal(out, clone(step).transform(images))  # needs no fit
    np.testing.assert_array_equal(out, pickle.loads(pickle.dumps(step)).transform(images))
    np.testing.assert_array_equal(out[3:5], step.transform(images[3:5]))
    np.testing.assert_array_equal(images, before)


def test_transform_changes_nothing_of_the_estimator():
    step = Corruption("fog", 1).fit(images)
    before = vars(step).copy()
    step.transform(images)
    assert vars(step) == before


def test_tensors_lists_and_every_dtype_that_the_tags_name():
    tags = get_tags(Corruption())
    assert not tags.requires_fit
    assert not tags.input_tags.two_d_array
    for dtype in tags.transformer_tags.preserves_dtype:
        given = (images * 255).astype(dtype) if dtype == "uint8" else images.astype(dtype)
        assert Corruption("contrast", 3).fit_transform(given).dtype == dtype
    assert isinstance(
        Corruption("contrast", 3).fit_transform(torch.from_numpy(images)), torch.Tensor
    )
    out = Corruption("contrast", 3).fit_transform(images.tolist())
    np.testing.assert_array_equal(out, corrupt(images, "contrast", 3))


def test_other_channels_than_in_fit():
    step = Corruption("contrast", 3).fit(images)
    assert step.n_features_in_ == 3
    with pytest.raises(
        ValueError, match="X has 1 features .* but Corruption is expecting 3 features"
    ):
        step.transform(images[:, :1])


def test_in_a_pipeline_and_a_search():
    target = np.arange(12) % 2
    clf = ERMClassifier(module="mlp", max_epochs=2, random_state=0)
    pipe = make_pipeline(Corruption("gaussian_noise", 5), clf).fit(images, target)
    by_hand = clone(clf).fit(corrupt(images, "gaussian_noise", 5), target)
    np.testing.assert_array_equal(
        pipe.predict_proba(images), by_hand.predict_proba(corrupt(images, "gaussian_noise", 5))
    )
    grid = {"corruption__name": ["original", "cutout"]}
    pipe = make_pipeline(Corruption(), FunctionTransformer(), clf)
    assert len(GridSearchCV(pipe, grid, cv=2).fit(images, target).cv_results_["params"]) == 2


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"name": "rain"}, "`name` must be one of gaussian_noise"),
        ({"name": "snow", "severity": 6}, "`severity`"),
    ],
)
def test_fit_checks_the_parameters(params, message):
    with pytest.raises(ValueError, match=message):
        Corruption(**params).fit(images)
