"""Candidate groups on embeddings: planted ones are found, noise has none, the numbers are right."""

import numpy as np
import pytest
from scipy.stats import beta, fisher_exact

from sklearn_debias.datasets import make_spurious_embeddings
from sklearn_debias.group_inference import GroupInferrer
from sklearn_debias.inspection import bias_report
from sklearn_debias.inspection._candidates import Measured
from sklearn_debias.inspection._slices import Judged

QUICK = {"n_permutations": 19, "random_state": 0}


def planted(seed=0, **options):
    return make_spurious_embeddings(1000, random_state=seed, **options).train


@pytest.mark.parametrize("n_features", [None, 64])
def test_the_conflicting_rows_are_found_without_bias_labels(n_features):
    data = planted(n_features=n_features)
    conflicting = data.bias_labels != data.target
    report = bias_report(data.target, embeddings=data.data, **QUICK)
    found = report.candidates[report.candidates["candidate"]]
    assert set(found["class"]) == {0, 1}
    assert set(found["source"]) == {"errors"}
    assert (found["upper"] < found["rest_lower"]).all()
    for number in found.index:
        assert conflicting[report.members[number]].mean() > 0.9
    in_groups = np.concatenate([report.members[number] for number in found.index])
    assert conflicting[in_groups].sum() > 0.8 * conflicting.sum()


def test_a_group_of_each_way_to_be_wrong():
    """Two groups of one class err in different places."""
    rng = np.random.default_rng(0)
    y = np.repeat([0, 1], 300)
    X = rng.normal(size=(600, 5))
    X[y == 1, 0] += 6
    X[:80, 0] += 6  # looks like class 1, in two of its places
    for places, axis in (((0, 40, 300, 450), 1), ((40, 80, 450, 600), 2)):
        X[places[0] : places[1], axis] += 10
        X[places[2] : places[3], axis] += 10
    report = bias_report(y, embeddings=X, **QUICK)
    found = report.candidates[report.candidates["candidate"]]
    members = {frozenset(report.members[number].tolist()) for number in found.index}
    assert members == {frozenset(range(40)), frozenset(range(40, 80))}
    for number, nearest in found["nearest"].items():
        assert list(nearest) == report.members[number][:5].tolist()


@pytest.mark.parametrize("shift", [0, 1.5])
def test_errors_of_noise_and_of_classes_that_overlap_are_no_candidates(shift):
    for seed in range(10):
        rng = np.random.default_rng(seed)
        y = (rng.random(300) < 0.4).astype(int)
        X = rng.normal(size=(300, 20))
        X[:, 0] += shift * y
        report = bias_report(y, embeddings=X, random_state=seed)
        assert not report.candidates["candidate"].any()


def test_inferred_labels_are_measured_on_all_rows():
    data = planted()
    names = np.array(["sea", "land"])[data.bias_labels]
    report = bias_report(data.target, embeddings=data.data, inferred_labels=names, **QUICK)
    found = report.candidates[report.candidates["source"] == "inferred"]
    assert set(zip(found["class"], found["group"], strict=True)) == {
        (c, v) for c in (0, 1) for v in ("sea", "land")
    }
    for number, group in found.iterrows():
        inside = (data.target == group["class"]) & (names == group["group"])
        assert set(report.members[number]) == set(np.flatnonzero(inside))
        assert group["n"] == group["n_measured"] == inside.sum()
        np.testing.assert_allclose(group["share"], inside.sum() / 500)
        hits = round(group["accuracy"] * group["n"])
        misses = group["n"] - hits
        lower = beta.ppf(0.025, hits, misses + 1) if hits else 0
        np.testing.assert_allclose(group["lower"], lower)
        hits_of_rest = round(group["rest"] * (500 - group["n"]))
        table = [[hits, misses], [hits_of_rest, 500 - group["n"] - hits_of_rest]]
        expected = fisher_exact(table, alternative="less").pvalue
        np.testing.assert_allclose(group["p_value"], expected, rtol=1e-6)
    conflicting = found[found["candidate"]]
    assert set(zip(conflicting["class"], conflicting["group"], strict=True)) == {
        (0, "land"),
        (1, "sea"),
    }


def test_the_separation_of_two_points_and_of_a_cut():
    """Two points explain all of the variance; the upper half of a normal bump what its cut does."""
    rng = np.random.default_rng(0)
    y = np.arange(4000) % 2
    bump = rng.normal(size=4000)
    points = np.where(np.arange(4000) % 4 < 2, 0.0, 1.0)
    for line, labels, expected in ((points, points, np.pi / 2), (bump, bump > 0, 1)):
        X = np.column_stack([line, np.zeros(4000)])
        report = bias_report(y, embeddings=X, inferred_labels=labels.astype(int), **QUICK)
        found = report.candidates[report.candidates["source"] == "inferred"]
        np.testing.assert_allclose(found["separation"], expected, rtol=0.05)


