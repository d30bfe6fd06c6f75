"""Text, bytes, times and sparse matrices: NumPy would make numbers of most of them in silence."""

from decimal import Decimal

import numpy as np
import pandas as pd
import pytest
from faulty import CLASSES, METHODS, X, b, erm, make, y
from scipy import sparse
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.preprocessing import OneHotEncoder

from sklearn_debias import ERMClassifier
from sklearn_debias.attribution import integrated_gradients
from sklearn_debias.feature_extraction import Embedder
from sklearn_debias.metrics import adjusted_accuracy_score, worst_group_accuracy_score
from sklearn_debias.testing import quick

DAYS = np.datetime64("2020-01-01") + np.arange(160).reshape(40, 4)
SPANS = DAYS - DAYS[0, 0]
TEXT = X.astype(str)
ODD = {
    "dates": (DAYS, "dates"),
    "NaT": (np.where(X > 1, DAYS, np.datetime64("NaT")), "dates"),
    "spans": (SPANS, "spans of time"),
    "numeric text": (TEXT, "text"),
    "bytes": (TEXT.astype("S"), "bytes"),
    "text as objects": (TEXT.astype(object), "text"),
    "one text among numbers": ([[1.0, 2, 3, "4"], *X[1:].tolist()], "text"),
    "list of text": (TEXT.tolist(), "text"),
    "frame of dates": (pd.DataFrame(DAYS), "dates"),
    "frame with one date": (pd.DataFrame(X[:, :3]).assign(day=DAYS[:, 0]), "dates"),
    "zoned dates": (pd.DataFrame(DAYS).apply(lambda day: day.dt.tz_localize("UTC")), "dates"),
    "periods": (pd.DataFrame({0: pd.period_range("2020", periods=40, freq="D")}), "dates"),
    "frame of text": (pd.DataFrame(TEXT).astype("string"), "text"),
    "categories of text": (pd.DataFrame(TEXT).astype("category"), "text"),
    "records": (np.zeros((40, 4), "V4"), "records"),
}


@pytest.mark.parametrize("name", ["ERMClassifier", "DHATClassifier", "DFRClassifier"])
@pytest.mark.parametrize("row", ODD)
def test_refused_in_fit(row, name):
    odd, words = ODD[row]
    clf = make(name) if name in METHODS else quick(CLASSES[name])
    with pytest.raises(ValueError, match=f"`X` must hold numbers, got {words}, such as"):
        clf.fit(odd, y)


@pytest.mark.parametrize("row", ["dates", "numeric text", "frame of dates"])
def test_refused_after_fit_and_by_what_else_opens_rows(row):
    odd, words = ODD[row]
    clf = erm().fit(X, y)
    embedder = Embedder("mlp", cache_dir=None).fit(X)
    for call in (clf.predict, clf.predict_proba, embedder.transform, embedder.fit):
        with pytest.raises(ValueError, match=f"`X` must hold numbers, got {words}"):
            call(odd)


WEIGHTS = {"text": np.ones(40).astype(str), "dates": DAYS[:, 0], "bytes": np.ones(40).astype("S")}


@pytest.mark.parametrize("kind", WEIGHTS)
def test_weights_are_numbers(kind):
    wrong = {"sample_weight": WEIGHTS[kind]}
    with pytest.raises(ValueError, match=f"`sample_weight` must hold numbers, got {kind}"):
        erm().fit(X, y, **wrong)
    with pytest.raises(ValueError, match=f"`sample_weight` must hold numbers, got {kind}"):
        worst_group_accuracy_score(y, y, bias_labels=b, **wrong)


def test_parameters_are_numbers():
    for params in ({"normalize": ("0", "1")}, {"clip": ("-9", "9")}):
        (parameter,) = params
        name = "BiasAdvClassifier" if parameter == "clip" else "ERMClassifier"
        with pytest.raises(ValueError, match=f"`{parameter}`"):
            make(name, **params).fit(X, y)
    with pytest.raises(ValueError, match="`Cs`"):
        CLASSES["DFRClassifier"](Cs=("1.0", "0.1")).fit(X, y, bias_labels=b)
    with pytest.raises(ValueError, match="`baseline`"):
        integrated_gradients(erm().fit(X, y), X, y, baseline="0")
    shares = dict.fromkeys([(0, 0), (0, 1), (1, 0), (1, 1)], "0.25")
    with pytest.raises(ValueError, match="`group_shares` must hold numbers, got text"):
        adjusted_accuracy_score(y, y, group_shares=shares, bias_labels=b)


@pytest.mark.parametrize(
    "same",
    [
        X.astype(object),
        [[Decimal(str(value)) for value in row] for row in X],
        pd.DataFrame(X).astype("category"),
        pd.DataFrame(X).astype("Float64"),
    ],
    ids=["objects", "decimals", "categories", "nullable"],
)
def test_numbers_in_other_clothes_are_numbers(same):
    expected = erm().fit(X, y).predict_proba(X)
    np.testing.assert_array_equal(erm().fit(same, y).predict_proba(X), expected)


COMMENTS = ["free money now", "see you at noon"] * 20


@pytest.mark.parametrize(
    ("given", "advice"),
    [
        (COMMENTS, "TfidfVectorizer and TruncatedSVD"),
        (pd.Series(COMMENTS), "TfidfVectorizer and TruncatedSVD"),
        (pd.DataFrame({"text": COMMENTS}), "TfidfVectorizer and TruncatedSVD"),
        (TfidfVectorizer().fit_transform(COMMENTS), "by TruncatedSVD"),
        (OneHotEncoder().fit_transform(X.round()), "OneHotEncoder\\(sparse_output=False\\)"),
        (pd.get_dummies(X[:, 0].round(), sparse=True), "toarray|to_dense"),
        (sparse.coo_array(X), "toarray"),
    ],
    ids=["text", "series", "frame", "TF-IDF", "one-hot", "dummies", "coo"],
)
def test_the_way_from_text_and_sparse_matrices_is_shown(given, advice):
    with pytest.raises((ValueError, TypeError), match=f"`X.*{advice}"):
        ERMClassifier().fit(given, y)
