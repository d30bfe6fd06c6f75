import os
import pickle
import re
import signal
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from ranks_worker import CASES, PATIENCE
from sklearn.base import clone

from sklearn_debias import ERMClassifier, LfFClassifier, objectives
from sklearn_debias.core import Objective, Phase
from sklearn_debias.model_selection import BatchedGridSearchCV
from sklearn_debias.testing import all_estimators, quick
from sklearn_debias.training._connection import portable

WORKER = Path(__file__).with_name("ranks_worker.py")
DIVIDED = {
    "BiasAdvClassifier",
    "DHATClassifier",
    "ERMClassifier",
    "GroupDROClassifier",
    "JTTClassifier",
    "LfFClassifier",
}
THE_SAME = "The processes of one fit must be given the same, and process 1 has another "


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """What came out alone, and in each of two processes."""
    if not hasattr(os, "fork") or not torch.distributed.is_available():
        pytest.skip("needs torch.distributed, and a system that forks")
    folder = tmp_path_factory.mktemp("ranks")
    run = subprocess.Popen(
        [sys.executable, str(WORKER), str(folder)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        said, _ = run.communicate(timeout=180)
    finally:
        if run.poll() is None:
            os.killpg(run.pid, signal.SIGKILL)
    assert run.returncode == 0, said
    return {
        name: pickle.loads((folder / f"{name}.pickle").read_bytes()) for name in ("alone", "0", "1")
    }


@pytest.mark.parametrize("case", list(CASES))
def test_two_processes_train_as_one(found, case):
    alone = found["alone"][case]
    for rank in ("0", "1"):
        shared = found[rank][case]
        assert shared["history"].keys() == alone["history"].keys()
        for name, means in alone["history"].items():
            np.testing.assert_allclose(shared["history"][name], means, atol=1e-5, err_msg=name)
        np.testing.assert_allclose(shared["logits"], alone["logits"], atol=1e-5)
        for name, values in alone["buffers"].items():
            np.testing.assert_allclose(shared["buffers"][name], values, atol=1e-5, err_msg=name)
    np.testing.assert_array_equal(found["0"][case]["logits"], found["1"][case]["logits"])


def test_all_cases_are_looked_at(found):
    assert found["alone"].keys() == CASES.keys()
    # Or agreement would say little: every fit moves, and the processes do share what they forward.
    for case in CASES:
        losses = found["alone"][case]["history"]["model_loss"]
        assert len({loss for loss in losses if loss is not None}) > 1, case


def test_a_fit_stops_where_it_would_alone(found):
    epochs = [len(found[name]["ERM, stopped by its monitor"]["history"]["lr"]) for name in found]
    assert len(set(epochs)) == 1
    assert epochs[0] < 9


def test_what_is_saved_knows_no_process(found):
    for rank in ("0", "1"):
        saved = found[rank]["ERM"]["saved"]
        assert b"accelerat" not in saved
        assert pickle.loads(saved).net_params is None


@pytest.mark.parametrize(
    ("what", "named"),
    [
        ("rows", "`X`"),
        ("labels", "`y`"),
        ("seeds", "`random_state`"),
        ("a fresh seed", "`random_state`"),
        ("parameters", "`lr`"),
        ("starts", "network at the start"),
    ],
)
def test_processes_that_differ_are_told_so(found, what, named):
    for rank in ("0", "1"):
        error, message, _ = found[rank]["errors"][what]
        assert error == "ValueError"
        assert message.startswith(f"{THE_SAME}{named} than process 0.")


@pytest.mark.parametrize(
    ("what", "words"),
    [
        ("statistics", "have come apart"),
        ("dropout", "draws random numbers"),
        ("mixed rows", "Centred gives a row other logits among other rows"),
        ("InstanceNorm", "InstanceNorm2d has track_running_stats=True"),
    ],
)
def test_networks_that_would_not_be_the_same_are_refused(found, what, words):
    for rank in ("0", "1"):
        error, message, _ = found[rank]["errors"][what]
        assert error == "ValueError"
        assert words in message


@pytest.mark.parametrize(
    ("what", "own"), [("an error", "OSError"), ("Ctrl-C", "KeyboardInterrupt")]
)
def test_what_ends_one_process_ends_all(found, what, own):
    assert found["1"]["errors"][what][0] == own
    error, message, seconds = found["0"]["errors"][what]
    assert error == "ProcessLostError"
    assert message.startswith("Another process of this fit has stopped")
    assert seconds < 20


def test_a_killed_process_ends_the_others(found):
    error, _, seconds = found["0"]["killed"]
    assert error == "ProcessLostError"
    assert seconds < 20


def test_a_fit_waits_as_long_as_the_user_said(found):
    for rank in ("0", "1"):
        assert found[rank]["timeout"] == PATIENCE


def test_a_process_that_never_calls_fit_is_said_to_be_absent(found):
    error, message, seconds = found["0"]["absent"]
    assert error == "ProcessLostError"
    assert "Call `fit` in every process" in message
    assert seconds < 20


def test_the_first_process_keeps_the_fit_and_all_go_on(found):
    for rank in ("0", "1"):
        assert len(found[rank]["kept"]["history"]["lr"]) == 2
    files = [name for name in found["0"]["kept"]["files"] if name.endswith("json")]
    assert files == ["epoch-000001.json", "epoch-000002.json"]
    np.testing.assert_array_equal(found["0"]["kept"]["logits"], found["1"]["kept"]["logits"])
    np.testing.assert_array_equal(found["0"]["kept"]["logits"], found["0"]["whole"]["logits"])


@pytest.mark.parametrize(
    ("where", "words"), [("of another fit", "is of another fit"), ("below a file", "store/kept")]
)
def test_a_checkpoint_that_the_first_cannot_open_is_refused_in_all(found, where, words):
    first, other = (found[rank]["refused"][where] for rank in ("0", "1"))
    assert words in first[1]
    assert other[:2] == first[:2]


def test_errors_that_do_not_travel_are_told_by_their_text():
    class OwnError(Exception):
        def __init__(self, one, two):
            super().__init__(f"{one} and {two}")

    there = portable(OwnError(1, 2))
    assert type(there) is RuntimeError
    assert str(there) == "OwnError: 1 and 2"


def test_a_fresh_seed_is_that_of_the_first_process(found):
    fits = [found[rank]["fresh seed"]["logits"] for rank in ("0", "1")]
    np.testing.assert_array_equal(*fits)


@pytest.mark.skipif(find_spec("accelerate") is None, reason="needs accelerate")
def test_the_fits_above_were_given_an_accelerator_of_accelerate(found):
    assert {found[rank]["accelerator"] for rank in ("0", "1")} == {"Accelerator"}


def test_one_process_speaks(found):
    assert "model_loss" in found["0"]["said"]
    assert found["1"]["said"] == ""


@pytest.mark.filterwarnings("ignore::sklearn_debias.exceptions.DebiasWarning")
def test_the_page_of_the_guide_runs(capsys):
    pytest.importorskip("accelerate")
    page = Path(__file__).parents[2] / "docs" / "guide" / "several_processes.md"
    (program,) = re.findall(r"^```python\n(.*?)^```$", page.read_text(), re.DOTALL | re.MULTILINE)
    exec(compile(program, page.name, "exec"), {})
    number, score = capsys.readouterr().out.splitlines()
    assert number == "1 processes"
    assert 0 < float(score) <= 1


# On one process: who takes an accelerator at all.


def alone(**changed):
    own = {"num_processes": 1, "process_index": 0, "device": torch.device("cpu")}
    return SimpleNamespace(**own | changed)


def rows():
    rng = np.random.default_rng(0)
    number = np.arange(60)
    X = rng.random((60, 3, 8, 8)).astype("float32")
    return X, number % 2, (number // 2) % 2


@pytest.mark.filterwarnings("ignore::sklearn_debias.exceptions.DebiasWarning")
@pytest.mark.parametrize(("name", "cls"), all_estimators())
def test_a_method_takes_an_accelerator_or_refuses_it_by_name(name, cls):
    X, y, bias = rows()
    if name in DIVIDED:
        clf = quick(cls).set_params(accelerator=alone(), max_epochs=1)
        assert clf.fit(X, y, bias_labels=bias).n_iter_ >= 1
        return
    with pytest.raises(ValueError, match="accelerator") as refused:
        quick(cls).set_params(accelerator=alone()).fit(X, y, bias_labels=bias)
    assert name in str(refused.value)
    assert not set(re.findall(r"\w+", str(refused.value))) & set(dir(objectives)), (
        "a class of ours is no name to the user"
    )


def test_a_parameter_that_stands_in_the_way_is_named():
    from sklearn_debias import BiasAdvClassifier, DHATClassifier, ULEClassifier

    X, y, _ = rows()
    for clf, words in (
        (
            BiasAdvClassifier(base=ULEClassifier()),
            "`base`=ULEClassifier of BiasAdv.* default 'lff'",
        ),
        (DHATClassifier(awp=0.01), "`awp`=0.01 of DHATClassifier.* default 0.0"),
    ):
        clf.set_params(accelerator=alone(), max_epochs=1)
        with pytest.raises(ValueError, match=words):
            clf.fit(X, y)


def test_a_method_of_ones_own_says_for_itself_whether_it_divides():
    from sklearn_debias.estimators import BaseDebiasClassifier
    from sklearn_debias.objectives import ERM

    class Own(ERM):
        pass

    class OwnClassifier(BaseDebiasClassifier):
        def _phases(self):
            return (Phase("train", (Own(),), self.max_epochs),)

    assert not Objective.divides
    X, y, _ = rows()
    with pytest.raises(ValueError, match="with OwnClassifier, whose batches cannot be"):
        OwnClassifier(net_params={"accelerator": alone()}).fit(X, y)


@pytest.mark.parametrize(
    ("accelerator", "params", "error", "words"),
    [
        (object(), {}, TypeError, "must be an accelerate.Accelerator, got a object"),
        (SimpleNamespace, {}, TypeError, "the class SimpleNamespace itself. Call it: SimpleN"),
        (alone(distributed_type="FSDP"), {}, ValueError, "distributed_type FSDP"),
        (alone(mixed_precision="bf16"), {}, ValueError, "must not set mixed_precision"),
        (alone(gradient_accumulation_steps=4), {}, ValueError, "gradient_accumulation_steps"),
        (alone(device="cuda:1"), {"device": "cpu"}, ValueError, "`device`='cpu' is not that of"),
        (alone(num_processes=4), {"batch_size": 3}, ValueError, "at least their number, 4"),
        (alone(num_processes=2), {}, ValueError, "torch.distributed is not connected"),
    ],
)
def test_an_accelerator_that_asks_for_something_else_is_refused(accelerator, params, error, words):
    X, y, _ = rows()
    clf = ERMClassifier(**params, net_params={"accelerator": accelerator})
    with pytest.raises(error) as refused:
        clf.fit(X, y)
    assert words in str(refused.value)
    assert not hasattr(clf, "net_")


def test_processes_that_would_each_train_alone_are_told_so(monkeypatch):
    # What Accelerate makes of a launch on a machine without a GPU.
    monkeypatch.setenv("WORLD_SIZE", "2")
    X, y, _ = rows()
    with pytest.raises(ValueError, match="knows of one process, but 2 were started"):
        ERMClassifier(net_params={"accelerator": alone()}).fit(X, y)


def test_an_accelerator_is_shared_by_clones_and_not_by_copies_on_disk():
    accelerator = alone()
    clf = LfFClassifier().set_params(accelerator=accelerator, optimizer__betas=(0.8, 0.9))
    assert clone(clf).net_params == {
        "accelerator": accelerator,
        "optimizer__betas": (0.8, 0.9),
    }
    assert clone(clf).net_params["accelerator"] is accelerator
    loaded = pickle.loads(pickle.dumps(clf))
    assert loaded.net_params == {"optimizer__betas": (0.8, 0.9)}
    assert clf.set_params(accelerator=None).net_params["accelerator"] is None


def test_a_stack_of_candidates_refuses_it():
    X = np.random.default_rng(0).normal(size=(40, 3))
    y = (X[:, 0] > 0).astype(int)
    clf = ERMClassifier(max_epochs=1, net_params={"accelerator": alone()})
    with pytest.raises(ValueError, match="`accelerator` of `net_params` does not work in a stack"):
        BatchedGridSearchCV(clf, {"lr": [0.1, 0.01]}, cv=2).fit(X, y)


@pytest.mark.filterwarnings("ignore::sklearn_debias.exceptions.DebiasWarning")
def test_an_accelerator_of_none_asks_for_nothing():
    X = np.random.default_rng(0).normal(size=(40, 3))
    y = (X[:, 0] > 0).astype(int)
    solved = ERMClassifier(optimizer="lbfgs").set_params(accelerator=None).fit(X, y)
    alike = ERMClassifier(optimizer="lbfgs").fit(X, y)
    np.testing.assert_array_equal(solved.decision_function(X), alike.decision_function(X))
    clf = ERMClassifier(max_epochs=1, net_params={"accelerator": None})
    assert BatchedGridSearchCV(clf, {"lr": [0.1, 0.01]}, cv=2).fit(X, y).best_index_ in (0, 1)
