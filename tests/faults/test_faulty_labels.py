"""faults.md, the rows on y, bias labels, sample weights and validation data."""

import numpy as np
import pandas as pd
import pytest
import torch
from faulty import DOORS, IMAGES, UINT8, X, b, erm, fitted_names, is_finite, make, y
from scipy import sparse

from sklearn_debias.exceptions import DebiasWarning

ab = np.array(["a", "b"])[y]
REFUSED = {
    "continuous": (X[:, 0] + 0.5, ValueError, "Unknown label type: continuous"),
    "NaN": (np.where(y, 1.0, np.nan), ValueError, "y contains NaN"),
    "None entry": ([None, *ab[1:]], ValueError, "y contains NaN"),
    "missing Int64": (pd.Series([pd.NA, *y[1:]], dtype="Int64"), ValueError, "y contains NaN"),
    "infinity": (np.where(y, np.inf, 0.0), ValueError, "y contains infinity"),
    "one-hot": (np.eye(2)[y], ValueError, "y should be a 1d array"),
    "one class": (np.zeros(40), ValueError, "at least 2 classes"),
    "too short": (y[:30], ValueError, "inconsistent numbers of samples: \\[40, 30\\]"),
    "None": (None, ValueError, "requires y to be passed, but the target y is None"),
    "complex": (y + 1j, ValueError, "Complex data not supported"),
    "numbers and text": (np.array([1, "a"], object)[y], ValueError, "Unknown label type"),
    "bytes": (np.array([b"a", b"b"])[y], TypeError, "labels represented as bytes"),
    "scalar": (3, ValueError, "y should be a 1d array"),
    "sparse": (sparse.csr_matrix(y), TypeError, "`y` must be dense"),
    "masked": (np.ma.array(y, mask=y == 1), ValueError, "`y` must have no masked entries"),
}


@pytest.mark.parametrize("method", DOORS)
@pytest.mark.parametrize("row", REFUSED)
def test_refused_labels(row, method):
    bad, error, words = REFUSED[row]
    estimator = make(method)
    with pytest.raises(error, match=words):
        estimator.fit(X, bad)
    assert fitted_names(estimator) == []


KINDS = {
    "str": (ab, "U"),
    "object": (ab.astype(object), "O"),
    "bool": (y == 1, "b"),
    "{-1, 1}": (2 * y - 1, "i"),
    "{0, 2}": (2 * y, "i"),
    "-100": (np.where(y, -100, 3), "i"),
    "large": (np.where(y, 2**62, -(2**62)), "i"),
    "float": (y.astype(float), "f"),
    "uint8": (y.astype(np.uint8), "u"),
    "big-endian": (y.astype(">i4"), "i"),
    "dates": (np.array(["2020-01-01", "2021-01-01"], "M8[D]")[y], "M"),
    "list": (ab.tolist(), "U"),
    "tensor": (torch.tensor(y), "i"),
    "bfloat16 tensor": (torch.tensor(y).bfloat16(), "f"),
    "Series with an odd index": (pd.Series(y, index=[7] * 40), "i"),
    "Int64": (pd.Series(y, dtype="Int64"), "i"),
    "boolean": (pd.Series(y == 1, dtype="boolean"), "b"),
    "string": (pd.Series(ab, dtype="string"), "O"),
    "categories in another order": (pd.Series(pd.Categorical(ab, categories=["c", "b", "a"])), "O"),
    "Categorical": (pd.Categorical(ab), "O"),
    "categories of int": (pd.Series(2 * y).astype("category"), "i"),
}


@pytest.mark.parametrize("row", KINDS)
def test_labels_come_back_as_they_are(row):
    given, kind = KINDS[row]
    clf = erm().fit(X, given)
    reference = erm().fit(X, y)
    assert clf.classes_.dtype.kind == clf.predict(X).dtype.kind == kind
    assert clf.classes_.tolist() == sorted(clf.classes_.tolist())
    codes = (
        reference.predict(X) if row != "-100" else 1 - reference.predict(X)
    )  # -100 sorts before 3
    expected = clf.classes_[codes]
    assert np.mean(clf.predict(X) == expected) > 0.9


def test_a_column_of_labels_is_flattened_with_scikit_learns_warning():
    from sklearn.exceptions import DataConversionWarning

    with pytest.warns(DataConversionWarning, match="column-vector"):
        clf = erm().fit(X, pd.DataFrame({"label": ab}))
    assert clf.classes_.tolist() == ["a", "b"]


BIAS_REFUSED = {
    "too short": (
        b[:10],
        ValueError,
        "`bias_labels` must have one value per sample: expected 40, got 10",
    ),
    "NaN": (np.where(b, 1.0, np.nan), ValueError, "`bias_labels` must not contain NaN"),
    "None entries": ([None] * 40, ValueError, "`bias_labels` must not contain NaN or None"),
    "missing Int64": (
        pd.Series([pd.NA, *b[1:]], dtype="Int64"),
        ValueError,
        "`bias_labels` must not contain NaN",
    ),
    "continuous": (X[:, 0] + 0.123, ValueError, "`bias_labels` must be categorical"),
    "row numbers": (np.arange(40), ValueError, "`bias_labels` must be categorical"),
    "3-D": (b.reshape(-1, 1, 1), ValueError, "`bias_labels` must be 1-D"),
    "scalar": (3, ValueError, "`bias_labels` must be an array-like"),
    "text": ("abc", ValueError, "`bias_labels` must be an array-like"),
    "sparse": (sparse.csr_matrix(b), TypeError, "`bias_labels` must be dense"),
}


