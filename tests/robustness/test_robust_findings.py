"""What a robust evaluation refuses before it attacks, and what its report may not lose."""

import numpy as np
import pytest
import torch
from attacked import CODES, EPSILON, IMAGES, NET, conv
from torch import nn

from sklearn_debias.attacks import FGSM, PGD, CarliniWagner
from sklearn_debias.fitting._attack import check_ball
from sklearn_debias.fitting._inputs import Inputs
from sklearn_debias.robustness import (
    adversarial_examples,
    epsilon_sweep,
    robust_accuracy,
    robust_accuracy_score,
    robust_report,
    transfer_accuracy_score,
)
from sklearn_debias.training import ArraySource

QUIET = {"check_masking": False, "epsilon": EPSILON}
PER_CHANNEL = ([0, 0, 0.5], [1, 1, 1])


class Counted(nn.Module):
    """A network that refuses a gradient: nothing may be attacked."""

    def forward(self, x):
        if torch.is_grad_enabled():
            raise AssertionError("attacked")
        return NET(x)


def test_a_range_by_channels_must_hold_every_channel():
    for score in (robust_accuracy_score, adversarial_examples, epsilon_sweep):
        with pytest.raises(
            ValueError, match="`clip`=.* must hold X, which reaches from .*by its channels"
        ):
            score(NET, IMAGES, CODES, clip=PER_CHANNEL)
    inside = IMAGES.copy()
    inside[:, 2] = 0.5 + inside[:, 2] / 2
    found = adversarial_examples(
        NET, inside, CODES, clip=PER_CHANNEL, epsilon=EPSILON, judge="last"
    )
    assert np.abs(found - inside).max() <= EPSILON + 1e-6
    ball = {"clip": PER_CHANNEL, "epsilon": EPSILON, "norm": "linf"}
    with pytest.raises(ValueError, match="by its channels"):
        check_ball(Inputs(ArraySource(IMAGES), (3, 8, 8), 0.0, 1.0), **ball)
    check_ball(Inputs(ArraySource(inside), (3, 8, 8), 0.0, 1.0), **ball)


@pytest.mark.parametrize(
    "attacks", [{1: FGSM(), "1": PGD(2)}, {"transfer from a": FGSM()}, {"lower": FGSM()}]
)
def test_no_attack_is_lost_to_another_of_its_name(attacks):
    with pytest.raises(ValueError, match="`attacks` must"):
        robust_report(NET, IMAGES, CODES, attacks=attacks, transfer_from={"a": conv()}, **QUIET)


def test_what_is_missed_as_it_is_is_missed_after_a_transfer():
    source = conv()
    with torch.no_grad():
        source[3].weight.mul_(-1)
    report = robust_report(NET, IMAGES, CODES, attacks=["fgsm"], transfer_from=[source], **QUIET)
    right = report.right
    assert not (right["transfer from source 0"] & ~right["clean"]).any()


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ({"attacks": ["fgsm", "cw-l2"]}, "`norm`"),
        ({"attacks": ["fgsm"], "bias_labels": [0, 1]}, "bias_labels"),
        ({"attacks": ["fgsm"], "transfer_from": [5]}, "`transfer_from`"),
    ],
)
def test_errors_come_before_the_attacks(options, word):
    with pytest.raises((ValueError, TypeError), match=word):
        robust_report(Counted(), IMAGES, CODES, **options, **QUIET)


def test_a_bad_source_is_called_so():
    with pytest.raises(TypeError, match="`source` must be"):
        transfer_accuracy_score(5, NET, IMAGES, CODES)


@pytest.mark.parametrize(
    "attack", ["pgd-2", CarliniWagner(n_steps=2, search_steps=1), "random-search"]
)
def test_a_module_in_bfloat16(attack):
    norm = "l2" if isinstance(attack, CarliniWagner) else "linf"
    net = conv().bfloat16()
    found = adversarial_examples(net, IMAGES[:6], CODES[:6], attack=attack, norm=norm, epsilon=0.1)
    assert (found.dtype, np.isfinite(found).all()) == (np.float32, True)


def test_a_module_whose_first_layer_works_in_place():
    net, before = nn.Sequential(nn.ReLU(inplace=True), conv()), IMAGES.copy()
    assert robust_accuracy_score(net, IMAGES, CODES) == robust_accuracy_score(NET, IMAGES, CODES)
    np.testing.assert_array_equal(IMAGES, before)


@pytest.mark.parametrize("epsilons", ["auto", [[0.1, 0.2]], np.ones((2, 2)), 0.1])
def test_radii_that_are_none(epsilons):
    with pytest.raises(ValueError, match="`epsilons` must be a sequence"):
        epsilon_sweep(NET, IMAGES, CODES, epsilons=epsilons)


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ({"attack": "no"}, "`attack`"),
        ({"epsilon": -1}, "`epsilon`"),
        ({"norm": "l1"}, "`norm`"),
        ({"clip": (1, 0)}, "`clip`"),
        ({"clip": "no"}, "`clip`"),
        ({"judge": "no"}, "`judge`"),
        ({"random_state": -1}, "`random_state`"),
        ({"worst_group": "yes"}, "`worst_group`"),
    ],
)
def test_a_scorer_refuses_what_it_cannot_score_by(options, word):
    with pytest.raises(ValueError, match=word):
        robust_accuracy(**options)


def test_a_scorer_with_arrays_can_be_compared():
    low, high = np.zeros(3), np.ones(3)
    scorer, same = (
        robust_accuracy(clip=(low.copy(), high), epsilon=np.float32(0.5)) for _ in range(2)
    )
    assert (scorer == same, hash(scorer) == hash(same), eval(repr(scorer)) == scorer) == (
        True,
        True,
        True,
    )


def test_a_worst_group_scorer_reads_its_labels_before_it_attacks():
    scorer = robust_accuracy("fgsm", worst_group=True)
    with pytest.raises(ValueError, match="bias_labels"):
        scorer(Counted(), IMAGES, CODES, bias_labels=[0, 1])
