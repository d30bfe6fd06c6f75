"""`optimizer="lbfgs"` ends at the minimum of the loss that is written in its documentation."""

import pickle
import re
import warnings

import numpy as np
import pytest
import torch
from scipy.optimize import minimize
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from torch import nn

from sklearn_debias import (
    CRTClassifier,
    ERMClassifier,
    LongTailClassifier,
)
from sklearn_debias.exceptions import DebiasWarning
from sklearn_debias.model_selection import BatchedGridSearchCV
from sklearn_debias.testing import estimator_checks


def problem(k=3, n=120, d=5):
    """Rows of `k` classes of unequal sizes, bias labels and weights."""
    rng = np.random.default_rng(0)
    y = np.minimum(rng.integers(0, 2 * k, n), k - 1)
    X = rng.normal(size=(n, d)) + 1.5 * np.eye(k, d)[y]
    return X, y, rng.integers(0, 2, n), rng.uniform(0.2, 2, n)


def stated(theta, X, y, weight, shift, decay, k):
    """The loss of the documentation, and its gradient, in plain NumPy."""
    W, b = np.split(theta.reshape(k, -1), [X.shape[1]], axis=1)
    z = X @ W.T + b[:, 0] + shift
    top = z.max(1, keepdims=True)
    log_p = z - top - np.log(np.exp(z - top).sum(1, keepdims=True))
    one = np.eye(k)[y]
    residual = weight[:, None] * (np.exp(log_p) - one) / len(y)
    gradient = np.hstack([residual.T @ X, residual.sum(0)[:, None]]).ravel() + decay * theta
    loss = -(weight * (log_p * one).sum(1)).mean() + decay / 2 * theta @ theta
    return loss, gradient


def minimum(*args):
    """The smallest stated loss, and where it is, by a solver of another kind."""
    X, _, _, _, _, k = args
    start = np.zeros(k * (X.shape[1] + 1))
    options = {"gtol": 1e-10, "maxiter": 5000}
    found = minimize(stated, start, args, jac=True, method="BFGS", options=options)
    return found.fun, found.x


def theta_of(clf):
    """Weights and intercepts of the fitted layer, as `stated` takes them."""
    head = clf.module_.head
    return torch.cat([head.weight, head.bias[:, None]], 1).detach().double().numpy().ravel()


def even(group):
    size = np.bincount(group)
    return len(group) / ((size > 0).sum() * size[group])


def cases(X, y, bias, weight):
    n = np.bincount(y)
    group = 2 * y + bias
    ones = np.ones(len(y))
    cui = (1 - 0.9) / (1 - 0.9**n)
    erm, long_tail = ERMClassifier, LongTailClassifier
    given = {"bias_labels": bias}
    weighed = weight / weight.mean()
    yield "plain", erm(), {}, ones, 0
    yield "sample weights", erm(), {"sample_weight": weight}, weighed, 0
    yield "classes weighed", erm(balance="class"), {}, even(y), 0
    yield "groups weighed", erm(balance="group"), given, even(group), 0
    yield "groups drawn", erm(balance="group", balance_by="sample"), given, even(group), 0
    yield "subsamples", erm(balance="group", balance_by="subsample"), given, even(group), 0
    yield "balanced softmax", long_tail(), {}, ones, np.log(n)
    adjusted = long_tail(loss="logit_adjustment", tau=0.5)
    yield "logit adjustment", adjusted, {}, ones, 0.5 * np.log(n / n.sum())
    by_number = (cui / (cui[y].mean()))[y]
    yield "weighed by number", long_tail(loss="cross_entropy", beta=0.9), {}, by_number, 0
    yield "drawn again", CRTClassifier(), {}, even(y), 0


NAMES = [name for name, *_ in cases(*problem())]


@pytest.mark.parametrize("name", NAMES)
def test_the_minimum_is_that_of_another_solver(name):
    X, y, bias, weight = problem()
    rows = {case: others for case, *others in cases(X, y, bias, weight)}
    clf, arguments, weights, shift = rows[name]
    clf.set_params(optimizer="lbfgs", weight_decay=0.01, dtype="float64")
    clf.fit(X, y, **arguments)
    args = (X, y, weights, shift, 0.01, 3)
    lowest, where = minimum(*args)
    assert stated(theta_of(clf), *args)[0] - lowest == pytest.approx(0, abs=1e-10)
    np.testing.assert_allclose(theta_of(clf), where, atol=1e-4)


