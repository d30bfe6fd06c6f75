"""What `fit` was given becomes a training set and facts; the estimator is asked, and left alone."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from sklearn_debias import ERMClassifier
from sklearn_debias.fitting import Facts, Given, TrainingSet, View, read_given
from sklearn_debias.training import Streams

N = 20
rng = np.random.default_rng(0)
X = pd.DataFrame(rng.normal(size=(N, 2)), columns=["a", "b"])
y = np.array(["cat", "dog"])[np.arange(N) % 2]
b = np.arange(N) // 2 % 2


def read(clf=None, **given) -> tuple[TrainingSet, Facts]:
    return read_given(clf or ERMClassifier(), Given(X, y, **given), Streams(0))


def test_the_estimator_is_left_as_it_is():
    clf = ERMClassifier(validation=0.2)
    before = dict(vars(clf))
    read(clf, bias_labels=b, sample_weight=np.ones(N))
    assert vars(clf) == before


def test_facts_are_the_public_attributes_of_a_fit():
    _, facts = read(bias_labels=b)
    clf = ERMClassifier(max_epochs=1).fit(X, y, bias_labels=b)
    for name, value in facts.attributes().items():
        np.testing.assert_array_equal(getattr(clf, name), value)
    assert set(facts.attributes()) == {
        "classes_",
        "input_shape_",
        "n_features_in_",
        "feature_names_in_",
        "bias_classes_",
        "aligned_bias_",
        "group_shares_",
    }


def test_rows_without_weight_and_held_out_rows_do_not_train():
    weight = np.where(np.arange(N) < 4, 0.0, 2.0)
    training, facts = read(ERMClassifier(validation=0.25), bias_labels=b, sample_weight=weight)
    assert not set(training.index) & set(range(4))
    assert len(training) == 12
    assert training.weight.tolist() == [1.0] * 12
    assert len(training.validation[0]) == 4
    assert facts.classes[training.y].tolist() == y[training.index].tolist()
    assert [training.groups[code] for code in training.group] == list(
        zip(y[training.index], b[training.index], strict=True)
    )


@pytest.mark.parametrize("unit", [1e307, 1e-307])
@pytest.mark.filterwarnings("error::RuntimeWarning")
def test_the_unit_of_the_weights_does_not_matter(unit):
    weight = np.linspace(1, 10, N)
    training, _ = read(sample_weight=unit * weight)
    np.testing.assert_allclose(training.weight, weight / weight.mean(), rtol=1e-12)


def test_nothing_of_it_can_be_changed():
    training, facts = read()
    for noun, name in ((training, "y"), (facts, "classes"), (Given(X, y), "y")):
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(noun, name, None)


def test_a_set_without_some_rows():
    training, _ = read(bias_labels=b, views={"student": View(X * 2, "X_student")})
    held = np.arange(N) % 5 == 0
    rest = training.without(held)
    assert rest.index.tolist() == np.flatnonzero(~held).tolist()
    assert rest.of_all(np.ones(len(rest)))[held].tolist() == pytest.approx(
        [np.nan] * 4, nan_ok=True
    )
    seen = rest.source_of("student").take(np.arange(len(rest))).numpy()
    np.testing.assert_allclose(seen, 2 * X.to_numpy()[~held], rtol=1e-6)


def test_a_view_must_hold_the_rows_of_X():
    with pytest.raises(ValueError, match="`X_student` failed with .*it has 19 rows, and X 20"):
        read(views={"student": View(X[1:], "X_student")})
