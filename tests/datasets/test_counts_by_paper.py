"""Published counts against what papers and files state, typed a second time, cell by cell."""

from itertools import product

import numpy as np
import pandas as pd
import pytest

from sklearn_debias.datasets import read_metadata_csv
from sklearn_debias.datasets._bar_protocol import ACTIONS
from sklearn_debias.datasets.readers import _cifar_c, _layouts_spawrious
from sklearn_debias.datasets.readers._cifar import _counts as counts_of_cifar
from sklearn_debias.datasets.readers._cifar_files import SETS
from sklearn_debias.datasets.readers._counts import Counts, check_counts
from sklearn_debias.datasets.readers._layouts_bar import COUNTS as BAR
from sklearn_debias.datasets.readers._layouts_crossed import SPUCO_BIRDS, SPUCO_DOGS, URBAN_COUNTS
from sklearn_debias.datasets.readers._layouts_csv import LAYOUTS
from sklearn_debias.datasets.readers._layouts_dfa import BFFHQ, CIFAR10C, CMNIST
from sklearn_debias.datasets.readers._layouts_lists import LAYOUTS as LISTS
from sklearn_debias.datasets.readers._layouts_lists import Profile
from sklearn_debias.datasets.readers._layouts_metashift import (
    ANIMALS,
    CONTEXTS,
    SUBPOPBENCH,
    SUBPOPULATION,
)
from sklearn_debias.exceptions import DebiasWarning

SPLITS = ("train", "validation", "test")
# Rows of class and bias value: in training, validation and test set.
BY_GROUP = {
    "waterbirds": """
        landbird  | land       |  3498 |  467 | 2255
        landbird  | water      |   184 |  466 | 2255
        waterbird | land       |    56 |  133 |  642
        waterbird | water      |  1057 |  133 |  642
    """,
    "celeba": """
        not blond | female     | 71629 | 8535 | 9767
        not blond | male       | 66874 | 8276 | 7535
        blond     | female     | 22880 | 2874 | 2480
        blond     | male       |  1387 |  182 |  180
    """,
    "multinli": """
        contradiction | no negation | 57498 | 22814 | 34597
        contradiction | negation    | 11158 |  4634 |  6655
        entailment    | no negation | 67376 | 26949 | 40496
        entailment    | negation    |  1521 |   613 |   886
        neutral       | no negation | 66630 | 26655 | 39930
        neutral       | negation    |  1992 |   797 |  1148
    """,
    "spuco_birds": """
        landbirds  | land      | 10000 |  500 |  500
        landbirds  | water     |   500 |   25 |  500
        waterbirds | land      |   500 |   25 |  500
        waterbirds | water     | 10000 |  500 |  500
    """,
    "spuco_dogs": """
        small_dogs | indoor    | 10000 |  500 |  500
        small_dogs | outdoor   |   500 |   25 |  500
        big_dogs   | indoor    |   500 |   25 |  500
        big_dogs   | outdoor   | 10000 |  500 |  500
    """,
}


def rows(text):
    """Yield the names and the numbers of a table."""
    for line in text.strip().splitlines():
        names, numbers = [], []
        for field in (field.strip() for field in line.split("|")):
            numbers.append(int(field)) if field.isdecimal() else names.append(field)
        yield names, numbers


def published(name):
    """Return the counts of a set, with the names of its classes and bias values."""
    if name in LAYOUTS:
        kind = LAYOUTS[name]
        return kind.counts, list(kind.target_names.values()), list(kind.bias_names.values())
    kind = {"spuco_birds": SPUCO_BIRDS, "spuco_dogs": SPUCO_DOGS}[name]
    return kind.counts, list(kind.classes), list(kind.biases)


@pytest.mark.parametrize("name", BY_GROUP)
def test_counts_by_group(name):
    counts, classes, biases = published(name)
    expected = {split: {} for split in SPLITS}
    for (y, a), numbers in rows(BY_GROUP[name]):
        for split, n in zip(SPLITS, numbers, strict=True):
            expected[split][classes.index(y), biases.index(a)] = n
    assert counts.of == expected
    assert counts.verified


def test_civilcomments():
    counts = LAYOUTS["civilcomments"].counts
    assert counts.of["train"] == {(0, 0): 148186, (0, 1): 90337, (1, 0): 12731, (1, 1): 17784}
    assert {split: counts.of[split] for split in SPLITS[1:]} == {
        "validation": 45180,
        "test": 133782,
    }
    assert counts.verified


