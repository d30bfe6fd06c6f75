"""Few images are predicted in short batches, which give the bits of long ones."""

import copy
import gc
import weakref
from types import MethodType

import numpy as np
import pytest
import torch
from torch import nn

from sklearn_debias import ERMClassifier
from sklearn_debias.core import SplitModule
from sklearn_debias.fitting import _short
from sklearn_debias.fitting._short import ShortBatches

pytestmark = pytest.mark.filterwarnings("ignore::sklearn_debias.exceptions.DebiasWarning")
LONG = 32
X = np.random.default_rng(0).random((40, 3, 16, 16), dtype=np.float32)
y = np.arange(40) % 3


class Rows(nn.Module):
    """Note the rows of each batch, and give a batch of less than ``honest`` other outputs."""

    def __init__(self, honest=0):
        super().__init__()
        self.honest = honest
        self.seen = []

    def forward(self, x):
        self.seen.append(len(x))
        x = x.flatten(1)
        return x + (len(x) < self.honest)


def sizes(network, n, times=3):
    batches = ShortBatches(network, network, LONG)
    x = torch.from_numpy(X[:n])
    return [batches.size(x) for _ in range(times)]


@pytest.mark.parametrize(
    ("honest", "n", "size"),
    [(0, 1, 1), (0, 3, 4), (3, 1, 4), (3, 9, 16), (17, 1, LONG), (0, 31, LONG)],
)
def test_the_smallest_size_that_gives_the_same_bits_is_taken(honest, n, size):
    assert sizes(Rows(honest), n) == [LONG, size, size]


def test_it_is_tried_once_and_not_for_who_asks_once():
    network = Rows()
    batches = ShortBatches(network, network, LONG)
    assert batches.size(torch.from_numpy(X[:2])) == LONG
    assert not network.seen
    assert batches.size(torch.from_numpy(X[:2])) == 2
    tried = len(network.seen)
    assert tried > 1
    assert batches.size(torch.from_numpy(X[5:7])) == 2
    assert len(network.seen) == tried


def test_other_surroundings_are_tried_again():
    network = Rows()
    batches = ShortBatches(network, network, LONG)
    before = torch.get_num_threads()
    lengths = []
    try:
        for n_threads in (1, 1, 2):
            torch.set_num_threads(n_threads)
            batches.size(torch.from_numpy(X[:2]))
            lengths.append(len(network.seen))
    finally:
        torch.set_num_threads(before)
    batches.size(torch.from_numpy(X[:2, :, :8]))
    lengths.append(len(network.seen))
    assert lengths[0] == 0
    assert lengths[1] < lengths[2] < lengths[3]


def test_rows_that_all_come_to_the_same_prove_nothing():
    network = nn.Sequential(nn.Flatten(), nn.Linear(768, 3))
    assert sizes(network, 1)[-1] < LONG
    nn.init.zeros_(network[1].weight)
    assert sizes(network, 1) == [LONG, LONG, LONG]
    with torch.no_grad():
        network[1].weight.copy_(torch.eye(3, 768))
    assert sizes(network, 1)[-1] < LONG


def written(network):
    with torch.no_grad():
        network[1].weight += 1


def replaced(network):
    network[1] = nn.Linear(768, 3)


def turned(network):
    network[0].start_dim = -3


@pytest.mark.parametrize("change", [written, replaced, turned])
def test_a_changed_network_is_tried_anew(change):
    network = nn.Sequential(nn.Flatten(), nn.Linear(768, 3))
    assert sizes(network, 1)[-1] < LONG
    change(network)
    assert sizes(network, 1, times=1) == [LONG]


def test_where_hooks_watch_batches_are_long():
    network = Rows()
    network.register_forward_hook(lambda module, given, out: out + 1)
    assert sizes(network, 1) == [LONG, LONG, LONG]


def test_a_forward_put_on_a_part_counts_as_a_hook():
    network = Rows()
    network.forward = MethodType(lambda self, x: type(self).forward(self, x) + 1, network)
    assert sizes(network, 1) == [LONG, LONG, LONG]


