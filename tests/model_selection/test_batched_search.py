"""The search that trains its candidates together is GridSearchCV, only faster."""

import copy
import pickle
from collections import Counter
from functools import partial

import numpy as np
import pytest
import torch
from scipy import sparse
from searches import (
    REFUSED,
    SEARCHES,
    SHARED,
    Records,
    assert_close_fits,
    assert_equal_scores,
    both,
    rows,
)
from sklearn import config_context
from sklearn.base import clone
from sklearn.callback import ProgressBar
from sklearn.exceptions import FitFailedWarning
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from torch.optim.lr_scheduler import CosineAnnealingLR, OneCycleLR, ReduceLROnPlateau, StepLR

from sklearn_debias import (
    AFRClassifier,
    BiasAdvClassifier,
    ERMClassifier,
    JTTClassifier,
    LfFClassifier,
    ULEClassifier,
)
from sklearn_debias.estimators import Given, fit_method
from sklearn_debias.feature_extraction import Embedder
from sklearn_debias.metrics import group_mean_accuracy_scorer, worst_group_accuracy_scorer
from sklearn_debias.model_selection import BatchedGridSearchCV, BiasStratifiedKFold
from sklearn_debias.model_selection.batched import _candidates
from sklearn_debias.testing import quick
from sklearn_debias.testing._asserts import generators_untouched

ERM = ERMClassifier(**SHARED, dtype="float64")
pytestmark = pytest.mark.filterwarnings(
    "ignore::sklearn_debias.exceptions.DebiasWarning"
)  # fits this short learn little
FIRST_AND_SLOW_OTHERS = [
    pytest.param(row, marks=() if row.endswith("-0") else pytest.mark.slow) for row in SEARCHES
]


@pytest.mark.parametrize("row", FIRST_AND_SLOW_OTHERS)
def test_every_fit_equals_that_of_grid_search(row):
    estimator, grid = SEARCHES[row]
    estimator = clone(estimator).set_params(**SHARED, dtype="float64")
    (one, expected), (other, actual) = both(estimator, grid, n=100, cv=2)
    assert_equal_scores(one, other)
    assert_close_fits(expected, actual, 1e-9)
    for name, value in one.best_estimator_.module_.state_dict().items():
        torch.testing.assert_close(
            other.best_estimator_.module_.state_dict()[name], value, rtol=0, atol=0
        )


@pytest.mark.slow
@pytest.mark.parametrize("row", [row for row in SEARCHES if row.endswith("-0")])
def test_in_float32_results_stay_close_over_twenty_epochs(row):
    estimator, grid = SEARCHES[row]
    first = grid[0] if isinstance(grid, list) else grid
    two = {name: values[:1] for name, values in first.items()} | {"lr": [1e-3, 1e-2]}
    estimator = clone(estimator).set_params(**{**SHARED, "max_epochs": 20})
    (_, expected), (_, actual) = both(estimator, two, n=100, cv=2, refit=False)
    assert_close_fits(expected, actual, 1e-5, flips=1)


@pytest.mark.parametrize("name", REFUSED)
def test_a_classifier_without_a_network_is_refused_by_name(name):
    words = f"`estimator` must be .* got {name}. Use sklearn.model_selection.GridSearchCV"
    with pytest.raises(TypeError, match=words):
        BatchedGridSearchCV(quick(REFUSED[name]), {"random_state": [0]}).fit(*rows()[:2])


@pytest.mark.parametrize(
    ("estimator", "grid"),
    [
        (ERM, {"lr": [0.01, 0.1], "max_epochs": [1, 3], "batch_size": [32, 50]}),
        (
            clone(ERM).set_params(module="mlp"),
            {
                "module__hidden": [3, (4, 2)],
                "optimizer": ["sgd", "adam"],
                "normalize": [None, (0.5, 2.0)],
            },
        ),
        (
            clone(ERM).set_params(optimizer="sgd"),
            {"optimizer__momentum": [0.0, 0.9], "random_state": [0, 1]},
        ),
        (
            ERM,
            [
                {"dtype": ["float64"], "lr": [0.1]},
                {"balance": [None, "class"], "weight_decay": [0.0, 0.1]},
            ],
        ),
        (
            LfFClassifier(**SHARED, dtype="float64"),
            {"biased_module": [None, "mlp"], "gce_factor": [True, False]},
        ),
    ],
)
def test_what_differs_in_structure_is_trained_apart(estimator, grid):
    (one, expected), (other, actual) = both(estimator, grid, n=100)
    assert_equal_scores(one, other)
    assert_close_fits(expected, actual, 1e-9)