def test_metashift():
    named = {
        ("cat", "indoor"): 750,
        ("cat", "outdoor"): 100,
        ("dog", "outdoor"): 750,
        ("dog", "indoor"): 100,
    }
    train = {(ANIMALS.index(y), CONTEXTS.index(a)): n for (y, a), n in named.items()}
    assert SUBPOPULATION.of == {"train": train, "test": dict.fromkeys(train, 144)}
    assert SUBPOPULATION.verified
    for recalled in (SUBPOPBENCH, LAYOUTS["metashift"].counts):
        assert recalled.of == {"train": 2276, "validation": 349, "test": 874}
        assert not recalled.verified


def test_urbancars():
    train = {
        **{(0, 0, 0): 3610, (0, 0, 1): 190, (0, 1, 0): 190, (0, 1, 1): 10},
        **{(1, 1, 1): 3610, (1, 1, 0): 190, (1, 0, 1): 190, (1, 0, 0): 10},
    }
    even = dict.fromkeys(product((0, 1), repeat=3), 125)
    assert URBAN_COUNTS.of == {"train": train, "validation": even, "test": even}
    assert URBAN_COUNTS.verified


# Places of bulldog, dachshund, labrador and corgi: in training, and in the test.
SPAWRIOUS = {
    "o2o_easy": ("desert jungle dirt snow", "dirt snow desert jungle", "beach"),
    "o2o_medium": ("mountain beach dirt jungle", "jungle dirt beach snow", "desert"),
    "o2o_hard": ("jungle mountain snow desert", "mountain snow desert jungle", "beach"),
    "m2m_easy": ("desert mountain dirt jungle", "dirt jungle mountain desert", None),
    "m2m_medium": ("beach snow mountain desert", "desert mountain beach snow", None),
    "m2m_hard": ("dirt jungle snow beach", "snow beach dirt jungle", None),
}


@pytest.mark.parametrize("name", SPAWRIOUS)
def test_spawrious(name):
    train, test, filler = SPAWRIOUS[name]
    counts = _layouts_spawrious.counts(name)
    expected = {"train": {}, "test": {}}

    def add(split, environment, breed, place, n):
        y = _layouts_spawrious.BREEDS.index(breed)
        expected[split][environment, y, _layouts_spawrious.PLACES.index(place)] = n

    breeds = ("bulldog", "dachshund", "labrador", "corgi")
    changed = ("dachshund", "bulldog", "corgi", "labrador")  # in the second environment of m2m
    for own, other in zip(train.split(), test.split(), strict=True):
        i = train.split().index(own)
        if filler is None:
            for environment, order in enumerate((breeds, changed)):
                add("train", environment, order[i], own, 3168)
                add("test", environment, order[i], other, 3168)
            continue
        for environment, (n, rest) in enumerate(((3072, 96), (2756, 412))):
            add("train", environment, breeds[i], own, n)
            add("train", environment, breeds[i], filler, rest)
            add("test", environment, breeds[i], other, 3168)
    assert counts.of == expected
    assert counts.verified


def test_bar():
    stated = {
        "climbing": (326, 105),
        "diving": (520, 159),
        "fishing": (163, 42),
        "racing": (336, 132),
        "throwing": (317, 85),
        "pole vaulting": (279, 131),
    }
    for i, split in enumerate(("train", "test")):
        expected = {(ACTIONS.index(name),): numbers[i] for name, numbers in stated.items()}
        assert BAR.of[split] == expected
        assert sum(expected.values()) == (1941, 654)[i]
    assert set(BAR.of) == {"train", "test"}
    assert BAR.verified


# 0.5, 1, 2 and 5 %: images that are aligned, and that conflict.
DFA = {
    "cmnist": (CMNIST, ((54751, 249), (54509, 491), (54014, 986), (52551, 2449))),
    "cifar10c": (CIFAR10C, ((44832, 228), (44527, 442), (44145, 887), (42820, 2242))),
}


@pytest.mark.parametrize("name", DFA)
def test_dfa(name):
    kind, stated = DFA[name]
    assert list(kind.counts) == ["0.5", "1", "2", "5"]
    for own, (aligned, conflicting) in zip(kind.counts.values(), stated, strict=True):
        assert own["train"] == {(0,): aligned, (1,): conflicting}
        assert (own["validation"], own["test"]) == (5000, 10000)


