"""Arguments by the names of other libraries: the error says what they are called here."""

import inspect

import numpy as np
import pytest
from faulty import CLASSES, METHODS, X, b, erm, make, y
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

from sklearn_debias.arguments import OURS
from sklearn_debias.metrics import worst_group_accuracy_score
from sklearn_debias.model_selection import BiasStratifiedKFold
from sklearn_debias.testing import all_functions, quick

OF_FIT = {
    "groups": "`bias_labels`",
    "sensitive_features": "`bias_labels`",
    "eval_set": "`validation_data`",
    "epochs": "`max_epochs`, a parameter of the constructor",
    "class_weight": "`balance`, a parameter of the constructor",
    "weights": "`sample_weight`",
}


@pytest.mark.parametrize("name", OF_FIT)
def test_arguments_of_fit(name):
    with pytest.raises(TypeError, match=f"`{name}` is not .* Here it is {OF_FIT[name]}"):
        erm().fit(X, y, **{name: b})


@pytest.mark.parametrize("name", CLASSES)
def test_every_fit_that_takes_bias_labels_says_so(name):
    clf = make(name) if name in METHODS else quick(CLASSES[name])
    with pytest.raises(TypeError, match="'?`?sensitive_features.* Here it is `bias_labels`"):
        clf.fit(X, y, sensitive_features=b)


OF_CONSTRUCTORS = {
    "epochs": "Here it is `max_epochs`",
    "learning_rate": "Here it is `lr`",
    "class_weight": "Here it is `balance`",
    "seed": "Here it is `random_state`",
    "validation_split": "Here it is `validation`",
    "hidden_layer_sizes": "Here it is `module__hidden`, an argument of `set_params`",
    "groups": "Here it is `bias_labels`, an argument of `fit`",
    "verbos": "Did you mean `verbose`",
}


@pytest.mark.parametrize("name", OF_CONSTRUCTORS)
def test_parameters(name):
    words = OF_CONSTRUCTORS[name]
    with pytest.raises(TypeError, match=f"ERMClassifier.. got an unexpected .* '{name}'. {words}"):
        CLASSES["ERMClassifier"](**{name: 1})
    with pytest.raises(ValueError, match=f"Invalid parameter '{name}' .* {words}"):
        erm().set_params(**{name: 1})
    with pytest.raises(ValueError, match=f"Invalid parameter '{name}' .* {words}"):
        make_pipeline(erm()).set_params(**{f"ermclassifier__{name}": 1})
    with pytest.raises(ValueError, match=words):
        GridSearchCV(erm(), {name: [1]}, error_score="raise").fit(X, y)


@pytest.mark.parametrize("name", CLASSES)
def test_every_constructor(name):
    with pytest.raises(TypeError, match="'random_stat'. Did you mean `random_state`"):
        quick(CLASSES[name], random_stat=0)


def test_what_nobody_knows_is_refused_as_before():
    with pytest.raises(TypeError, match="unexpected keyword argument 'qwertyuiop'.$"):
        CLASSES["ERMClassifier"](qwertyuiop=1)
    with pytest.raises(ValueError, match="Invalid parameter 'qwertyuiop' .* Valid parameters are"):
        erm().set_params(qwertyuiop=1)
    with pytest.raises(TypeError, match="'module__hidden'. Give it to `set_params`"):
        CLASSES["ERMClassifier"](module__hidden=3)
    assert clone(erm()).set_params(module__hidden=3).net_params == {"module__hidden": 3}


FUNCTIONS = {name: function for name, function in all_functions() if name != "make_group_scorer"}
TAKEN = {name: inspect.signature(function).parameters for name, function in FUNCTIONS.items()}
OF_BIAS = [name for name, taken in TAKEN.items() if "bias_labels" in taken]


@pytest.mark.parametrize("name", OF_BIAS)
def test_functions_of_bias_labels(name):
    with pytest.raises(TypeError, match="'sensitive_features'. Here it is `bias_labels`"):
        FUNCTIONS[name](sensitive_features=b)


def test_splits():
    with pytest.raises(TypeError, match="'sensitive_features'. Here it is `bias_labels`"):
        BiasStratifiedKFold().split(X, y, sensitive_features=b)


def test_no_name_from_elsewhere_is_one_of_ours():
    """A name that a class or a `fit` of ours takes is never called a stranger's."""
    for name, cls in CLASSES.items():
        taken = {*inspect.signature(cls).parameters, *inspect.signature(cls.fit).parameters}
        ours = {OURS[other][0] for other in OURS}
        assert not (taken & OURS.keys()) - {"max_iter"}, name
        assert taken & ours
    assert clone(CLASSES["DFRClassifier"](max_iter=3)).max_iter == 3
    np.testing.assert_array_equal(worst_group_accuracy_score(y, y, bias_labels=b), 1.0)
