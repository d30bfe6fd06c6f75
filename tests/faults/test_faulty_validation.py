"""What validation rows and monitors must be; checked before training where that is possible."""

import numpy as np
import pytest
from faulty import X, b, erm, fitted_names, y

VALIDATION_REFUSED = {
    "not a tuple": (3, "`validation_data` must be"),
    "one part": ((X,), "`validation_data` must be"),
    "four parts": ((X, y, b, b), "`validation_data` must be"),
    "short labels": (
        (X, y[:3]),
        "`validation_data\\[1\\]` must have one label per row of X, 40, got 3",
    ),
    "unseen labels": ((X, y + 5), "`validation_data\\[1\\]` must hold labels seen in fit"),
    "NaN labels": (
        (X, np.full(40, np.nan)),
        "`validation_data\\[1\\]` must hold labels seen in fit",
    ),
    "no labels": ((X, None), "`validation_data` failed .*1d array"),
    "one-hot labels": ((X, np.eye(2)[y]), "`validation_data` failed .*1d array"),
    "short bias labels": (
        (X, y, b[:3]),
        "`validation_data` failed .*`bias_labels` must have one value per sample",
    ),
    "features": ((X[:, :2], y), "`validation_data` failed .*X has 2 features"),
    "NaN": ((X * np.nan, y), "`validation_data` failed .*NaN"),
    "empty": ((X[:0], y[:0]), "`validation_data` failed .*0 sample"),
}


@pytest.mark.parametrize("row", VALIDATION_REFUSED)
def test_refused_validation_data(row):
    data, words = VALIDATION_REFUSED[row]
    estimator = erm(max_epochs=10**9)  # the check comes before the first epoch
    with pytest.raises(ValueError, match="(?s)" + words):
        estimator.fit(X, y, bias_labels=b, validation_data=data)
    assert fitted_names(estimator) == []


def test_validation_twice_or_missing():
    with pytest.raises(
        ValueError, match="`validation` and `validation_data` must not both be given"
    ):
        erm(validation=0.2).fit(X, y, validation_data=(X, y))
    with pytest.raises(ValueError, match="`monitor` needs validation rows"):
        erm(monitor="accuracy").fit(X, y)
    with pytest.raises(ValueError, match="`validation`=0.5 holds out no row of 2"):
        erm(validation=0.5).fit(X[:2], y[:2])


MONITORS = {
    "None": (lambda e, X, y: None, TypeError),
    "NaN": (lambda e, X, y: np.nan, ValueError),
    "text": (lambda e, X, y: "high", ValueError),
    "wrong signature": (lambda e: 1.0, TypeError),
    "raises": (lambda e, X, y: {}["score"], ValueError),
}


@pytest.mark.parametrize("row", MONITORS)
def test_faulty_monitors(row):
    monitor, error = MONITORS[row]
    estimator = erm(monitor=monitor, validation=0.25)
    with pytest.raises(error, match="`monitor`|could not convert string"):
        estimator.fit(X, y)
    assert fitted_names(estimator) == []


def test_a_group_monitor_without_bias_labels_says_what_is_missing():
    with pytest.raises(ValueError, match="needs the bias labels of the validation rows"):
        erm(monitor="worst_group_accuracy", validation=0.25).fit(X, y)