@pytest.mark.parametrize("decay", [0.3, 1e-2, 1e-5])
@pytest.mark.parametrize("k", [2, 4])
def test_it_is_that_of_scikit_learn_where_the_intercept_is_penalised_there(k, decay):
    X, y, _, _ = problem(k, n=200)
    clf = ERMClassifier(optimizer="lbfgs", weight_decay=decay).fit(X, y)
    # Two classes have two rows of weights here, of which each takes half of the difference.
    C = (2 if k == 2 else 1) / (len(y) * decay)
    reference = LogisticRegression(C=C, fit_intercept=False, tol=1e-9, max_iter=10_000)
    reference.fit(np.column_stack([X, np.ones(len(X))]), y)
    found = np.column_stack([clf.coef_, clf.intercept_])
    np.testing.assert_allclose(found, reference.coef_, atol=2e-4)
    W = reference.coef_ if k > 2 else np.vstack([-reference.coef_, reference.coef_]) / 2
    args = (X, y, np.ones(len(y)), 0, decay, k)
    assert stated(theta_of(clf), *args)[0] <= stated(W.ravel(), *args)[0] + 1e-8


def test_a_step_of_sgd_finds_nothing_to_do():
    X, y, _, _ = problem()
    clf = ERMClassifier(optimizer="lbfgs", weight_decay=0.1, dtype="float64").fit(X, y)
    head = nn.Linear(5, 3).double()
    head.load_state_dict(clf.module_.head.state_dict())
    loss = nn.functional.cross_entropy(head(torch.from_numpy(X)), torch.from_numpy(y))
    loss.backward()
    torch.optim.SGD(head.parameters(), lr=1.0, weight_decay=0.1).step()
    np.testing.assert_allclose(head.weight.detach(), clf.module_.head.weight.detach(), atol=1e-5)
    np.testing.assert_allclose(head.bias.detach(), clf.module_.head.bias.detach(), atol=1e-5)


def test_seeds_rates_and_batches_change_no_bit():
    X, y, _, _ = problem()
    state = torch.get_rng_state()
    first = ERMClassifier(optimizer="lbfgs", random_state=0).fit(X, y)
    other = ERMClassifier(optimizer="lbfgs", random_state=7, lr=9.0, batch_size=3).fit(X, y)
    np.testing.assert_array_equal(theta_of(first), theta_of(other))
    assert torch.equal(torch.get_rng_state(), state)


def test_the_history_has_a_row_for_each_iteration():
    X, y, _, _ = problem()
    clf = ERMClassifier(optimizer="lbfgs", validation=0.3, random_state=0).fit(X, y)
    assert clf.n_iter_ == len(clf.history_) > 2
    assert clf.history_["epoch"].tolist() == list(range(1, clf.n_iter_ + 1))
    assert (clf.history_["seconds"] >= 0).all()
    assert np.isfinite(clf.history_["validation_accuracy"].iloc[-1])
    all_rows = ERMClassifier(optimizer="lbfgs", weight_decay=0.1).fit(X, y)
    expected = stated(theta_of(all_rows), X, y, np.ones(len(y)), 0, 0, 3)[0]
    assert all_rows.history_["model_loss"].iloc[-1] == pytest.approx(expected, abs=1e-6)


def test_too_few_iterations_warn():
    X, y, _, _ = problem()
    clf = ERMClassifier(optimizer="lbfgs", max_epochs=2)
    with pytest.warns(ConvergenceWarning, match="`max_epochs`=2 .* Raise it, or `weight_decay`"):
        clf.fit(X, y)
    with pytest.warns(DebiasWarning, match="did not reach the minimum"):
        clf.fit(X, y)
    assert clf.n_iter_ == 2


NUMBER = r"([-+.e\d]+)"