@pytest.mark.parametrize("method", DOORS)
@pytest.mark.parametrize("row", BIAS_REFUSED)
def test_refused_bias_labels(row, method):
    bad, error, words = BIAS_REFUSED[row]
    estimator = make(method)
    with pytest.raises(error, match=words):
        estimator.fit(X, y, bias_labels=bad)
    assert fitted_names(estimator) == []


ATTRIBUTES = np.column_stack([b, y])
BIAS_KINDS = {
    "array": (b, 4),
    "list": (b.tolist(), 4),
    "text": (np.array(["sea", "land"])[b], 4),
    "tensor": (torch.tensor(b), 4),
    "float tensor that requires grad": (
        torch.tensor(b, dtype=torch.float32, requires_grad=True),
        4,
    ),
    "Int64": (pd.Series(b, dtype="Int64"), 4),
    "categories": (pd.Categorical(np.array(["sea", "land"])[b]), 4),
    "Series with an odd index": (pd.Series(b, index=[3] * 40), 4),
    "one column": (b[:, None], 4),
    "two attributes": (ATTRIBUTES, 4),  # the observed intersections, not all 8
    "frame": (pd.DataFrame(ATTRIBUTES, columns=["place", "time"]), 4),
    "frame with equal names": (pd.DataFrame(ATTRIBUTES, columns=["a", "a"]), 4),
    "one group per class": (np.zeros(40), 2),
}


@pytest.mark.parametrize("row", BIAS_KINDS)
def test_kinds_of_bias_labels(row):
    given, n_groups = BIAS_KINDS[row]
    clf = erm().fit(X, y, bias_labels=given)
    assert len(clf.group_shares_) == n_groups
    assert sum(clf.group_shares_.values()) == pytest.approx(1)


def test_the_fallback_without_bias_labels_warns_once():
    with pytest.warns(DebiasWarning) as caught:
        erm(balance="group").fit(X, y)
    assert len(caught) == 1
    assert "`balance`='group' was given no bias_labels: the classes are balanced instead" in str(
        caught[0].message
    )
    assert caught[0].filename == __file__


def test_an_empty_cell_has_no_weight_and_is_named():
    labels = np.where((y == 1) & (b == 1), 0, b)
    with pytest.warns(
        DebiasWarning, match=r"No training row has \(class, bias value\) in \[\(1, 1\)\]"
    ):
        clf = erm(balance="group").fit(X, y, bias_labels=labels)
    assert is_finite(clf)


def test_a_group_of_one_sample_trains():
    single = np.where((np.arange(40) == 0) | (y == 1), b, 1)
    for by in ("weight", "sample"):
        assert is_finite(erm(balance="group", balance_by=by).fit(X, y, bias_labels=single))


WEIGHTS_REFUSED = {
    "negative": (-np.ones(40), ValueError, "Negative values in data passed to `sample_weight`"),
    "NaN": (np.full(40, np.nan), ValueError, "sample_weight contains NaN"),
    "infinity": (np.full(40, np.inf), ValueError, "sample_weight contains infinity"),
    "all zero": (np.zeros(40), ValueError, "at least one non-zero number"),
    "one class left": (y.astype(float), ValueError, "`sample_weight` leaves one class, \\[1\\]"),
    "2-D": (np.ones((40, 1)), ValueError, "Sample weights must be 1D"),
    "too short": (np.ones(3), ValueError, "sample_weight.shape == \\(3,\\), expected \\(40,\\)"),
    "text": (["a"] * 40, ValueError, "could not convert string to float"),
    "sparse": (sparse.csr_matrix(np.ones(40)), TypeError, "`sample_weight` must be dense"),
}


@pytest.mark.parametrize("row", WEIGHTS_REFUSED)
def test_refused_sample_weights(row):
    bad, error, words = WEIGHTS_REFUSED[row]
    estimator = erm()
    with pytest.raises(error, match=words):
        estimator.fit(X, y, sample_weight=bad)
    assert fitted_names(estimator) == []


def test_weights_remove_and_duplicate_rows():
    weight = np.arange(40) % 3
    weighted = erm(dtype="float64", batch_size=100).fit(X, y, sample_weight=weight)
    repeated = erm(dtype="float64", batch_size=100).fit(X.repeat(weight, 0), y.repeat(weight))
    np.testing.assert_allclose(
        weighted.decision_function(X), repeated.decision_function(X), atol=1e-12
    )


def test_only_the_scale_free_part_of_weights_counts():
    tiny, huge = (erm().fit(X, y, sample_weight=np.full(40, scale)) for scale in (1e-300, 1e300))
    np.testing.assert_array_equal(tiny.decision_function(X), huge.decision_function(X))


def test_labels_of_image_fits_are_the_same_front_door():
    for images in (IMAGES, UINT8, torch.tensor(UINT8)):
        with pytest.raises(ValueError, match="inconsistent numbers of samples"):
            make("JTTClassifier", module="linear").fit(images, ab[:-1])
