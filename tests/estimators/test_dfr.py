"""Deep feature reweighting: a naive transcription, what it reduces to, small or empty groups."""

import pickle

import numpy as np
import pytest
import sklearn
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_debias import DFRClassifier
from sklearn_debias.datasets import make_spurious_embeddings
from sklearn_debias.exceptions import DebiasWarning
from sklearn_debias.fitting._halves import split_by
from sklearn_debias.metrics import (
    get_scorer,
    worst_group_accuracy_score,
    worst_group_accuracy_scorer,
)
from sklearn_debias.model_selection import BiasStratifiedKFold
from sklearn_debias.training import Streams


def rows_of(n_classes=2, n_attributes=1, n=300):
    options = {
        "n_classes": n_classes,
        "n_attributes": n_attributes,
        "conflict_ratio": 0.2,
        "random_state": 0,
    }
    return make_spurious_embeddings(n, n_validation=20, n_test=20, **options).train


@pytest.fixture(scope="module")
def rows():
    return rows_of()


def fit(part, **params):
    return DFRClassifier(**{"random_state": 0, **params}).fit(
        part.data, part.target, bias_labels=part.bias_labels
    )


def naive_fit(X, y, C, seed):
    """Weights per class, one against the rest; for two classes those of the second."""
    options = {"l1_ratio": 1, "solver": "liblinear", "max_iter": 1000, "random_state": seed % 2**32}
    targets = [1] if y.max() == 1 else range(y.max() + 1)
    models = [LogisticRegression(C=C, **options).fit(X, y == c) for c in targets]
    return np.vstack([m.coef_ for m in models]), np.hstack([m.intercept_ for m in models])


def naive_draw(group, rng):
    members = {g: [i for i in range(len(group)) if group[i] == g] for g in sorted(set(group))}
    least = min(len(rows) for rows in members.values())
    return [i for rows in members.values() for i in rng.permutation(rows)[:least]]


def naive_dfr(X, y, group, seed, n_resamples):
    """The authors' two functions, tuning and evaluation, on the library's random numbers."""
    streams, X = Streams(seed), X.astype(float)
    rng = np.random.default_rng(streams.seed("selection"))
    fitted, scored = split_by(np.array(group), 0.5, rng)
    drawn = fitted[naive_draw([group[i] for i in fitted], rng)]
    mean, std = X[drawn].mean(0), X[drawn].std(0)
    worst = {}
    for C in (1.0, 0.7, 0.3, 0.1, 0.07, 0.03, 0.01):
        coef, intercept = naive_fit((X[drawn] - mean) / std, y[drawn], C, streams.seed("solver"))
        z = (X[scored] - mean) / std @ coef.T + intercept
        right = (z[:, 0] > 0 if y.max() == 1 else z.argmax(1)) == y[scored]
        worst[C] = min(
            np.mean([r for r, i in zip(right, scored, strict=True) if group[i] == g])
            for g in set(group)
        )
    C = max(worst, key=lambda c: (worst[c], c))
    rng = np.random.default_rng(streams.seed("resamples"))
    mean, std = X.mean(0), X.std(0)
    fits = []
    for i in range(n_resamples):
        drawn = naive_draw(group, rng)
        fits.append(naive_fit((X[drawn] - mean) / std, y[drawn], C, streams.seed("solver", str(i))))
    coef = sum(f[0] for f in fits) / n_resamples
    intercept = sum(f[1] for f in fits) / n_resamples
    return C, worst, (X - mean) / std @ coef.T + intercept


@pytest.mark.parametrize(("n_classes", "n_attributes"), [(2, 1), (3, 1), (2, 2)])
def test_it_follows_a_naive_transcription(n_classes, n_attributes):
    part = rows_of(n_classes, n_attributes)
    bias = part.bias_labels.reshape(len(part.target), -1)
    names = [(int(c), *map(int, value)) for c, value in zip(part.target, bias, strict=True)]
    group = [sorted(set(names)).index(name) for name in names]
    clf = fit(part, n_resamples=4)
    C, worst, scores = naive_dfr(part.data, part.target, group, 0, 4)
    assert clf.C_ == C
    assert clf.selection_scores_ == pytest.approx(worst)
    found = clf.decision_function(part.data).reshape(len(part.target), -1)
    np.testing.assert_allclose(found, scores, atol=1e-10)