def test_what_is_printed_is_where_the_search_has_ended(capsys):
    X, y, _, _ = problem()
    clf = ERMClassifier(optimizer="lbfgs", weight_decay=0.1, dtype="float64", verbose=1).fit(X, y)
    first, last = capsys.readouterr().out.splitlines()
    assert first == "Phase 'train': L-BFGS, 100 iterations at most"
    found = re.fullmatch(
        rf"Converged  iterations {NUMBER}  objective {NUMBER}  slope {NUMBER}  "
        rf"model_loss {NUMBER}  {NUMBER} s",
        last,
    )
    iterations, objective, gradient, loss, _ = map(float, found.groups())
    assert iterations == clf.n_iter_
    args = (X, y, np.ones(len(y)), 0, 0.1, 3)
    assert objective == pytest.approx(stated(theta_of(clf), *args)[0], rel=1e-3)
    assert loss == pytest.approx(clf.history_["model_loss"].iloc[-1], rel=1e-3)
    assert gradient <= 3e-6


@pytest.mark.filterwarnings("ignore::sklearn_debias.exceptions.DebiasWarning")
def test_too_few_iterations_are_printed_as_such(capsys):
    """Also in a second phase, whose own number of epochs limits nothing."""
    X, y, _, _ = problem()
    CRTClassifier(optimizer="lbfgs", max_epochs=2, verbose=1, validation=0.3).fit(X, y)
    first, one, second, other = capsys.readouterr().out.splitlines()
    assert first == "Phase 'train': L-BFGS, 2 iterations at most"
    assert second == "Phase 'retraining': L-BFGS, 2 iterations at most"
    assert one.startswith("Not converged  iterations 2  objective")
    assert "validation_accuracy" in other


@pytest.mark.parametrize(
    ("parameters", "named"),
    [
        ({}, None),
        ({"lr": 0.1}, "`lr`"),
        ({"lr": 0.1, "batch_size": 7}, "`lr` and `batch_size`"),
        ({"lr": 1e-3, "batch_size": 128, "random_state": 0}, None),
    ],
    ids=str,
)
def test_what_plays_no_part_is_said_where_one_asks(parameters, named, capsys):
    X, y, _, _ = problem()
    clf = ERMClassifier(optimizer="lbfgs", **parameters).fit(X, y)
    assert capsys.readouterr().out == ""
    clf.set_params(verbose=1).fit(X, y)
    said = [line for line in capsys.readouterr().out.splitlines() if line.startswith("No use for")]
    expected = f"No use for {named}: L-BFGS takes no steps on batches"
    assert said == ([] if named is None else [expected])


def test_a_grid_over_optimisers_and_rates_says_nothing(capfd):
    """A warning would come back in each of its fits, whose minimum is the same."""
    X, y, _, _ = problem()
    clf = ERMClassifier(max_epochs=100, random_state=0)
    grid = {"optimizer": ["adam", "lbfgs"], "lr": [0.1, 0.3]}
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        found = GridSearchCV(clf, grid, cv=2).fit(X, y).cv_results_
    assert caught == []
    assert "".join(capfd.readouterr()) == ""
    solved = found["param_optimizer"] == "lbfgs"
    assert len(set(found["mean_test_score"][solved])) == 1


def test_columns_of_any_scale_or_rank_reach_it():
    X, y, _, _ = problem(2)
    scaled = X * [1e-6, 1.0, 1e6, 1e3, 1e-3]
    args = (X, y, np.ones(len(y)), 0, 0.0, 2)
    lowest = minimum(*args)[0]
    flat = np.zeros((len(X), 1))
    for rows in (scaled, np.hstack([X, X[:, :2], flat, flat + 3])):
        clf = ERMClassifier(optimizer="lbfgs", weight_decay=0, dtype="float64").fit(rows, y)
        assert clf.history_["model_loss"].iloc[-1] == pytest.approx(lowest, abs=1e-8)


def test_more_columns_than_rows_and_rows_that_separate():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(40, 90))
    y = np.arange(40) % 2
    args = (X, y, np.ones(40), 0, 0.01, 2)
    clf = ERMClassifier(optimizer="lbfgs", weight_decay=0.01).fit(X, y)
    assert stated(theta_of(clf), *args)[0] == pytest.approx(minimum(*args)[0], abs=1e-8)
    free = ERMClassifier(optimizer="lbfgs", weight_decay=0).fit(X, y)
    assert free.history_["model_loss"].iloc[-1] < 1e-4
    assert np.isfinite(theta_of(free)).all()