@pytest.mark.parametrize(
    "schedule", [partial(StepLR, step_size=2, gamma=0.1), partial(CosineAnnealingLR, T_max=3)]
)
def test_learning_rate_schedules_are_torchs_own(schedule):
    model = JTTClassifier(**SHARED, dtype="float64", identification_epochs=3, lr_schedule=schedule)
    (one, expected), (other, actual) = both(
        model, {"lr": [0.01, 0.1], "upweight": ["auto", 2, 3]}, n=100
    )
    assert_equal_scores(one, other)
    assert_close_fits(expected, actual, 1e-9)


@pytest.mark.parametrize(
    "model", [LfFClassifier(), JTTClassifier(identification_epochs=2), BiasAdvClassifier()]
)
def test_dropout_draws_what_it_draws_alone(model):
    options = {
        "module": "mlp",
        "net_params": {"module__dropout": 0.5, "module__hidden": 6},
        "dtype": "float64",
    }
    grid = {"lr": [0.01, 0.1]} | (
        {"beta": [0.0, 0.5, 1.0]} if isinstance(model, BiasAdvClassifier) else {}
    )
    (one, expected), (other, actual) = both(
        clone(model).set_params(**SHARED, **options), grid, n=100, cv=2
    )
    assert_equal_scores(one, other)
    assert_close_fits(expected, actual, 1e-9)


class CountingScaler(StandardScaler):
    fits = []

    def fit(self, X, y=None, sample_weight=None):
        self.fits.append(len(X))
        return super().fit(X, y)


def test_earlier_steps_of_a_pipeline_are_fitted_once_per_fold():
    model = make_pipeline(CountingScaler(), clone(ERM))
    grid = {"countingscaler__with_mean": [True, False], "ermclassifier__lr": [0.01, 0.1, 0.2]}
    (one, expected), _ = both(model, grid, refit=True)
    CountingScaler.fits.clear()
    scorer = Records()
    other = BatchedGridSearchCV(model, grid, scoring=scorer, cv=3).fit(*rows()[:2])
    assert sorted(CountingScaler.fits) == [133, 133, 133, 133, 134, 134, 200]
    assert_equal_scores(one, other)
    assert_close_fits(expected, scorer.seen, 1e-9)


def test_pipelines_that_end_in_pipelines():
    inner = Pipeline([("scale", CountingScaler()), ("clf", clone(ERM))])
    model = Pipeline([("centre", CountingScaler(with_std=False)), ("inner", inner)])
    grid = {"inner__scale__with_mean": [True, False], "inner__clf__lr": [0.01, 0.1]}
    X, y, _ = rows()
    CountingScaler.fits.clear()
    one, other = (kind(model, grid, cv=3).fit(X, y) for kind in (GridSearchCV, BatchedGridSearchCV))
    assert len(CountingScaler.fits) == 2 * (4 * 3 + 1) + 2 * (2 * 3 + 1)
    assert_equal_scores(one, other)
    np.testing.assert_array_equal(other.predict_proba(X), one.predict_proba(X))
    swapped = {
        "inner": [inner, clone(inner).set_params(scale="passthrough")],
        "inner__clf__lr": [0.01, 0.1],
    }
    one, other = (
        kind(model, swapped, cv=3).fit(X, y) for kind in (GridSearchCV, BatchedGridSearchCV)
    )
    np.testing.assert_array_equal(
        one.cv_results_["mean_test_score"], other.cv_results_["mean_test_score"]
    )
    inside = Pipeline(
        [("scale", StandardScaler()), ("inner", clone(inner).set_callbacks(ProgressBar()))]
    )
    with pytest.raises(
        ValueError, match=r"callbacks \(ProgressBar\) do not work in a stack.*GridSearchCV"
    ):
        BatchedGridSearchCV(inside, {"inner__clf__lr": [0.1]}, cv=2).fit(X, y)