def test_one_draw_from_groups_of_equal_size_is_an_l1_logistic_regression(rows):
    keep = np.concatenate(
        [
            np.flatnonzero((rows.target == c) & (rows.bias_labels == v))[:20]
            for c, v in np.ndindex(2, 2)
        ]
    )
    X, y, bias = rows.data[keep].astype(float), rows.target[keep], rows.bias_labels[keep]
    clf = DFRClassifier(C=0.3, n_resamples=1, random_state=0).fit(X, y, bias_labels=bias)
    plain = make_pipeline(
        StandardScaler(), LogisticRegression(C=0.3, l1_ratio=1, solver="liblinear", tol=1e-8)
    )
    np.testing.assert_allclose(
        clf.decision_function(X), plain.fit(X, y).decision_function(X), atol=0.02
    )


def test_the_standardisation_is_folded_into_the_coefficients(rows):
    clf = fit(rows)
    expected = rows.data.astype(float) @ clf.coef_[0] + clf.intercept_[0]
    np.testing.assert_array_equal(clf.decision_function(rows.data), expected)
    shifted = DFRClassifier(random_state=0).fit(
        100 + 7 * rows.data, rows.target, bias_labels=rows.bias_labels
    )
    np.testing.assert_allclose(shifted.decision_function(100 + 7 * rows.data), expected, atol=1e-3)


def test_a_given_c_needs_no_selection(rows):
    clf = fit(rows, C=0.5)
    assert clf.C_ == 0.5
    assert not hasattr(clf, "selection_scores_")


@pytest.mark.parametrize("n_classes", [2, 3])
def test_predictions_probabilities_and_scores_agree(n_classes):
    part = rows_of(n_classes)
    clf = DFRClassifier(random_state=0).fit(
        part.data, np.array(list("abc"))[part.target], bias_labels=part.bias_labels
    )
    probability = clf.predict_proba(part.data)
    assert probability.shape == (300, n_classes)
    np.testing.assert_allclose(probability.sum(1), 1)
    assert (clf.classes_[probability.argmax(1)] == clf.predict(part.data)).all()
    np.testing.assert_allclose(clf.predict_log_proba(part.data), np.log(probability))
    assert np.isfinite(clf.predict_proba(1e6 * part.data)).all()


def test_what_scorers_ask_for_is_there(rows):
    clf = fit(rows)
    assert clf.aligned_bias_ == {0: 0, 1: 1}
    assert clf.bias_classes_ == [0, 1]
    assert sum(clf.group_shares_.values()) == pytest.approx(1)
    assert clf.group_sizes_ == {(0, 0): 120, (0, 1): 30, (1, 0): 30, (1, 1): 120}
    for name in ("conflicting_accuracy", "adjusted_accuracy", "worst_group_accuracy"):
        assert 0 <= get_scorer(name)(clf, rows.data, rows.target, bias_labels=rows.bias_labels) <= 1


def test_an_empty_group_is_named_and_the_others_are_balanced(rows):
    bias = np.where(rows.target == 1, "sea", np.array(["sea", "land"])[rows.bias_labels])
    with pytest.warns(
        DebiasWarning, match=r"\[\(1, 'land'\)\]: nothing can be learned of it"
    ) as caught:
        clf = DFRClassifier(random_state=0).fit(rows.data, rows.target, bias_labels=bias)
    assert len(caught) == 1
    assert caught[0].filename == __file__
    assert (1, "land") not in clf.group_sizes_


def test_without_bias_labels_the_classes_are_the_groups_with_one_warning(rows):
    with pytest.warns(
        DebiasWarning, match="no bias_labels: the classes are taken as groups"
    ) as caught:
        clf = DFRClassifier(random_state=0).fit(rows.data, rows.target)
    assert len(caught) == 1
    assert clf.group_sizes_ == {0: 150, 1: 150}
    assert not hasattr(clf, "aligned_bias_")


