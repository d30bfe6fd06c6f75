"""Against figures measured with another library, and against the reference AutoAttack."""

import sys
import warnings

import numpy as np
import pytest
import torch
from attacked import IMAGES, NET, conv, data_folder, reference

from sklearn_debias.attacks import PGD, AutoAttack
from sklearn_debias.exceptions import DebiasWarning
from sklearn_debias.robustness import adversarial_examples, robust_accuracy_score, robust_report

needs_data = pytest.mark.skipif(data_folder() is None, reason="SKLEARN_DEBIAS_DATA is not set")


@needs_data
@pytest.mark.parametrize("kind", ["cifar", "mnist"])
@pytest.mark.parametrize(
    ("attack", "name", "judge"), [("fgsm", "FGSM", "last"), ("pgd-40", "PGD-40", "any")]
)
def test_accuracies_are_those_of_another_library(kind, attack, name, judge):
    net, images, labels, epsilon, expected = reference(kind)
    options = {"epsilon": epsilon, "judge": judge}
    assert robust_accuracy_score(net, images, labels, attack=attack, **options) == pytest.approx(
        expected[name], abs=0.01
    )
    assert robust_accuracy_score(net, images, labels, epsilon=0) == pytest.approx(
        expected["clean"], abs=1e-9
    )


@needs_data
@pytest.mark.parametrize(("kind", "within"), [("cifar", 0.01), ("mnist", 0.03)])
def test_the_worst_case_comes_near_to_autoattack_and_shows_no_masking(kind, within):
    """MNIST's network hides more: AutoAttack finds 1 to 3 points that gradients do not."""
    net, images, labels, epsilon, expected = reference(kind)
    report = robust_report(net, images, labels, attacks=["pgd-40", "cw"], epsilon=epsilon)
    assert 0 <= report.robust_accuracy - expected["AutoAttack-standard"] <= within + 1e-9
    assert report.signs == ()


@needs_data
def test_autoattack_agrees_with_its_library_on_the_worst_case():
    pyautoattack = pytest.importorskip("pyautoattack")
    net, images, labels, epsilon, _ = reference("mnist")
    net.eval().requires_grad_(False)
    x, y, parts = (
        torch.from_numpy(images[:4]).contiguous(),
        torch.from_numpy(labels[:4]),
        ("apgd-ce", "apgd-t"),
    )
    with torch.random.fork_rng():
        library = pyautoattack.AutoAttack(
            net, eps=epsilon, seed=0, version="custom", attacks=list(parts)
        )
        library.apgd.n_restarts, library.apgd_targeted.n_target_classes = 1, 9
        found, _ = library.run_standard_evaluation(x, y)
    expected = net(found).argmax(1).eq(y).numpy()
    attacks = {"pgd": PGD(40), "aa": AutoAttack(parts)}
    report = robust_report(
        net, images[:4], labels[:4], attacks=attacks, epsilon=epsilon, check_masking=False
    )
    np.testing.assert_array_equal(report.right["aa"], expected)
    np.testing.assert_array_equal(report.right["worst case"], expected)


@pytest.mark.parametrize(("norm", "name"), [("linf", "Linf"), ("l2", "L2")])
def test_autoattack_as_it_comes_is_the_librarys_standard_version(norm, name, monkeypatch):
    pyautoattack = pytest.importorskip("pyautoattack")
    seen = []

    def looked_at(self, x, y, **options):
        seen.append(self)
        return x, y

    monkeypatch.setattr(pyautoattack.AutoAttack, "run_standard_evaluation", looked_at)
    net = conv(10)
    robust_accuracy_score(net, IMAGES[:4], CODES[:4], attack="autoattack", epsilon=0.01, norm=norm)
    standard = pyautoattack.AutoAttack(net, norm=name, eps=0.01, version="standard")
    (ours,) = seen
    assert settings(ours) == settings(standard)
    assert [AutoAttack()._parts(n) for n in (2, 3)] == [
        ("apgd-ce", "fab-t", "square"),  # the DLR losses need three and four classes
        ("apgd-ce", "apgd-dlr", "fab-t", "square"),
    ]


def settings(adversary):
    """What decides how strong it is."""
    parts = (adversary.apgd, adversary.apgd_targeted, adversary.fab, adversary.square)
    names = (
        "n_restarts",
        "n_iter",
        "n_target_classes",
        "n_queries",
        "eps",
        "norm",
        "p_init",
        "rho",
        "eot_iter",
    )
    found = [{name: getattr(part, name) for name in names if hasattr(part, name)} for part in parts]
    return adversary.attacks_to_run, adversary.epsilon, adversary.norm, found


CODES = NET(torch.from_numpy(IMAGES)).argmax(1).numpy()
OPTIONS = {"attack": AutoAttack(("apgd-ce",)), "epsilon": 0.01}


@pytest.fixture
def few():
    pytest.importorskip("pyautoattack")
    return slice(0, 12)


def test_autoattack_leaves_generators_and_tracing_alone(few):
    state, seen = torch.get_rng_state(), []

    def hook(frame, event, arg):
        seen.append(event)

    before = sys.gettrace()
    sys.settrace(hook)
    try:
        robust_accuracy_score(NET, IMAGES[few], CODES[few], **OPTIONS)
        assert sys.gettrace() is hook
    finally:
        sys.settrace(before)
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_autoattack_stays_in_the_ball_whatever_the_order(few, norm):
    options = {
        "attack": AutoAttack(("apgd-ce",)),
        "epsilon": 0.01 if norm == "linf" else 0.1,
        "norm": norm,
    }
    moved = adversarial_examples(NET, IMAGES[few], CODES[few], **options)
    order = np.random.default_rng(0).permutation(12)
    np.testing.assert_array_equal(
        adversarial_examples(NET, IMAGES[order], CODES[order], **options), moved[order]
    )
    delta = (moved - IMAGES[few]).reshape(12, -1)
    size = np.linalg.norm(delta, axis=1, ord=np.inf if norm == "linf" else 2)
    assert size.max() <= options["epsilon"] * (1 + 1e-4)
    assert (moved.min() >= 0) & (moved.max() <= 1)


@pytest.mark.parametrize("n", [2, 3])
def test_autoattack_works_with_few_classes(few, n):
    """Its targeted DLR loss needs four classes; what is left is no weaker than PGD."""
    net = conv(n)
    codes = net(torch.from_numpy(IMAGES[few])).argmax(1).numpy()
    parts = tuple(part for part in AutoAttack()._parts(n) if part != "square")  # 5000 queries
    scores = [
        robust_accuracy_score(net, IMAGES[few], codes, attack=a, epsilon=0.1)
        for a in (AutoAttack(parts), PGD())
    ]
    assert scores[0] <= scores[1]


def test_autoattack_takes_any_memory_layout(few):
    """The package views gradients as flat rows, which those of channels-last inputs are not."""
    net = conv().to(memory_format=torch.channels_last)
    images = np.ascontiguousarray(IMAGES[few].transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)
    assert robust_accuracy_score(net, images, CODES[few], **OPTIONS) == (
        robust_accuracy_score(NET, IMAGES[few], CODES[few], **OPTIONS)
    )


def test_what_autoattack_logs_becomes_a_warning(few):
    class Softmax(torch.nn.Module):
        def forward(self, x):
            return NET(x).softmax(1)

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        robust_accuracy_score(Softmax(), IMAGES[few], CODES[few], **OPTIONS)
    said = [str(w.message) for w in caught if w.category is DebiasWarning]
    assert any(
        "AutoAttack: it seems that the output is a probability distribution" in words
        for words in said
    )
    assert any("look like probabilities" in words for words in said)