def test_a_group_without_measured_rows_has_no_accuracy():
    judged = Judged(np.repeat([0, 1], 10), np.full((20, 2), 0.5), np.zeros((20, 1)))
    labels = np.where(np.arange(20) < 4, 0, -1)
    measured = labels < 0
    rows = Measured(judged, measured, 0.95)
    ((group,), _) = rows.groups_of(labels, measured)
    assert np.isnan([group["accuracy"], group["lower"], group["upper"]]).all()
    assert group["n_measured"] == 0
    assert group["rest"] == 1
    assert group["rest_lower"] == pytest.approx(beta.ppf(0.025, 6, 1))


def test_the_table_is_corrected_and_sorted():
    data = planted()
    report = bias_report(
        data.target, embeddings=data.data, inferred_labels=data.bias_labels, **QUICK
    )
    frame = report.candidates
    assert frame["p_value"].is_monotonic_increasing
    assert (frame["p_corrected"] >= frame["p_value"]).all()
    np.testing.assert_allclose(frame["p_corrected"][0], frame["p_value"][0] * len(frame))
    errors = frame[frame["source"] == "errors"]
    assert (errors["n_measured"] < errors["n"]).all()
    assert 0.9 < report.model_accuracy < 1
    assert "balanced accuracy 0.9" in str(report)
    assert "rows to look at" in str(report)
    assert "rows to look at" in report._repr_html_()


def test_a_perfect_model_has_no_candidates():
    rng = np.random.default_rng(0)
    y = np.arange(100) % 2
    X = rng.normal(size=(100, 3)) + 20 * y[:, None]
    report = bias_report(y, embeddings=X, **QUICK)
    assert report.model_accuracy == 1
    assert len(report.candidates) == len(report.members) == 0
    assert "separation" in report.candidates
    assert "candidate" not in str(report)


@pytest.mark.parametrize("scale", [1e-30, 1, 1e30])
def test_the_scale_of_the_embeddings_does_not_matter(scale):
    data = planted()
    report = bias_report(data.target, embeddings=scale * data.data, **QUICK)
    assert report.candidates["candidate"].sum() == 2


def test_rare_classes_and_copies_of_one_row():
    y = np.r_[np.arange(60) % 2, 2, 3]
    report = bias_report(y, embeddings=np.ones((62, 3)), **QUICK)
    assert not report.candidates["candidate"].any()


WRONG = {
    "NaN": (np.full((40, 2), np.nan), "NaN"),
    "one axis": (np.zeros(40), "1D array"),
    "images": (np.zeros((40, 1, 8, 8)), "they must be 2-D"),
    "another length": (np.zeros((7, 2)), "expected one row per row of `y`, 40, got 7"),
    "too large": (np.full((40, 2), 1e300), "too large"),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_embeddings_are_named(case):
    embeddings, words = WRONG[case]
    with pytest.raises(ValueError, match="`embeddings` failed with") as error:
        bias_report(np.arange(40) % 2, embeddings=embeddings)
    assert words in str(error.value)


def test_a_fitted_inferrer_brings_its_labels():
    data = make_spurious_embeddings(1000, random_state=0).train
    groups = GroupInferrer("clusters", random_state=0).fit(data.data, data.target)
    report = bias_report(data.target, embeddings=data.data, inferred_labels=groups, **QUICK)
    inferred = report.candidates[report.candidates.source == "inferred"]
    minority = inferred[inferred.candidate]
    assert sorted(minority["class"]) == [0, 1]
    assert (minority.accuracy < minority.rest).all()
    same = bias_report(
        data.target, embeddings=data.data, inferred_labels=groups.bias_labels_, **QUICK
    )
    assert same.candidates.equals(report.candidates)


def test_wrong_inferred_labels_are_named():
    X = np.random.default_rng(0).random((40, 2))
    with pytest.raises(ValueError, match="`inferred_labels` must have one label per row"):
        bias_report(np.arange(40) % 2, embeddings=X, inferred_labels=[0, 1])


def one_hot(rng):
    return np.eye(8)[rng.integers(0, 8, 300)]


def blobs(rng):
    return 4 * rng.normal(size=(8, 16))[rng.integers(0, 8, 300)] + rng.normal(size=(300, 16))


@pytest.mark.parametrize("kind", [one_hot, blobs])
def test_clusters_that_say_nothing_of_the_classes_hold_no_candidates(kind):
    found = 0
    for seed in range(20):
        rng = np.random.default_rng(seed)
        points = kind(rng)
        y = rng.integers(0, 2, 300)
        report = bias_report(y, embeddings=points, n_permutations=19, random_state=seed)
        found += report.candidates["candidate"].any()
    assert found <= 3