def test_a_group_of_one_row_trains(rows):
    keep = np.flatnonzero((rows.target != 1) | (rows.bias_labels == 1))
    keep = np.append(keep, np.flatnonzero((rows.target == 1) & (rows.bias_labels == 0))[:1])
    clf = DFRClassifier(random_state=0).fit(
        rows.data[keep], rows.target[keep], bias_labels=rows.bias_labels[keep]
    )
    assert min(clf.group_sizes_.values()) == 1
    assert np.isfinite(clf.coef_).all()


def test_constant_features_are_ignored(rows):
    X = np.column_stack([rows.data, np.full(300, 3.0)])
    clf = DFRClassifier(random_state=0).fit(X, rows.target, bias_labels=rows.bias_labels)
    assert np.isfinite(clf.coef_).all()
    assert clf.coef_[0, -1] == 0


def test_a_seed_reproduces_and_pickles_hold_no_data(rows):
    one, other = fit(rows), clone(fit(rows, random_state=1)).set_params(random_state=0)
    other.fit(rows.data, rows.target, bias_labels=rows.bias_labels)
    np.testing.assert_array_equal(one.coef_, other.coef_)
    assert not np.array_equal(one.coef_, fit(rows, random_state=1).coef_)
    assert len(pickle.dumps(one)) < 4000


def test_searches_and_pipelines_pass_bias_labels_on(rows):
    with sklearn.config_context(enable_metadata_routing=True):
        search = GridSearchCV(
            make_pipeline(StandardScaler(), DFRClassifier(n_resamples=2, random_state=0)),
            {"dfrclassifier__C": ["auto", 0.1]},
            scoring=worst_group_accuracy_scorer,
            cv=BiasStratifiedKFold(2),
        ).fit(rows.data, rows.target, bias_labels=rows.bias_labels)
        result = cross_validate(
            DFRClassifier(random_state=0),
            rows.data,
            rows.target,
            params={"bias_labels": rows.bias_labels},
            cv=2,
        )
    assert search.best_estimator_[-1].aligned_bias_ == {0: 0, 1: 1}
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    assert np.isfinite(result["test_score"]).all()


REFUSED = {
    "C": [0, -1, np.nan, np.inf, "best", None],
    "Cs": [(), (0.0,), (1.0, -1.0), (np.nan,), ("a",), 3, None],
    "n_resamples": [0, 2.5],
    "max_iter": [0, None],
    "random_state": [-1, "a"],
}


@pytest.mark.parametrize(
    ("name", "value"), [(n, v) for n, values in REFUSED.items() for v in values]
)
def test_refused_parameters(rows, name, value):
    clf = fit(rows).set_params(**{name: value})
    with pytest.raises((ValueError, TypeError), match=f"['`]{name}['`]"):
        clf.fit(rows.data, rows.target, bias_labels=rows.bias_labels)


def test_a_failed_fit_leaves_nothing(rows):
    clf = fit(rows)
    for X, bias in ((rows.data * np.nan, rows.bias_labels), (rows.data, rows.bias_labels[:9])):
        with pytest.raises(ValueError, match="NaN|`bias_labels` must have one value per sample"):
            clf.fit(X, rows.target, bias_labels=bias)
        assert not [name for name in vars(clf) if name.endswith("_")]


def test_the_worst_group_gains_over_the_same_head_on_all_rows(rows):
    data = make_spurious_embeddings(2000, n_validation=500, n_test=2000, random_state=0)
    test = data.test
    erm = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, l1_ratio=1, solver="liblinear"))
    scores = [
        worst_group_accuracy_score(
            test.target, clf.predict(test.data), bias_labels=test.bias_labels
        )
        for clf in (erm.fit(data.train.data, data.train.target), fit(data.validation))
    ]
    assert scores[1] > scores[0] + 0.1