def test_an_embedder_that_holds_a_network_is_fitted_once_per_fold(monkeypatch):
    fits, lanes, fit, sweep = [], [], Embedder.fit, _candidates.sweep

    def counted(embedder, X, y=None):
        fits.append(len(X))
        return fit(embedder, X, y)

    def watched(members, **options):
        lanes.append(Counter(member.lane for member in members))
        return sweep(members, **options)

    rng = np.random.default_rng(0)
    X, y = rng.random((40, 1, 8, 8), dtype=np.float32), np.arange(40) % 2
    network = torch.nn.Sequential(torch.nn.Conv2d(1, 4, 3), torch.nn.ReLU(), torch.nn.Flatten())
    model = make_pipeline(
        Embedder(network, cache_dir=None, device="cpu"), StandardScaler(), clone(ERM)
    )
    grid = {"ermclassifier__lr": [0.01, 0.1], "ermclassifier__weight_decay": [0.0, 0.1]}
    one = GridSearchCV(model, grid, scoring=Records(), cv=2).fit(X, y)
    monkeypatch.setattr(Embedder, "fit", counted)
    monkeypatch.setattr(_candidates, "sweep", watched)
    scorer = Records()
    other = BatchedGridSearchCV(model, grid, scoring=scorer, cv=2).fit(X, y)
    assert fits == [20, 20, 40]
    assert [sorted(found.values()) for found in lanes] == [[4, 4]]
    assert_equal_scores(one, other)
    assert_close_fits(one.scoring.seen, scorer.seen, 1e-9)


def test_earlier_steps_that_are_unlike_are_kept_apart():
    X, y, _ = rows()
    frozen = [FrozenEstimator(StandardScaler().fit(scale * X)) for scale in (1, 100)]
    one, other = (
        kind(
            make_pipeline(StandardScaler(), ERM),
            {"standardscaler": frozen},
            scoring=Records(),
            cv=2,
        ).fit(X, y)
        for kind in (GridSearchCV, BatchedGridSearchCV)
    )
    assert_equal_scores(one, other)
    assert_close_fits(one.scoring.seen, other.scoring.seen, 1e-9)


def test_prefixed_and_nested_parameters():
    base = JTTClassifier(identification_epochs=1)
    model = make_pipeline(
        StandardScaler(), BiasAdvClassifier(base=base, module="mlp", **SHARED, dtype="float64")
    )
    grid = {
        "biasadvclassifier__" + k: v
        for k, v in {"base__upweight": [2, 4], "module__hidden": [3, 5]}.items()
    }
    (one, expected), (other, actual) = both(model, grid, n=100, cv=2)
    assert_equal_scores(one, other)
    assert_close_fits(expected, actual, 1e-9)


def test_seeds_are_fits_with_consecutive_random_states():
    grid = {"lr": [0.01, 0.1]}
    searches = [
        GridSearchCV(clone(ERM).set_params(random_state=s), grid, cv=3).fit(*rows()[:2])
        for s in (0, 1, 2)
    ]
    other = BatchedGridSearchCV(ERM, grid, cv=3, n_seeds=3).fit(*rows()[:2])
    assert other.n_splits_ == 9
    alone = np.stack(
        [[s.cv_results_[f"split{i}_test_score"] for i in range(3)] for s in searches], axis=1
    )
    together = np.stack([other.cv_results_[f"split{i}_test_score"] for i in range(9)]).reshape(
        3, 3, 2
    )
    np.testing.assert_array_equal(together, alone)
    np.testing.assert_allclose(other.cv_results_["std_test_score"], alone.reshape(9, 2).std(0))
    assert other.best_estimator_.random_state == 0


@pytest.mark.parametrize(("model", "runs"), [(ERMClassifier(), [12]), (AFRClassifier(), [4, 4, 4])])
def test_seeds_share_a_run_but_for_afr_which_splits_by_them(model, runs, monkeypatch):
    found, sweep = [], _candidates.sweep
    monkeypatch.setattr(
        _candidates,
        "sweep",
        lambda members, **kw: found.append(len(members)) or sweep(members, **kw),
    )
    model = clone(model).set_params(**SHARED)
    BatchedGridSearchCV(model, {"lr": [0.01, 0.1]}, cv=2, n_seeds=3, refit=False).fit(*rows()[:2])
    assert found == runs


