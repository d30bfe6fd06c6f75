"""faults.md, the rows on X: what is refused and in which words, what works and stays untouched."""

import numpy as np
import pandas as pd
import pytest
import torch
from faulty import (
    DOORS,
    FRONT,
    X,
    arguments,
    b,
    biasadv,
    erm,
    fitted_names,
    is_finite,
    make,
    rng,
    y,
)
from scipy import sparse
from torch.utils.data import DataLoader, TensorDataset


def holding(value):
    bad = X.copy()
    bad[3, 1] = value
    return bad


REFUSED = {
    "NaN": (holding(np.nan), ValueError, "X contains NaN"),
    "infinity": (holding(np.inf), ValueError, "contains infinity or a value too large"),
    "overflows float32": (
        holding(1e300),
        ValueError,
        "infinity or a value too large for dtype\\('float32'\\)",
    ),
    "None entries": (np.full((40, 4), None), ValueError, "X contains NaN"),
    "missing in a nullable frame": (
        pd.DataFrame(X).astype("Float64").mask(X > 2),
        ValueError,
        "X contains NaN",
    ),
    "masked array": (np.ma.array(X, mask=X > 2), ValueError, "`X` must have no masked entries"),
    "0 samples": (X[:0], ValueError, "0 sample\\(s\\)"),
    "0 features": (X[:, :0], ValueError, "0 feature\\(s\\)"),
    "0 channels": (np.zeros((40, 0, 8, 8)), ValueError, "0 feature\\(s\\)"),
    "0 rows of pixels": (np.zeros((40, 3, 0, 8)), ValueError, "0 feature\\(s\\)"),
    "1-D": (X[:, 0], ValueError, "Expected 2D array, got 1D array"),
    "a Series": (pd.Series(X[:, 0]), ValueError, "Expected 2D array, got 1D array"),
    "3-D": (X[..., None], ValueError, "`X` must be 2-D .* or 4-D images"),
    "5-D": (np.zeros((40, 1, 8, 8, 1)), ValueError, "`X` must be 2-D .* or 4-D images"),
    "complex": (X + 1j, ValueError, "Complex data not supported"),
    "text": (pd.DataFrame({"a": ["x"] * 40}), ValueError, "could not convert string to float"),
    "ragged": (
        [[1.0, 2.0], [3.0]] * 20,
        ValueError,
        "`X` must have rows of one shape: `X\\[1\\]` has \\(1,\\), and `X\\[0\\]` \\(2,\\)",
    ),
    "None": (None, ValueError, "Expected 2D array"),
    "a matrix": (np.array(X).view(np.matrix), TypeError, "np.matrix is not supported"),
    "one path": ("image.png", TypeError, "`X` must be a list of image paths"),
    "csr": (sparse.csr_matrix(X), TypeError, "dense"),
    "coo array": (sparse.coo_array(X), TypeError, "dense"),
    "sparse tensor": (torch.tensor(X).to_sparse(), TypeError, "`X` must be a dense tensor"),
    "meta tensor": (torch.empty(40, 4, device="meta"), TypeError, "`X` must hold plain numbers"),
    "complex tensor": (torch.tensor(X) + 1j, ValueError, "Complex data not supported"),
    "DataLoader": (DataLoader(TensorDataset(torch.tensor(X))), TypeError, "`X` must be a Dataset"),
    "mixed column names": (
        pd.DataFrame(X, columns=[1, 2, "a", "b"]),
        TypeError,
        "Feature names are only supported",
    ),
    "duplicate column names": (
        pd.DataFrame(X, columns=list("aabc")),
        ValueError,
        "unique column names",
    ),
}


@pytest.mark.parametrize("method", DOORS)
@pytest.mark.parametrize("row", REFUSED)
def test_refused_at_fit(row, method):
    bad, error, words = REFUSED[row]
    estimator = make(method)
    with pytest.raises(error, match=words):
        estimator.fit(bad, y)
    assert fitted_names(estimator) == []


@pytest.fixture(scope="module")
def fitted():
    return erm().fit(X, y)


REFUSED_LATER = {
    row: REFUSED[row]
    for row in ("NaN", "infinity", "0 samples", "1-D", "3-D", "complex", "text", "csr")
}
REFUSED_LATER["overflows float32"] = REFUSED["overflows float32"]
REFUSED_LATER["fewer features"] = (
    X[:, :3],
    ValueError,
    "X has 3 features, but ERMClassifier is expecting 4 features",
)
REFUSED_LATER["images after features"] = (
    np.zeros((2, 3, 8, 8)),
    ValueError,
    "rows of shape \\(4,\\), as in fit",
)


@pytest.mark.parametrize(
    "call", ["predict", "predict_proba", "predict_log_proba", "decision_function", "score"]
)
@pytest.mark.parametrize("row", REFUSED_LATER)
def test_refused_after_fit(row, call, fitted):
    bad, error, words = REFUSED_LATER[row]
    with pytest.raises(error, match=words):
        getattr(fitted, call)(bad, *([y] if call == "score" else []))


def test_other_column_names_are_refused():
    clf = erm().fit(pd.DataFrame(X, columns=list("abcd")), y)
    with pytest.raises(ValueError, match="feature names should match"):
        clf.predict(pd.DataFrame(X, columns=list("bacd")))


def strided():
    wide = np.zeros((40, 8))
    wide[:, ::2] = X
    return wide[:, ::2]


