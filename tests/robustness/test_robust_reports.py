"""The report: worst case per sample, groups, intervals, and the signs of gradient masking."""

import re
from dataclasses import replace

import numpy as np
import pytest
import torch
from attacked import CODES, IMAGES, NET, X, conv, y
from scipy.stats import binomtest
from torch import nn

from sklearn_debias import ERMClassifier
from sklearn_debias.attacks import PGD
from sklearn_debias.exceptions import DebiasWarning
from sklearn_debias.metrics import group_report
from sklearn_debias.robustness import robust_accuracy_score, robust_report

EPSILON = 0.01
BIAS = np.arange(70) % 2


@pytest.fixture(scope="module")
def report():
    return robust_report(
        NET,
        IMAGES,
        CODES,
        attacks=["fgsm", "pgd-5", PGD(5, loss="margin")],
        bias_labels=BIAS,
        transfer_from={"another": conv()},
        epsilon=EPSILON,
    )


def test_each_row_is_the_score_of_its_attack(report):
    names = [
        "clean",
        "fgsm",
        "pgd-5",
        repr(PGD(5, loss="margin")),
        "transfer from another",
        "worst case",
    ]
    assert report.frame.attack.tolist() == names
    accuracy = report.to_frame().set_index("attack").accuracy
    assert accuracy["clean"] == robust_accuracy_score(NET, IMAGES, CODES, epsilon=0)
    for attack in ("fgsm", "pgd-5"):
        assert accuracy[attack] == robust_accuracy_score(
            NET, IMAGES, CODES, attack=attack, epsilon=EPSILON
        )


def test_the_worst_case_is_taken_per_sample(report):
    columns = report.right.drop(columns="worst case")
    np.testing.assert_array_equal(report.right["worst case"], columns.all(axis=1))
    assert report.robust_accuracy <= report.frame.accuracy.min()
    assert report.signs == ()


def test_groups_and_intervals_are_those_of_the_group_report(report):
    pred = np.where(report.right["worst case"], CODES, (CODES + 1) % 3)  # any other class
    expected = group_report(CODES, pred, bias_labels=BIAS)
    assert report.worst_group == expected.worst_group
    assert report.worst_group_accuracy == expected.worst_group_accuracy
    assert report.worst_group_interval == expected.worst_group_interval
    table = report.groups_to_frame()
    np.testing.assert_array_equal(table["worst case"], expected.to_frame().accuracy)
    np.testing.assert_array_equal(
        table[["lower", "upper"]], expected.to_frame()[["lower", "upper"]]
    )
    assert (report.frame.worst_group_accuracy.iloc[-1], len(table)) == (
        report.worst_group_accuracy,
        len(table),
    )
    frame = report.frame
    for hits, low, high in zip(70 * frame.accuracy, frame.lower, frame.upper, strict=True):
        assert (low, high) == pytest.approx(
            binomtest(round(hits), 70).proportion_ci(0.95), abs=1e-12
        )


def test_it_can_be_read(report):
    text = str(report)
    for words in (
        "70 samples, linf ball of radius 0.01",
        "95 % interval",
        "worst case",
        "worst group",
    ):
        assert words in text
    assert "<table" in report._repr_html_()


def test_labels_of_an_estimator_and_no_groups():
    labels = np.array(["no", "yes"])[y]
    clf = ERMClassifier(lr=0.05, max_epochs=3, random_state=0).fit(X, labels)
    options = {"attacks": {"mine": PGD(3)}, "epsilon": 0.2, "check_masking": False}
    report = robust_report(clf, X, labels, bias_labels=np.arange(100) % 2, **options)
    assert set(report.groups_to_frame()["class"]) == {"no", "yes"}
    plain = robust_report(clf, X, labels, **options)
    assert plain.robust_accuracy == report.robust_accuracy
    assert plain.group_reports == {}
    with pytest.raises(AttributeError, match="pass `bias_labels`"):
        print(plain.worst_group)


def test_a_radius_of_zero_is_clean_everywhere():
    report = robust_report(NET, IMAGES, CODES, epsilon=0, attacks=["fgsm"])
    assert report.frame.accuracy.nunique() == 1