def test_many_small_lanes_are_trained_side_by_side():
    model = LfFClassifier(**SHARED, dtype="float64")
    for folds in (2, 3):  # equal folds, and ragged ones
        (_, expected), _ = both(model, {"lr": [0.01, 0.1]}, cv=folds)
        search = BatchedGridSearchCV(
            model, {"lr": [0.01, 0.1]}, scoring=Records(), cv=folds, n_seeds=4
        )
        search.fit(*rows()[:2])
        assert_close_fits(
            expected, [s for i, s in enumerate(search.scoring.seen) if i % 4 == 0], 1e-9
        )


def test_random_state_may_be_none_or_an_instance():
    X, y, _ = rows()
    fresh = BatchedGridSearchCV(
        clone(ERM).set_params(random_state=None), {"lr": [0.1, 0.1]}, cv=3, n_seeds=2
    ).fit(X, y)
    scores = [fresh.cv_results_[f"split{i}_test_score"] for i in range(6)]
    assert all(a == b for a, b in scores)
    instance = clone(ERM).set_params(random_state=np.random.RandomState(3))
    one, other = (
        kind(instance, {"lr": [0.01, 0.1]}, cv=3).fit(X, y)
        for kind in (GridSearchCV, BatchedGridSearchCV)
    )
    assert_equal_scores(one, other)


def test_group_scorers_several_metrics_and_refit_by_one_of_them():
    X, y, bias = rows()
    scoring = {
        "worst": worst_group_accuracy_scorer,
        "mean": group_mean_accuracy_scorer,
        "accuracy": "accuracy",
    }
    options = {
        "scoring": scoring,
        "refit": "worst",
        "cv": BiasStratifiedKFold(3),
        "return_train_score": True,
    }
    model = make_pipeline(StandardScaler(), clone(ERM).set_params(balance="group"))
    with config_context(enable_metadata_routing=True):
        one, other = (
            kind(model, {"ermclassifier__lr": [1e-4, 0.1]}, **options).fit(X, y, bias_labels=bias)
            for kind in (GridSearchCV, BatchedGridSearchCV)
        )
        assert_equal_scores(one, other)
        assert other.score(X, y, bias_labels=bias) == one.score(X, y, bias_labels=bias)
    np.testing.assert_array_equal(other.predict_proba(X), one.predict_proba(X))
    assert other.scorer_.keys() == scoring.keys()
    assert other.multimetric_


def test_sample_weights_are_sliced_and_arguments_unknown_to_fit_fail_as_there():
    X, y, _ = rows()
    weight = np.random.default_rng(0).uniform(0, 2, len(y))
    one, other = (
        kind(ERM, {"lr": [0.01, 0.1]}, scoring="balanced_accuracy", cv=3).fit(
            X, y, sample_weight=weight
        )
        for kind in (GridSearchCV, BatchedGridSearchCV)
    )
    assert_equal_scores(one, other)
    with pytest.raises(
        (TypeError, ValueError), match="`sample_weight` is not an argument of LfFClassifier.fit"
    ):
        BatchedGridSearchCV(LfFClassifier(**SHARED), {"q": [0.5]}, scoring="accuracy").fit(
            X, y, sample_weight=weight
        )


