"""Linear networks show their weights as scikit-learn's linear models do."""

from types import MethodType

import numpy as np
import pytest
from sklearn.feature_selection import RFE, SelectFromModel
from sklearn.utils.validation import validate_data

from sklearn_debias import BiasAdvClassifier, ERMClassifier, GroupDROClassifier

RNG = np.random.default_rng(0)
Y = np.arange(150) % 3
X = RNG.normal(size=(150, 5)).astype(np.float32)
X[:, 3] += 2 * Y
X[:, 1] -= 2 * Y
QUICK = {"max_epochs": 60, "lr": 0.05, "random_state": 0}


@pytest.mark.parametrize("cls", [ERMClassifier, GroupDROClassifier, BiasAdvClassifier])
@pytest.mark.parametrize("n_classes", [2, 3])
def test_the_weights_give_the_decision_function(cls, n_classes):
    rng = np.random.default_rng(0)
    rows = n_classes > Y
    clf = cls(**QUICK).fit(X[rows], Y[rows], bias_labels=rng.integers(0, 2, rows.sum()))
    width = 1 if n_classes == 2 else 3
    assert clf.coef_.shape == (width, 5)
    assert clf.intercept_.shape == (width,)
    scores = X @ clf.coef_.T + clf.intercept_
    expected = clf.decision_function(X)
    np.testing.assert_allclose(scores.squeeze(), expected, rtol=1e-5, atol=1e-5)


def test_what_scikit_learn_selects_by_weights():
    fitted = ERMClassifier(**QUICK).fit(X, Y)
    expected = np.linalg.norm(fitted.coef_, axis=0, ord=1)
    assert set(np.argsort(expected)[-2:]) == {1, 3}
    selector = SelectFromModel(ERMClassifier(**QUICK), max_features=2).fit(X, Y)
    assert selector.get_support().tolist() == [False, True, False, True, False]
    prefit = SelectFromModel(fitted, prefit=True, max_features=2).fit(X, Y)
    np.testing.assert_array_equal(prefit.transform(X), X[:, [1, 3]])
    assert RFE(ERMClassifier(**QUICK), n_features_to_select=2).fit(X, Y).get_support()[[1, 3]].all()


def scaled(layer):
    """Put a forward on the object."""

    def forward(self, x):
        return type(self).forward(self, x) / 2

    layer.forward = MethodType(forward, layer)


def hooked(layer):
    layer.register_forward_hook(lambda module, args, out: out / 2)


def test_other_networks_have_none():
    rng = np.random.default_rng(0)
    images = rng.random((150, 1, 4, 4)).astype(np.float32) + Y[:, None, None, None]
    others = [
        ERMClassifier(**QUICK),
        ERMClassifier("mlp", **QUICK).fit(X, Y),
        ERMClassifier("linear", **QUICK).fit(images, Y),
        ERMClassifier(normalize=(0.5, 0.5), **QUICK).fit(X, Y),
    ]
    for put in (scaled, hooked):
        more = ERMClassifier(**QUICK).fit(X, Y)
        put(more.module_.head)
        others.append(more)
    for clf in others:
        assert not hasattr(clf, "coef_")
        assert not hasattr(clf, "intercept_")
    with pytest.raises(AttributeError, match="not a linear layer of 2-D X"):
        _ = others[1].coef_


def test_the_number_of_features_of_images_is_that_of_scikit_learn():
    rng = np.random.default_rng(0)
    images = rng.random((150, 3, 4, 4)).astype(np.float32) + Y[:, None, None, None]
    clf = ERMClassifier("linear", **QUICK).fit(images, Y)
    reference = ERMClassifier()
    validate_data(reference, images, allow_nd=True)
    assert clf.n_features_in_ == reference.n_features_in_ == 3


def test_shap_explains_linear_networks_and_probabilities():
    shap = pytest.importorskip("shap")
    clf = ERMClassifier(**QUICK).fit(X[Y < 2], Y[Y < 2])
    rows = X[:90]  # of more it would draw a hundred
    values = shap.Explainer(clf, rows)(rows).values
    # Of a linear model the value of a feature is its weight times its distance from the mean.
    expected = (rows - rows.mean(0)) * clf.coef_[0]
    np.testing.assert_allclose(values, expected, atol=1e-4)


def test_hooks_that_only_watch_leave_the_weights():
    clf = ERMClassifier(**QUICK).fit(X, Y)
    expected = clf.coef_
    for register in ("register_forward_hook", "register_full_backward_hook"):
        getattr(clf.module_.head, register)(lambda *given: None)
    np.testing.assert_array_equal(clf.coef_, expected)
    clf.module_.head.register_forward_hook(lambda module, args, out: 2 * out)
    assert not hasattr(clf, "coef_")