def test_rows_on_disk_in_small_types_and_normalised_ones_are_the_same_rows(tmp_path, monkeypatch):
    X, y, _, _ = problem()
    half = X.astype(np.float16)
    expected = ERMClassifier(optimizer="lbfgs").fit(half.astype(np.float64), y)
    monkeypatch.setattr("sklearn_debias.training._linear_loss.CHUNK", 300)  # two chunks
    np.save(tmp_path / "X.npy", half)
    mapped = ERMClassifier(optimizer="lbfgs").fit(np.load(tmp_path / "X.npy", mmap_mode="r"), y)
    np.testing.assert_allclose(theta_of(mapped), theta_of(expected), atol=1e-5)
    scaled = ERMClassifier(optimizer="lbfgs", normalize=(0.5, 2.0)).fit(X, y)
    by_hand = ERMClassifier(optimizer="lbfgs").fit((X - 0.5) / 2, y)
    np.testing.assert_allclose(theta_of(scaled), theta_of(by_hand), atol=1e-5)


def test_a_head_on_a_frozen_body_and_one_without_intercepts():
    X, y, _, _ = problem()
    body = nn.Sequential(nn.Linear(5, 8), nn.Tanh())
    generator = torch.Generator().manual_seed(0)
    for parameter in body.parameters():
        nn.init.normal_(parameter, generator=generator)
    module = nn.Sequential(*body, nn.Linear(8, 3))
    whole = ERMClassifier(module, freeze="body", optimizer="lbfgs").fit(X, y)
    with torch.no_grad():
        features = body(torch.from_numpy(X).float()).numpy()
    alone = ERMClassifier(optimizer="lbfgs").fit(features, y)
    np.testing.assert_allclose(theta_of(whole), theta_of(alone), atol=1e-5)
    bare = ERMClassifier(nn.Linear(5, 3, bias=False), optimizer="lbfgs", weight_decay=0.1)
    reference = LogisticRegression(C=1 / (0.1 * len(y)), fit_intercept=False, tol=1e-8)
    np.testing.assert_allclose(bare.fit(X, y).coef_, reference.fit(X, y).coef_, atol=1e-4)


def test_searches_of_both_kinds_agree_to_the_bit():
    X, y, bias, _ = problem()
    grid = {"weight_decay": [1e-3, 0.3], "balance": [None, "group"]}
    clf = ERMClassifier(optimizer="lbfgs")
    single, stacked = (
        search(clf, grid, cv=2).fit(X, y, bias_labels=bias)
        for search in (GridSearchCV, BatchedGridSearchCV)
    )
    for name in ("split0_test_score", "split1_test_score"):
        np.testing.assert_array_equal(single.cv_results_[name], stacked.cv_results_[name])
    np.testing.assert_array_equal(single.best_estimator_.coef_, stacked.best_estimator_.coef_)


def test_a_stack_holds_steps_and_minima_side_by_side():
    X, y, _, _ = problem()
    grid = {"optimizer": ["adam", "lbfgs", "sgd"], "weight_decay": [1e-3, 1e-1]}
    clf = ERMClassifier(max_epochs=40, lr=0.05, random_state=0)
    single, stacked = (
        search(clf, grid, cv=2, refit=False).fit(X, y)
        for search in (GridSearchCV, BatchedGridSearchCV)
    )
    scores = [search.cv_results_["mean_test_score"] for search in (single, stacked)]
    np.testing.assert_allclose(*scores)
    assert pickle.loads(pickle.dumps(stacked)).cv_results_.keys() == stacked.cv_results_.keys()


def test_a_search_draws_the_penalty_alone():
    assert ERMClassifier(optimizer="lbfgs").search_space("tabular").keys() == {"weight_decay"}
    assert "lr" in ERMClassifier().search_space("tabular")


# The others look at steps, at images or at networks of their own.
COMMON = [
    check
    for check in estimator_checks()
    if check.__name__.removeprefix("check_classifier_")
    in (
        "global_state_untouched",
        "inputs_untouched",
        "labels_come_back",
        "bias_names_do_not_matter",
        "says_if_it_trains_by_group",
        "pickles",
        "history",
        "search_space",
    )
]


@pytest.mark.parametrize("check", COMMON, ids=lambda check: check.__name__)
@pytest.mark.parametrize(
    "clf",
    [
        ERMClassifier(optimizer="lbfgs", balance="group"),
        LongTailClassifier(optimizer="lbfgs", beta=0.9),
    ],
    ids=lambda clf: type(clf).__name__,
)
def test_solved_classifiers_keep_to_the_common_checks(clf, check):
    assert len(COMMON) == 8
    check(clf)