@pytest.mark.filterwarnings("ignore:One or more of the test scores")
def test_a_candidate_that_fails_is_nan_and_leaves_the_others_alone():
    X, y, _ = rows()
    grid = {"lr": [0.1, 1e308, -1.0], "q": [0.5, 0.7]}
    model = LfFClassifier(**SHARED, dtype="float64")
    with pytest.warns(FitFailedWarning, match="12 fits failed out of a total of 18") as caught:
        other = BatchedGridSearchCV(model, grid, cv=3).fit(X, y)
    assert "Training diverged" in str(caught[0].message)
    assert "The 'lr' parameter" in str(caught[0].message)
    with pytest.warns(FitFailedWarning):
        one = GridSearchCV(model, grid, cv=3).fit(X, y)
    assert_equal_scores(one, other)
    with pytest.raises(ValueError, match="Training diverged: .* in epoch 1 of phase 'train'"):
        BatchedGridSearchCV(model, {"lr": [0.1, 1e308]}, cv=3, error_score="raise").fit(X, y)
    with pytest.raises(ValueError, match="All the 3 fits failed"):
        BatchedGridSearchCV(model, {"lr": [-1.0]}, cv=3).fit(X, y)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"augment": torch.neg}, "`augment`="),
        ({"amp": True, "dtype": "float32"}, "`amp`=True"),
        ({"callbacks": [("lr", None)]}, "`callbacks`="),
        ({"freeze": "body", "module": "mlp"}, "`freeze`='body'"),
        ({"net_params": {"iterator_train__num_workers": 0}}, "`iterator_train__num_workers`"),
        ({"optimizer": torch.optim.RMSprop}, "`optimizer`=RMSprop"),
        ({"lr_schedule": ReduceLROnPlateau}, "`lr_schedule`=ReduceLROnPlateau"),
        (
            {"lr_schedule": partial(OneCycleLR, max_lr=0.1, total_steps=9)},
            "`lr_schedule`=OneCycleLR",
        ),
        (
            {"module": torch.nn.Sequential(torch.nn.BatchNorm1d(8), torch.nn.Linear(8, 2))},
            "`module` .*BatchNorm1d",
        ),
        (
            {"module": lambda: Hasty()},
            "`module`, or a step of the method, cannot be run for several candidates",
        ),
    ],
)
def test_what_cannot_be_stacked_is_named_with_the_way_out(change, match):
    X, y, _ = rows()
    search = BatchedGridSearchCV(clone(ERM).set_params(**change), {"lr": [0.01, 0.1]}, cv=2)
    with pytest.raises(ValueError, match=f"(?s){match}.*GridSearchCV"):
        search.fit(X[:, :8], y)


class Hasty(torch.nn.Module):
    """Branches on its data, which vmap cannot."""

    def __init__(self):
        super().__init__()
        self.body, self.head = torch.nn.Identity(), torch.nn.Linear(8, 2)

    def forward(self, x):
        z = self.head(x)
        return z if z.sum() > 0 else -z


def test_images_and_other_estimators_are_refused():
    X, y, _ = rows()
    with pytest.raises(ValueError, match=r"`X` must be 2-D .* \(1, 2, 4\).*GridSearchCV"):
        BatchedGridSearchCV(ERM, {"lr": [0.1]}).fit(X[:, :8].reshape(-1, 1, 2, 4), y)
    piped = make_pipeline(StandardScaler(), LogisticRegression())
    for estimator in (LogisticRegression(), piped, make_pipeline(StandardScaler(), piped)):
        with pytest.raises(
            TypeError, match="`estimator` must be .* LogisticRegression. Use .*GridSearchCV"
        ):
            BatchedGridSearchCV(estimator, {"C": [1.0]}).fit(X, y)


def test_callbacks_of_scikit_learn_are_refused():
    X, y, _ = rows()
    inside = make_pipeline(StandardScaler(), clone(ERM).set_callbacks(ProgressBar()))
    around = make_pipeline(StandardScaler(), clone(ERM)).set_callbacks(ProgressBar())
    for model, name in (
        (inside[-1], "lr"),
        (inside, "ermclassifier__lr"),
        (around, "ermclassifier__lr"),
    ):
        with pytest.raises(
            ValueError, match=r"callbacks \(ProgressBar\) do not work in a stack.*GridSearchCV"
        ):
            BatchedGridSearchCV(model, {name: [0.01, 0.1]}, cv=2).fit(X, y)


@pytest.mark.parametrize("wrong", [LogisticRegression(), "passthrough", None])
def test_a_wrong_last_step_in_the_grid_is_refused_before_training(wrong):
    X, y, _ = rows()
    model = Pipeline([("scale", CountingScaler()), ("clf", clone(ERM))])
    CountingScaler.fits.clear()
    for grid in (
        {"clf": [clone(ERM), wrong]},
        [{"clf__lr": np.logspace(-3, -1, 9)}, {"clf": [wrong]}],
    ):
        with pytest.raises(
            TypeError,
            match="`clf` in `param_grid` must be .*Use sklearn.model_selection.GridSearchCV",
        ):
            BatchedGridSearchCV(model, grid, cv=2).fit(X, y)
    nested = Pipeline([("scale", CountingScaler()), ("inner", model)])
    for key, value in (
        ("inner", make_pipeline(CountingScaler(), wrong)),
        ("inner__clf", wrong),
        ("inner", wrong),
    ):
        with pytest.raises(TypeError, match=f"`{key}` in `param_grid` must be"):
            BatchedGridSearchCV(nested, {key: [value]}, cv=2).fit(X, y)
    assert CountingScaler.fits == []