class Masked(nn.Module):
    """Network on inputs of few levels: a staircase without gradient, or a noisy gradient."""

    def __init__(self, how):
        super().__init__()
        self.net, self.how = conv(), how

    def forward(self, x):
        if self.how == "staircase":
            return self.net((x * 64).round() / 64)
        wiggle = x + 0.003 * torch.sin(2000 * x)  # its slope hides the network's
        return self.net(wiggle)


def codes_of(net):
    with torch.no_grad():
        return net(torch.from_numpy(IMAGES)).argmax(1).numpy()


@pytest.mark.filterwarnings("ignore:The gradient of")
@pytest.mark.parametrize("how", ["staircase", "wiggle"])
def test_hidden_gradients_are_warned_about(how):
    net = Masked(how)
    with pytest.warns(DebiasWarning, match="Signs of gradient masking") as caught:
        report = robust_report(net, IMAGES, codes_of(net), attacks=["pgd-10"], epsilon=0.03)
    assert any("a search without gradients fools" in sign for sign in report.signs)
    assert "a search without gradients fools" in str(caught[-1].message)


class OnePixel(nn.Module):
    """Class 0 unless the first pixel is off .5 by what ``fools``; gradients see ``slope`` alone."""

    def __init__(self, fools, slope):
        super().__init__()
        self.fools, self.slope = fools, slope

    def forward(self, x):
        off = (x[:, 0, 0, 0] - 0.5) / EPSILON  # in radii
        margin = 1 - 2 * self.fools(off).float() + self.slope(off) - self.slope(off).detach()
        return torch.stack([margin, -margin], 1)


def steps_lead_back(off):
    return torch.where(off.abs() < 1e-3, -off, off.abs())


SIGNS = {
    "one step": (
        lambda off: off > 0.95,
        steps_lead_back,
        r"one step fools 100 of 100 rows, 10 steps only \d",
    ),
    "restarts": (
        lambda off: (off - 0.5).abs() < 0.1,
        lambda off: 0 * off,
        r"5 random restarts fool \d+ of 100 rows",
    ),
}


@pytest.mark.filterwarnings("ignore:The gradient of")
@pytest.mark.parametrize("sign", SIGNS)
def test_each_sign_of_masking_has_its_words(sign):
    fools, slope, words = SIGNS[sign]
    images = np.random.default_rng(0).random((150, 1, 4, 4), dtype=np.float32)
    images[:, 0, 0, 0] = 0.5
    with pytest.warns(DebiasWarning, match=words):
        report = robust_report(
            OnePixel(fools, slope),
            images,
            np.zeros(150, dtype=int),
            attacks=["pgd-2"],
            epsilon=EPSILON,
        )
    assert sum(bool(re.match(words, found)) for found in report.signs) == 1


def test_a_gradient_of_zero_is_warned_about():
    net = Masked("staircase")
    with pytest.warns(
        DebiasWarning, match="The gradient of .* of 70 attacked rows is exactly zero"
    ):
        score = robust_accuracy_score(
            net, IMAGES, codes_of(net), attack=PGD(5, random_start=False), epsilon=0.03
        )
    assert score == 1


@pytest.mark.filterwarnings("ignore:The gradient of")
def test_a_transfer_that_beats_the_gradient_is_a_sign():
    net = Masked("staircase")
    with pytest.warns(DebiasWarning, match="a transfer from another model fools"):
        robust_report(
            net,
            IMAGES,
            codes_of(net),
            attacks={"pgd": PGD(2, random_start=False)},
            transfer_from=[conv()],
            epsilon=0.03,
        )


def test_a_network_that_nothing_fools_is_a_sign():
    class Trap(nn.Module):
        """Whether four pixels are all bright; the slope points away from the step."""

        def forward(self, x):
            pixels = x[:, 0, 0, :4]
            margin = 2 * (pixels > 0.5).all(1).float() - 1 - 1e-3 * pixels.sum(1)
            return torch.stack([-margin, margin], 1)

    net = Trap()
    with pytest.warns(DebiasWarning, match="a ball that holds all inputs leaves"):
        robust_report(net, IMAGES, codes_of(net), attacks=["fgsm"], epsilon=0.01)


def test_signs_of_masking_are_escaped_in_html(report):
    page = replace(report, signs=("accuracy <rises> with the radius",))._repr_html_()
    assert "sklearn-debias-report" in page
    assert "By group" in page
    assert "&lt;rises&gt;" in page
