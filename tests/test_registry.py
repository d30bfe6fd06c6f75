"""Every exported class and function is in every suite that it belongs to."""

import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pytest

import sklearn_debias
from sklearn_debias import attacks, estimators, losses, objectives
from sklearn_debias.core import Objective, Phase, Step
from sklearn_debias.estimators import BaseDebiasClassifier
from sklearn_debias.losses import cross_entropy
from sklearn_debias.testing import (
    all_attacks,
    all_estimators,
    all_losses,
    all_objectives,
    estimator_checks,
    objective_checks,
    quick,
    variants,
)
from sklearn_debias.testing._recipes import OWN
from sklearn_debias.testing._rows import ROWS

TESTS = Path(__file__).parent
# What is to be covered, and the tests that do it together.
SUITES = {
    "the common checks of estimators": (
        all_estimators,
        [
            "estimators/test_contract.py::test_classifier",
            "estimators/test_contract.py::test_classifier_with_other_settings",
        ],
    ),
    "scikit-learn's checks": (
        all_estimators,
        ["estimators/test_sklearn_suite.py::test_sklearn_check"],
    ),
    "scikit-learn's checks with every default": (
        all_estimators,
        ["estimators/test_sklearn_suite.py::test_every_default_learns"],
    ),
    "the searches": (
        all_estimators,
        [
            "model_selection/test_batched_search.py::test_every_fit_equals_that_of_grid_search",
            "model_selection/test_batched_search.py::"
            "test_a_classifier_without_a_network_is_refused_by_name",
        ],
    ),
    "the search spaces": (
        all_estimators,
        ["search_spaces/test_search_spaces.py::test_draws_train"],
    ),
    "the faulty parameters": (
        all_estimators,
        ["faults/test_faulty_parameters.py::test_out_of_range"],
    ),
    "the faults in a fit": (
        all_estimators,
        [
            "faults/test_faulty_training.py::test_divergence_names_epoch_and_phase",
            "faults/test_faulty_heads.py::test_refused_inputs",
        ],
    ),
    "the random calls": (
        all_estimators,
        [
            "faults/test_faulty_at_random.py::"
            "test_random_calls_end_in_a_finite_model_or_a_named_error"
        ],
    ),
    "the common checks of objectives": (
        all_objectives,
        ["objectives/test_common.py::test_objective"],
    ),
    "the common checks of losses": (
        all_losses,
        ["losses/test_common_losses.py::test_one_vmapped_run_gives_what_each_run_gives"],
    ),
    "the common checks of attacks": (
        all_attacks,
        ["attacks/test_common_attacks.py::test_stays_in_the_ball_and_in_the_range"],
    ),
}
TABLES = {"the recipes": ROWS, "the recipes of short fits": OWN}


@pytest.fixture(scope="module")
def collected(request):
    """How many cases each test has for each name, as pytest itself collects them."""
    session = request.session
    found = {}
    for file in sorted({test.partition("::")[0] for _, tests in SUITES.values() for test in tests}):
        module = pytest.Module.from_parent(session, path=TESTS / file)
        for item in session.genitems(module):
            counts = found.setdefault(f"{file}::{item.originalname}", Counter())
            counts.update(names(item))
    return found


def names(item):
    """Names of the classes and functions that a case is about."""
    values = item.callspec.params.values() if hasattr(item, "callspec") else ()
    return {name for value in values for name in (_first_word(value), _class_of(value)) if name}


def _first_word(value):
    return re.split(r"\W", value)[0] if isinstance(value, str) else None


def _class_of(value):
    return getattr(value, "__name__", type(value).__name__)


def missing(collected):
    """What is exported and has no case in a suite, in words."""
    return [
        f"{name} is exported, and not in {suite}: {', '.join(tests)}"
        for suite, (exported, tests) in SUITES.items()
        for name, _ in exported()
        if not any(collected[test][name] for test in tests)
    ]


def test_every_exported_class_is_in_every_suite(collected):
    assert missing(collected) == []


def test_every_check_looks_at_every_variant(collected):
    for exported, checks, suite in (
        (all_estimators, estimator_checks, "the common checks of estimators"),
        (all_objectives, objective_checks, "the common checks of objectives"),
    ):
        cases = sum((collected[test] for test in SUITES[suite][1]), Counter())
        for name, cls in exported():
            assert cases[name] == len(variants(cls)) * len(list(checks())), name


@pytest.mark.parametrize("table", TABLES)
def test_no_row_is_of_a_class_that_is_gone(table):
    exported = {
        name for find in (all_estimators, all_objectives, all_attacks) for name, _ in find()
    }
    assert set(TABLES[table]) <= exported


@dataclass(frozen=True)
class Smoothed(Objective):
    """Cross entropy of labels that are partly spread over the classes."""

    share: float = 0.1

    def step(self, nets, batch, state):
        logits = nets["model"](batch.x)
        spread = -logits.log_softmax(-1).mean(-1)
        loss = (1 - self.share) * cross_entropy(logits, batch.y) + self.share * spread
        return Step({"model": loss.mean()})


@dataclass(kw_only=True, eq=False, repr=False)
class SmoothedClassifier(BaseDebiasClassifier):
    """Training on smoothed labels."""

    share: float = 0.1
    smoothing_epochs: int = 50

    def _phases(self):
        return (Phase("train", (Smoothed(float(self.share)),), self.max_epochs),)


def smoothed_loss(logits, y):
    """Give a new loss a name."""
    return cross_entropy(logits, y)


class SmoothedAttack:
    """An attack that does not move."""

    def attack(self, net, x, y, threat):
        return x


@pytest.fixture
def newcomers(monkeypatch):
    """One of each kind, exported, and known to no suite yet."""
    new = {
        estimators: SmoothedClassifier,
        objectives: Smoothed,
        losses: smoothed_loss,
        attacks: SmoothedAttack,
    }
    for package, thing in new.items():
        monkeypatch.setattr(package, thing.__name__, thing, raising=False)
        monkeypatch.setattr(package, "__all__", [*package.__all__, thing.__name__])
    return [thing.__name__ for thing in new.values()]


def test_whoever_is_in_no_suite_is_named_with_the_suite(collected, newcomers):
    told = missing(collected)
    assert {line.split()[0] for line in told} == set(newcomers)
    for suite in SUITES:
        assert sum(f"not in {suite}:" in line for line in told) == 1, suite


def test_a_newcomer_is_built_by_the_rules(newcomers):
    assert dict(all_estimators())["SmoothedClassifier"] is SmoothedClassifier
    assert quick(SmoothedClassifier, share=0.3).get_params()["share"] == 0.3
    plain, deep = variants(SmoothedClassifier)
    assert (plain.max_epochs, plain.smoothing_epochs, plain.module) == (2, 2, None)
    assert (deep.module, deep.validation) == ("mlp", 0.2)
    assert variants(Smoothed) == [Smoothed()]


def test_every_estimator_is_exported_at_the_top():
    named = {name for name, _ in all_estimators()}
    assert named <= set(sklearn_debias.__all__)
