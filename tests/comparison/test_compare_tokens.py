"""Methods compared on rows of tokens."""

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from tokens import bag, columns_of, make_rows

from sklearn_debias import ERMClassifier
from sklearn_debias.comparison import compare

try:  # `tox -e compat` installs both
    import polars as pl
    import pyarrow as pa
except ImportError:
    pl = pa = None

TRAIN, TEST = (make_rows(seed=seed) for seed in (0, 1))
SETTINGS = {"cv": 2, "n_configurations": 1, "n_seeds": 2, "n_resamples": 100, "random_state": 0}
SETTINGS |= {"search_spaces": {"ERM": {}}}


FRAMES = {"pandas": lambda X: pd.DataFrame(columns_of(X))}
if pl is not None:
    FRAMES["polars"] = lambda X: pl.DataFrame(columns_of(X))


def compared(form, train=TRAIN, **params):
    methods = {"ERM": ERMClassifier(bag(), max_epochs=2, lr=0.01)}
    train, test = ((form(X), *labels) for X, *labels in (train, TEST))
    return compare(methods, train, test=test, **{**SETTINGS, **params})


@pytest.mark.filterwarnings("ignore::sklearn_debias.exceptions.DebiasWarning")
@pytest.mark.parametrize(
    "params", [{}, {"search_spaces": None, "n_configurations": 2}], ids=["no space", "own space"]
)
def test_lists_and_frames_of_tokens_are_compared_alike(params):
    expected = compared(list, **params).frame
    for form in FRAMES.values():
        found = compared(form, **params).frame
        for name in ("validation_score", "accuracy", "worst_group_accuracy"):
            np.testing.assert_array_equal(found[name], expected[name], err_msg=name)


@pytest.mark.parametrize("form", [list, *FRAMES.values()], ids=["list", *FRAMES])
def test_rows_in_two_parts_are_found(form):
    shared = ([*TRAIN[0][:-2], *TEST[0][:2]], *TRAIN[1:])
    with pytest.raises(ValueError, match="there are 2 in `train`"):
        compared(form, shared)


@pytest.mark.parametrize("form", [np.asarray, pd.DataFrame] + ([pl.DataFrame] if pl else []))
def test_rows_of_features_in_two_parts_are_found(form):
    rows = np.random.default_rng(0).normal(size=(10, 2))
    y = np.arange(6) % 2
    with pytest.raises(ValueError, match="there are 2 in `train`"):
        compare(
            {"ERM": ERMClassifier()},
            (form(rows[:6]), y, y),
            test=(form(rows[4:]), y, y),
            **SETTINGS,
        )


def test_rows_of_images_in_two_parts_are_found():
    levels = np.random.default_rng(0).integers(0, 256, (8, 6, 6, 3), dtype="uint8")
    y = np.arange(6) % 2
    # As list(dataset) has them: each part by itself.
    train, test = (
        [{"image": Image.fromarray(x), "label": 0} for x in part]
        for part in (levels[:6], levels[[6, 7, 2, 3, 6, 7]])
    )
    with pytest.raises(ValueError, match="there are 2 in `train`"):
        compare({"ERM": ERMClassifier()}, (train, y, y), test=(test, y, y), **SETTINGS)


def test_datasets_of_hugging_face_are_refused_with_a_way_out():
    pytest.importorskip("datasets.arrow_dataset")  # tests/datasets has the other name, too
    import datasets

    with pytest.raises(TypeError, match=r"got a Dataset\. Pass them as a list, list\(X\)"):
        compared(lambda X: datasets.Dataset.from_dict(columns_of(X)))
    for form in (columns_of, lambda X: pa.table(columns_of(X))):
        with pytest.raises(TypeError, match=r"as a list, (\[dict\(|X\.to_pylist\(\))"):
            compared(form)