def test_a_candidate_keeps_its_own_parameters_only():
    X, y, _ = rows()
    stored = []

    def scorer(estimator, X, y):
        parameters = list(estimator.net_.module_.parameters())
        stored.append(
            ([p.untyped_storage().nbytes() for p in parameters], [p.nbytes for p in parameters])
        )
        stored[-1] += (len(pickle.dumps(estimator)),)
        return estimator.score(X, y)

    for model in (ERM, JTTClassifier(identification_epochs=1, **SHARED)):
        sizes = []
        for settings in (1, 20):
            stored.clear()
            grid = {"lr": np.linspace(0.01, 0.02, settings)}
            search = BatchedGridSearchCV(model, grid, scoring=scorer, cv=2).fit(X, y)
            assert len(stored) == 2 * settings
            scorer(search.best_estimator_, X, y)
            assert all(held == own for held, own, _ in stored)
            sizes.append(max(size for *_, size in stored[:-1]))
        assert sizes[1] < 1.1 * sizes[0]


@pytest.mark.parametrize(
    ("change", "error", "match"),
    [
        ({"memory": "much"}, ValueError, "`memory` must be an int >= 1 .*'500MB'.*got 'much'"),
        ({"memory": "0GB"}, ValueError, "`memory` must be an int >= 1 .*'500MB'.*got '0GB'"),
        ({"memory": 0}, ValueError, "'memory' parameter"),
        ({"n_seeds": 0}, ValueError, "'n_seeds' parameter"),
        ({"n_seeds": 1.5}, ValueError, "'n_seeds' parameter"),
        ({"param_grid": {"lr": []}}, ValueError, "(?i)empty|non-empty"),
        ({"param_grid": {"depth": [1]}}, ValueError, "Invalid parameter 'depth'"),
        ({"cv": 1}, ValueError, "'cv' parameter"),
        ({"scoring": "worst"}, ValueError, "'scoring' parameter"),
    ],
)
def test_bad_arguments_are_named(change, error, match):
    with pytest.raises(error, match=match):
        BatchedGridSearchCV(ERM, {"lr": [0.1]}).set_params(**change).fit(*rows()[:2])


@pytest.mark.parametrize("fault", ["nan", "sparse", "short", "one class"])
def test_bad_data_fail_as_in_grid_search(fault):
    X, y, _ = rows()
    X = X.copy()
    if fault == "nan":
        X[::5, 2] = np.nan
    X = {"sparse": sparse.csr_matrix(X), "short": X[:-1]}.get(fault, X)
    y = np.zeros_like(y) if fault == "one class" else y
    messages = []
    for kind in (GridSearchCV, BatchedGridSearchCV):
        with pytest.raises((TypeError, ValueError)) as caught:
            kind(ERM, {"lr": [0.01, 0.1]}, cv=3).fit(X, y)
        messages.append(str(caught.value).splitlines()[-1])
    assert messages[0] == messages[1]


def test_nothing_of_the_callers_is_touched():
    X, y, _ = rows()
    X.flags.writeable = y.flags.writeable = False
    module = torch.nn.Sequential(
        torch.nn.Linear(X.shape[1], 4), torch.nn.ReLU(), torch.nn.Linear(4, 2)
    )
    before, model = copy.deepcopy(module.state_dict()), clone(ERM)
    model.module = module
    params = model.get_params()
    threads, mode = torch.get_num_threads(), torch.is_grad_enabled()
    search = BatchedGridSearchCV(model, {"lr": [0.01, 0.1]}, cv=3)
    with generators_untouched():
        search.fit(X, y)
    assert (threads, mode) == (torch.get_num_threads(), torch.is_grad_enabled())
    assert search.estimator is model
    assert model.get_params() == params
    assert not [name for name in vars(model) if name.endswith("_")]
    assert all(torch.equal(value, before[name]) for name, value in module.state_dict().items())
    again = pickle.loads(pickle.dumps(search))
    np.testing.assert_array_equal(again.predict_proba(X), search.predict_proba(X))
    assert clone(search).get_params().keys() == search.get_params().keys()