WHOLE = (10 * X).astype(np.int64)
SAME_VALUES = {
    "float64": X,
    "float32": X.astype(np.float32),
    "big-endian": X.astype(">f8"),
    "Fortran order": np.asfortranarray(X),
    "strided": strided(),
    "negative strides": X[::-1][::-1],
    "list": X.tolist(),
    "list of tensors": list(torch.tensor(X)),
    "object": X.astype(object),
    "frame": pd.DataFrame(X),
    "frame with an odd index": pd.DataFrame(X, index=[7] * 40),
    "nullable frame": pd.DataFrame(X).astype("Float64"),
    "tensor": torch.tensor(X),
    "tensor that requires grad": torch.tensor(X, requires_grad=True),
    "unmasked array": np.ma.array(X),
}
SAME_WHOLE_VALUES = {
    **{f"int{bits}": WHOLE.astype(f"i{bits // 8}") for bits in (16, 32, 64)},
    "float16": WHOLE.astype(np.float16),
    "bfloat16 tensor": torch.tensor(WHOLE).bfloat16(),
    "Int64 frame": pd.DataFrame(WHOLE).astype("Int64"),
    "bool": WHOLE > 10,
    "boolean frame": pd.DataFrame(WHOLE > 10).astype("boolean"),
    "uint8": WHOLE.clip(0).astype(np.uint8),
}


@pytest.mark.parametrize("row", SAME_VALUES)
def test_kinds_of_x_agree_to_the_last_bit(row):
    given = SAME_VALUES[row]
    before = given.tobytes() if isinstance(given, np.ndarray) else None
    with np.errstate(all="raise"):
        logits = erm().fit(given, y).decision_function(given)
    np.testing.assert_array_equal(
        logits, erm().fit(X.astype(np.float32), y).decision_function(X.astype(np.float32))
    )
    assert before is None or given.tobytes() == before


@pytest.mark.parametrize("row", SAME_WHOLE_VALUES)
def test_dtypes_of_x_agree(row):
    given = SAME_WHOLE_VALUES[row]
    as_float = np.asarray(
        given.float() if isinstance(given, torch.Tensor) else given, dtype=np.float32
    )
    logits = erm().fit(given, y).decision_function(given)
    np.testing.assert_array_equal(logits, erm().fit(as_float, y).decision_function(as_float))


@pytest.mark.parametrize("method", DOORS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_read_only_memory_map_is_left_as_it_was(tmp_path, method, dtype):
    np.save(tmp_path / "x.npy", X.astype(dtype))
    before = (tmp_path / "x.npy").read_bytes()
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    mapped_logits = make(method, dtype=dtype).fit(mapped, y).decision_function(mapped)
    assert (tmp_path / "x.npy").read_bytes() == before
    in_memory = X.astype(dtype)
    logits = make(method, dtype=dtype).fit(in_memory, y).decision_function(in_memory)
    np.testing.assert_array_equal(mapped_logits, logits)


@pytest.mark.parametrize("method", FRONT)
def test_arrays_are_left_as_they_were(method):
    given = X.copy(), y.copy(), b.copy()
    estimator = make(method, augment=lambda x: x.mul_(2)).fit(
        given[0], given[1], bias_labels=given[2]
    )
    estimator.predict(given[0])
    for array, original in zip(given, (X, y, b), strict=True):
        np.testing.assert_array_equal(array, original)


@pytest.mark.filterwarnings("ignore:The error set", "ignore:`k`=4 is more than the 2 held-out")
@pytest.mark.parametrize("method", [m for m in FRONT if "X_meta" not in arguments(m)])
@pytest.mark.parametrize("batch_size", [1, 100])
def test_two_rows_are_enough(method, batch_size):
    given = np.array([[-1.0, 0.0], [1.0, 0.0]])
    clf = make(method, batch_size=batch_size, max_epochs=10, weight_decay=0).fit(given, ["a", "b"])
    assert is_finite(clf)
    assert clf.predict(given).tolist() == ["a", "b"]


def test_one_feature_and_a_class_with_one_sample():
    labels = np.r_[y[:39], 7]
    clf = erm(validation=0.3).fit(X[:, :1], labels)
    assert clf.classes_.tolist() == [0, 1, 7]
    assert clf.predict_proba(X[:, :1]).shape == (40, 3)


@pytest.mark.filterwarnings("ignore:`X` has values up to")
@pytest.mark.filterwarnings("ignore:The fitted model predicts")
@pytest.mark.parametrize("scale", [1e-30, 1e10])
def test_a_finite_scale_ends_in_a_finite_model(scale):
    assert is_finite(erm(optimizer="sgd").fit(X * scale, y))


@pytest.mark.filterwarnings("ignore:`X` has values up to")
def test_a_scale_whose_products_overflow_diverges():
    with pytest.raises(ValueError, match="diverged"):
        erm(optimizer="sgd").fit(X * 1e30, y)


@pytest.mark.parametrize(
    "call", ["predict", "decision_function", "adversarial_examples", "module_", "biased_module_"]
)
def test_not_fitted(call):
    from sklearn.exceptions import NotFittedError

    with pytest.raises(NotFittedError, match="fit"):
        getattr(biasadv(), call)(X, *([y] if call == "adversarial_examples" else []))


def test_reordered_rows_predict_the_same():
    clf, order = biasadv().fit(X, y), rng.permutation(40)
    np.testing.assert_array_equal(clf.decision_function(X)[order], clf.decision_function(X[order]))