def test_bffhq():
    for percent, own in BFFHQ.counts.items():
        train = {(0,): 19104, (1,): 96} if percent == "0.5" else 19200
        test = {(0,): 500, (1,): 500}
        assert own == {"train": train, "validation": 1000, "test": test}


# classes  train  validation  test  largest  smallest  many, medium, few
LONG_TAILS = {
    "imagenet_lt": (1000, 115846, 20, 50, Profile(1280, 5, (385, 479, 136), True, False)),
    "places_lt": (365, 62500, 7300, 36500, Profile(4980, 5, (131, 163, 71))),
    "inat2018": (8142, 437513, 3, None, Profile(1000, 2, (842, 4076, 3224), False, False)),
}


@pytest.mark.parametrize("name", LONG_TAILS)
def test_long_tails(name):
    n_classes, *numbers, profile = LONG_TAILS[name]
    kind = LISTS[name]
    expected = {}
    for split, n in zip(SPLITS, numbers, strict=True):
        if n is not None:  # of each class where there are few
            expected[split] = n if n > 1000 else {(c,): n for c in range(n_classes)}
    assert kind.n_classes == n_classes
    assert kind.counts.of == expected
    assert kind.counts.verified
    assert kind.profile == profile


def test_cifar():
    for name, n_classes, train, test in (("cifar10", 10, 5000, 1000), ("cifar100", 100, 500, 100)):
        counts = counts_of_cifar(SETS[name])
        assert counts.of == {
            "train": {(c,): train for c in range(n_classes)},
            "test": {(c,): test for c in range(n_classes)},
        }
        assert counts.verified
    assert _cifar_c.ROWS == 10000


def test_every_set_with_counts_is_typed_here():
    typed = {*BY_GROUP, "civilcomments", "metashift"}
    assert {name for name, kind in LAYOUTS.items() if kind.counts is not None} <= typed
    assert set(LISTS) == set(LONG_TAILS)
    assert set(_layouts_spawrious.BENCHMARKS) == set(SPAWRIOUS)


CELLS = {(0, 0): 3, (0, 1): 2, (1, 0): 1, (1, 1): 4}


def copy_of(cells, split="train"):
    listed = [(split, y, a) for (y, a), n in cells.items() for _ in range(n)]
    return pd.DataFrame(listed, columns=["split", "y", "a"])


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("change", [-1, 1, "none"])
def test_each_cell_is_compared_and_an_empty_one_is_a_difference(cell, change):
    counts = Counts({"train": CELLS, "test": {(0, 0): 1}}, "a paper")
    test = copy_of({(0, 0): 1}, "test")
    check_counts(pd.concat([copy_of(CELLS), test]), ("y", "a"), counts, "here", strict=True)
    n = 0 if change == "none" else CELLS[cell] + change
    other = pd.concat([copy_of({**CELLS, cell: n}), test])
    y, a = cell
    message = rf"here: train has {n} rows of \(y={y}, a={a}\), the published set {CELLS[cell]};"
    with pytest.raises(ValueError, match=message):
        check_counts(other, ("y", "a"), counts, "here", strict=True)
    with pytest.warns(DebiasWarning, match=message):
        check_counts(other, ("y", "a"), counts, "here", strict=False)


@pytest.mark.parametrize(("expected", "found"), [(5, 0), ({(0, 0): 5}, 0), ({(1, 1): 5}, 0)])
def test_a_split_without_rows_is_a_difference(expected, found):
    counts = Counts({"validation": expected}, "a paper")
    with pytest.raises(ValueError, match=f"validation has {found} rows.*the published set 5"):
        check_counts(copy_of(CELLS), ("y", "a"), counts, "here", strict=True)


def test_a_copy_of_waterbirds_without_a_group(tmp_path):
    listed = []
    for (y, a), numbers in rows(BY_GROUP["waterbirds"]):
        cell = (["landbird", "waterbird"].index(y), ["land", "water"].index(a))
        for split, n in zip(SPLITS, numbers, strict=True):
            if (split, cell) != ("train", (1, 0)):
                listed += [(split, *cell)] * n
    table = pd.DataFrame(listed, columns=["split", "y", "a"])
    table["filename"] = np.char.add(np.arange(len(table)).astype(str), ".jpg")
    table.to_csv(tmp_path / "metadata_waterbirds.csv", index=False)
    with pytest.raises(ValueError, match=r"train has 0 rows of \(y=1, a=0\), the published set 56"):
        read_metadata_csv(tmp_path, "waterbirds", check_files=False)