@pytest.mark.slow
def test_less_memory_makes_more_runs_and_the_same_results(monkeypatch):
    X, y, _ = rows()
    grid = {"lr": np.logspace(-3, -1, 10), "q": [0.5, 0.7]}
    results = []
    for memory in ("1GB", "200KB", 1):
        scorer = Records()
        search = BatchedGridSearchCV(
            LfFClassifier(**SHARED, dtype="float64"), grid, scoring=scorer, memory=memory, cv=2
        )
        results.append((search.fit(X, y), scorer.seen))
    for search, seen in results[1:]:
        assert_equal_scores(results[0][0], search)
        assert_close_fits(results[0][1], seen, 1e-9)


def test_ctrl_c_ends_the_search():
    class Stopping(torch.nn.Linear):
        def forward(self, x):
            if len(x) > 2:  # not in the checks before training
                raise KeyboardInterrupt
            return super().forward(x)

    search = BatchedGridSearchCV(
        clone(ERM).set_params(module=lambda: Stopping(8, 2)), {"lr": [0.1]}
    )
    with pytest.raises(KeyboardInterrupt):
        search.fit(rows()[0][:, :8], rows()[1])
    assert not hasattr(search, "cv_results_")


def test_progress_is_shown_when_asked_for(capfd):
    X, y, _ = rows()
    for verbose in (0, 1):
        BatchedGridSearchCV(ERM, {"lr": [0.01, 0.1]}, cv=3, verbose=verbose).fit(X, y)
        out, err = capfd.readouterr()
        assert ("18/18" in err) == bool(verbose)
        assert ("totalling 6 fits" in out) == bool(verbose)


def test_refit_may_be_off_or_a_choice_of_ones_own():
    X, y, _ = rows()
    off = BatchedGridSearchCV(ERM, {"lr": [0.01, 0.1]}, refit=False, cv=3).fit(X, y)
    assert not hasattr(off, "best_estimator_")
    assert off.best_params_["lr"] in (0.01, 0.1)
    own = BatchedGridSearchCV(ERM, {"lr": [0.01, 0.1]}, refit=lambda results: 1, cv=3).fit(X, y)
    assert own.best_params_ == {"lr": 0.1}
    assert (own.cv_results_["mean_fit_time"] > 0).all()


def test_ule_sees_a_view_of_its_own():
    X, y, _ = rows()
    model = ULEClassifier(**SHARED, dtype="float64", similarity="gram", where="output")
    one, other = (
        kind(model, {"lam": [0.3, 0.6]}, cv=3).fit(X, y, X_student=X[:, ::-1].copy())
        for kind in (GridSearchCV, BatchedGridSearchCV)
    )
    assert_equal_scores(one, other)


def scores_a_refit(estimator, X, y):
    return clone(estimator).fit(X, y).score(X, y)


def scores_by_class_and_parameter(estimator, X, y):
    last = estimator[-1]
    assert type(last) is ERMClassifier
    return estimator.get_params()["ermclassifier__lr"] + len(estimator) + last.score(X, y)


@pytest.mark.parametrize("scorer", [scores_a_refit, scores_by_class_and_parameter])
def test_a_scorer_is_handed_the_estimator_itself(scorer):
    X, y, _ = rows(60)
    pipe = make_pipeline(StandardScaler(), ERM)
    grid = {"ermclassifier__lr": [0.001, 0.1]}
    one, other = (
        search(pipe, grid, cv=2, scoring=scorer, return_train_score=True).fit(X, y)
        for search in (GridSearchCV, BatchedGridSearchCV)
    )
    assert_equal_scores(one, other)
    assert other.scorer_ is scorer


class Flipped(ERMClassifier):
    """What `fit` was given are not the labels it was called with."""

    @fit_method
    def fit(self, X, y, *, bias_labels=None):
        """Fit to the other labels.

        Parameters
        ----------
        X, y, bias_labels : array-like
        """
        return Given(X, 1 - y, bias_labels)


def test_candidates_share_rows_only_where_they_were_given_the_same():
    X, y, _ = rows(60)
    pipe = make_pipeline(StandardScaler(), ERM)
    grid = {"ermclassifier": [ERM, Flipped(**SHARED, dtype="float64")]}
    one, other = (
        search(pipe, grid, cv=2).fit(X, y) for search in (GridSearchCV, BatchedGridSearchCV)
    )
    scores = [search.cv_results_["mean_test_score"] for search in (one, other)]
    np.testing.assert_array_equal(*scores)
    assert scores[0][0] > scores[0][1]
