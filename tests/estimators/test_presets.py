"""`BiasAdvClassifier.from_preset` against the paper's tables, typed here a second time."""

import pytest
from torch import nn, optim

from sklearn_debias import BiasAdvClassifier

# data        base  epochs T1   lam  eps  S  beta  up   batch  lr     wd    step
TABLE = """
cifar10c      erm   200    -    1    1    5  2     -    128    1e-3   1e-4  40
cifar10c      jtt   50     20   1    .5   5  1     50   128    1e-3   1e-4  10
cifar10c      lff   200    -    .5   .5   5  1     -    128    1e-3   1e-4  40
bffhq         erm   150    -    .5   .3   5  .5    -    64     1e-4   1e-4  30
bffhq         jtt   50     9    1    .5   5  1     20   64     1e-4   1e-4  10
bffhq         lff   150    -    .5   .3   5  .5    -    64     1e-4   1e-4  30
bar           erm   20     -    1    .1   9  1.5   -    64     1e-3   1e-4  10
bar           jtt   20     10   1    .1   3  .5    10   64     1e-3   1e-4  10
bar           lff   20     -    .5   .3   7  .5    -    64     1e-3   1e-4  10
metashift     erm   10     -    1    .5   3  .5    -    32     2e-5   1e-4  -
metashift     jtt   1      1    .5   .7   1  1.5   10   32     2e-5   0     -
metashift     lff   10     -    1    .5   3  .5    -    32     2e-5   1e-4  -
"""
ROWS = [line.split() for line in TABLE.strip().splitlines()]


def number(text):
    return None if text == "-" else float(text)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: "-".join(row[:2]))
def test_preset_equals_the_table(row):
    name, base = row[:2]
    epochs, first, lam, epsilon, n_steps, beta, up, batch, lr, decay, step = map(number, row[2:])
    clf = BiasAdvClassifier.from_preset(name, base)
    assert (clf.max_epochs, clf.batch_size, clf.lr, clf.weight_decay) == (epochs, batch, lr, decay)
    assert (clf.lam, clf.epsilon, clf.n_steps, clf.beta) == (lam, epsilon, n_steps, beta)
    assert (clf.optimizer, clf.augment, clf.module, clf.norm) == (
        "adam",
        "crop-flip",
        "resnet18",
        "l2",
    )
    if base == "jtt":
        assert (clf.base.identification_epochs, clf.base.upweight) == (first, up)
    else:
        assert clf.base == base
    if step is None:
        assert clf.lr_schedule is None
    else:
        schedule = clf.lr_schedule(optim.SGD(nn.Linear(1, 1).parameters(), lr=1.0))
        assert isinstance(schedule, optim.lr_scheduler.StepLR)
        assert (schedule.step_size, schedule.gamma) == (step, 0.5)
    pretrained = name in ("bar", "metashift")
    assert clf.net_params == ({"module__weights": "DEFAULT"} if pretrained else None)
    assert clf.normalize == ("imagenet" if pretrained else None)


def test_all_twelve_rows_are_there():
    assert len(ROWS) == len({tuple(row[:2]) for row in ROWS}) == 12


def test_overrides_win():
    clf = BiasAdvClassifier.from_preset("bar", "lff", epsilon=0.7, module="linear", random_state=3)
    assert (clf.epsilon, clf.module, clf.random_state, clf.n_steps) == (0.7, "linear", 3, 7)


@pytest.mark.parametrize(
    ("name", "base", "match"), [("cifar", "erm", "`name` must be"), ("bar", "dro", "`base` must")]
)
def test_unknown_preset_lists_what_exists(name, base, match):
    with pytest.raises(ValueError, match=match):
        BiasAdvClassifier.from_preset(name, base)


def test_a_preset_trains_on_images():
    import numpy as np

    X = np.random.default_rng(0).random((16, 3, 32, 32), dtype=np.float32)
    clf = BiasAdvClassifier.from_preset("cifar10c", "erm", max_epochs=1, n_steps=1, random_state=0)
    clf.fit(X, np.arange(16) % 2)
    assert clf.module_.body.conv1.kernel_size == (7, 7)
