"""imbalanced-learn's samplers move the rows of X and y; bias labels must go with them."""

import numpy as np
import pandas as pd
import pytest
from data import X, b, y
from sklearn import config_context

from sklearn_debias import GroupDROClassifier

pytest.importorskip("imblearn")
from imblearn import over_sampling, under_sampling
from imblearn.pipeline import make_pipeline

ROWS = pd.Index([f"row {i}" for i in range(len(y))])
NAMED = pd.DataFrame(X, index=ROWS).rename(columns=str)


def dro():
    return GroupDROClassifier(lr=0.03, max_epochs=5, random_state=0)


@pytest.mark.parametrize("replacement", [False, True])
@pytest.mark.parametrize("rows", [ROWS, pd.RangeIndex(len(y))], ids=["named", "counted"])
@pytest.mark.parametrize("routed", [False, True])
def test_bias_labels_of_rows_that_a_sampler_reorders_are_refused(rows, replacement, routed):
    sampler = under_sampling.RandomUnderSampler(random_state=0, replacement=replacement)
    model = make_pipeline(sampler, dro())
    name = "bias_labels" if routed else "groupdroclassifier__bias_labels"
    given = {name: pd.Series(b, index=rows)}
    with (
        config_context(enable_metadata_routing=routed),
        pytest.raises(
            ValueError,
            match=r"^`bias_labels` must have its rows in the order of `X`.*"
            r"np\.asarray\(bias_labels\)\[sampler\.sample_indices_\]",
        ),
    ):
        model.fit(NAMED.set_index(rows), pd.Series(y, index=rows), **given)


@pytest.mark.parametrize("rows", [ROWS, pd.RangeIndex(len(y))], ids=["named", "counted"])
def test_what_the_message_says_after_a_sampler_gives_the_right_fit(rows):
    sampler = under_sampling.RandomUnderSampler(random_state=0, replacement=True)
    moved, labels = sampler.fit_resample(NAMED.set_index(rows), pd.Series(y, index=rows))
    bias = np.asarray(pd.Series(b, index=rows))[sampler.sample_indices_]
    clf = dro()
    fitted = clf.fit(moved, labels, bias_labels=bias).predict_proba(NAMED)
    taken = sampler.sample_indices_
    expected = clf.fit(X[taken], y[taken], bias_labels=b[taken]).predict_proba(X)
    np.testing.assert_array_equal(fitted, expected)


@pytest.mark.parametrize("name", ["RandomOverSampler", "SMOTE"])
def test_bias_labels_of_other_rows_than_a_sampler_returns_are_refused(name):
    kept = np.r_[np.flatnonzero(y == 0), np.flatnonzero(y == 1)[:40]]
    sampler = getattr(over_sampling, name)(random_state=0)
    model = make_pipeline(sampler, dro())
    with pytest.raises(ValueError, match="^`bias_labels` must have one value .*sample_indices_"):
        model.fit(X[kept], y[kept], groupdroclassifier__bias_labels=b[kept])


def test_of_arrays_nothing_tells_which_rows_a_sampler_returns():
    sampler = under_sampling.RandomUnderSampler(random_state=0)
    model = make_pipeline(sampler, dro()).fit(X, y, groupdroclassifier__bias_labels=b)
    moved, labels = sampler.fit_resample(X, y)
    right = dro().fit(moved, labels, bias_labels=b[sampler.sample_indices_])
    assert model[-1].group_weights_ != right.group_weights_
