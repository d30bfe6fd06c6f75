"""Methods compared on rows of tokens."""

import numpy as np
import pandas as pd
import pytest
from tokens import bag, columns_of, make_rows

from sklearn_debias import ERMClassifier
from sklearn_debias.comparison import compare

TRAIN, TEST = (make_rows(seed=seed) for seed in (0, 1))
SETTINGS = {"cv": 2, "n_configurations": 1, "n_seeds": 2, "n_resamples": 100, "random_state": 0}
SETTINGS |= {"search_spaces": {"ERM": {}}}


def compared(form, train=TRAIN):
    methods = {"ERM": ERMClassifier(bag(), max_epochs=2, lr=0.01)}
    train, test = ((form(X), *labels) for X, *labels in (train, TEST))
    return compare(methods, train, test=test, **SETTINGS)


@pytest.mark.filterwarnings("ignore::sklearn_debias.exceptions.DebiasWarning")
def test_lists_and_frames_of_tokens_are_compared_alike():
    expected = compared(list).frame
    found = compared(lambda X: pd.DataFrame(columns_of(X))).frame
    for name in ("validation_score", "accuracy", "worst_group_accuracy"):
        np.testing.assert_array_equal(found[name], expected[name], err_msg=name)


def test_rows_in_two_parts_are_found():
    shared = ([*TRAIN[0][:-2], *TEST[0][:2]], *TRAIN[1:])
    for form in (list, lambda X: pd.DataFrame(columns_of(X))):
        with pytest.raises(ValueError, match="2 .*rows"):
            compared(form, shared)


def test_datasets_of_hugging_face_are_refused_with_a_way_out():
    datasets = pytest.importorskip("datasets")
    with pytest.raises(TypeError, match=r"got a Dataset\. Pass them as a list, list\(X\)"):
        compared(lambda X: datasets.Dataset.from_dict(columns_of(X)))