def test_what_draws_numbers_goes_in_long_batches():
    class Noisy(nn.Module):
        def forward(self, x):
            return x + torch.rand(x.shape, generator=generator)

    generator = torch.Generator().manual_seed(0)
    assert sizes(Noisy(), 1) == [LONG, LONG, LONG]


def test_the_head_of_a_short_batch_runs_in_a_long_one():
    network = SplitModule(Rows(), Rows())
    batches = ShortBatches(network, network, LONG)
    x = torch.from_numpy(X[:2])
    torch.testing.assert_close(batches(x), x.flatten(1), rtol=0, atol=0)
    assert (network.body.seen, network.head.seen) == ([2], [LONG])


def test_what_is_known_goes_with_the_network():
    network = Rows()
    sizes(network, 1)
    known = weakref.ref(_short._known[network])
    assert known() is not None
    del network
    gc.collect()
    assert known() is None


def small_net():
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, stride=2), nn.BatchNorm2d(8), nn.ReLU(), nn.Flatten(), nn.Linear(392, 3)
    )


@pytest.mark.parametrize(
    ("module", "dtype"),
    [("simple_cnn", "float32"), (small_net(), "uint8"), ("mobilenet_v3_small", "float32")],
)
def test_few_images_get_the_bits_that_many_give(module, dtype):
    images = (255 * X).astype(dtype) if dtype == "uint8" else X
    clf = ERMClassifier(module, max_epochs=1, batch_size=20, device="cpu", random_state=0)
    clf.fit(images, y)
    whole = clf.decision_function(images)  # the last of its batches has 8 rows
    # Asked again and again, so that short batches are tried, and then taken.
    for start, n in [(0, 1), (0, 1), (7, 1), (3, 2), (30, 3), (5, 9), (1, 39), (39, 1)]:
        part = slice(start, start + n)
        np.testing.assert_array_equal(clf.decision_function(images[part]), whole[part])
    assert np.array_equal(clf.decision_function(images), whole)


def test_resized_images_get_the_same_bits_too():
    clf = ERMClassifier(
        small_net(), image_size=16, max_epochs=1, batch_size=20, device="cpu", random_state=0
    )
    large = np.random.default_rng(1).integers(0, 256, (40, 3, 21, 19), dtype=np.uint8)
    clf.fit(large, y)
    whole = clf.decision_function(large)
    for i in (0, 0, 3, 39):
        np.testing.assert_array_equal(clf.decision_function(large[i : i + 1]), whole[i : i + 1])


def test_train_mode_and_a_second_fit_do_not_matter():
    clf = ERMClassifier(small_net(), max_epochs=1, batch_size=20, device="cpu", random_state=0)
    for labels in (y, y[::-1]):
        clf.fit(X, labels)
        whole = copy.deepcopy(clf).decision_function(X)
        for i in (0, 0, 7):
            np.testing.assert_array_equal(clf.decision_function(X[i : i + 1]), whole[i : i + 1])
        clf.module_.train()
        np.testing.assert_array_equal(clf.decision_function(X[:1]), whole[:1])
        assert clf.module_.training


def test_few_large_images_take_a_few_rows():
    """What is read is read once, and the network sees one row where one will do."""

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.head = nn.Linear(3, 2)

        def forward(self, x):
            if not self.training:
                seen.append(len(x))
            return self.head(x.mean((2, 3)))

    seen = []
    large = np.random.default_rng(0).random((9, 3, 130, 130), dtype=np.float32)
    clf = ERMClassifier(Net(), max_epochs=1, device="cpu", random_state=0).fit(large, y[:9] % 2)
    seen.clear()
    whole = clf.decision_function(large)
    assert seen[:2] == [8, 8]
    for _ in range(3):
        seen.clear()
        np.testing.assert_array_equal(clf.decision_function(large[:1]), whole[:1])
    assert seen == [1]
