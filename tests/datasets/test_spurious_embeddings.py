import numpy as np
import pytest
from scipy.stats import norm

from sklearn_debias.datasets import make_spurious_embeddings

SETS = ("train", "validation", "test")


def test_layout_of_one_attribute():
    bunch = make_spurious_embeddings(60, n_validation=30, n_test=40, n_classes=3, random_state=0)
    for name, n in zip(SETS, (60, 30, 40), strict=True):
        part = bunch[name]
        assert part.data.shape == (n, 12)
        assert part.data.dtype == np.float32
        assert part.target.shape == part.bias_labels.shape == (n,)
        assert part.target.dtype == part.bias_labels.dtype == np.int64
        assert np.ptp(np.bincount(part.target)) <= 1
    assert bunch.class_centres.shape == (3, 12)
    assert "12 features, 3 classes and 1 shortcut(s) with 3" in " ".join(bunch.DESCR.split())


def test_several_shortcuts_each_keep_their_own_ratio_and_number_of_values():
    sizes, ratios = (2, 3, 5), np.array([0.1, 0.3, 0.05])
    bunch = make_spurious_embeddings(
        400, n_classes=4, n_attributes=3, n_values=sizes, conflict_ratio=ratios, random_state=0
    )
    train = bunch.train
    assert train.bias_labels.shape == (400, 3)
    for column, size, ratio in zip(train.bias_labels.T, sizes, ratios, strict=True):
        assert set(column) == set(range(size))
        for label in range(4):
            members = column[train.target == label]
            assert (members != label % size).sum() == round(ratio * 100)
    assert [centres.shape for centres in bunch.bias_centres] == [(2, 28), (3, 28), (5, 28)]


@pytest.mark.parametrize("name", ["validation", "test"])
def test_shortcuts_are_independent_of_the_class_and_of_each_other_elsewhere(name):
    part = make_spurious_embeddings(n_classes=3, n_attributes=2, n_values=(2, 3), random_state=0)[
        name
    ]
    table = np.zeros((3, 2, 3), dtype=int)
    np.add.at(table, (part.target, *part.bias_labels.T), 1)
    assert np.ptp(table.reshape(3, -1), axis=1).max() <= 1


def test_half_the_distance_between_centres_is_the_strength():
    bunch = make_spurious_embeddings(
        n_classes=3, n_attributes=2, core_strength=0.7, spurious_strength=[2, 5], random_state=0
    )
    concepts = [bunch.class_centres, *bunch.bias_centres]
    for centres, strength in zip(concepts, (0.7, 2, 5), strict=True):
        distances = np.linalg.norm(centres[:, None] - centres, axis=2)
        np.testing.assert_allclose(distances, 2 * strength * (1 - np.eye(3)), atol=1e-12)
    cosines = concepts[0] @ concepts[1].T, concepts[0] @ concepts[2].T, concepts[1] @ concepts[2].T
    np.testing.assert_allclose(cosines, 0, atol=1e-12)


def test_without_noise_a_sample_is_the_sum_of_its_centres():
    bunch = make_spurious_embeddings(50, n_attributes=2, noise=0, random_state=0)
    for part in map(bunch.get, SETS):
        expected = bunch.class_centres[part.target]
        expected = expected + sum(
            c[v] for c, v in zip(bunch.bias_centres, part.bias_labels.T, strict=True)
        )
        np.testing.assert_allclose(part.data, expected, atol=1e-6)


def test_the_class_alone_gives_the_accuracy_the_docstring_states():
    bunch = make_spurious_embeddings(n_test=40_000, core_strength=1.2, noise=1.5, random_state=0)
    predicted = bunch.test.data @ (bunch.class_centres[1] - bunch.class_centres[0]) > 0
    assert abs((predicted == bunch.test.target).mean() - norm.cdf(1.2 / 1.5)) < 0.01


def test_a_seed_determines_every_byte():
    one, again, other = (make_spurious_embeddings(50, random_state=seed) for seed in (3, 3, 4))
    for name in SETS:
        assert one[name].data.tobytes() == again[name].data.tobytes()
        assert one[name].bias_labels.tobytes() == again[name].bias_labels.tobytes()
        assert one[name].data.tobytes() != other[name].data.tobytes()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"n_samples": 1}, "`n_samples` must be an int >= 2, got 1. One or more per class"),
        ({"n_validation": 0}, "`n_validation`"),
        ({"n_test": 10.0}, "`n_test`"),
        ({"n_classes": 1}, "`n_classes` must be an int >= 2"),
        ({"n_attributes": 0}, "`n_attributes` must be an int >= 1"),
        ({"n_values": 0}, "`n_values` must be an int >= 2"),
        (
            {"n_values": [2, 2]},
            r"`n_values` must be one number, or a sequence of 1 .*got 2 entries",
        ),
        (
            {"n_attributes": 2, "conflict_ratio": [0.1]},
            "`conflict_ratio` must be one number, or a sequence of 2",
        ),
        ({"conflict_ratio": "0"}, "`conflict_ratio`"),
        ({"n_attributes": 2, "n_values": [[2], [2, 3]]}, "`n_values` must be an int >= 2"),
        ({"spurious_strength": {1, 2}}, "`spurious_strength` must be a finite number"),
        (
            {"n_classes": 4, "n_values": 3, "conflict_ratio": 0.7},
            r"`conflict_ratio` .* in \[0, 0.666667\], got 0.7",
        ),
        ({"core_strength": -1}, "`core_strength`"),
        ({"spurious_strength": float("inf")}, "`spurious_strength`"),
        ({"noise": 1e300}, "`noise`"),
        ({"n_features": 3}, "`n_features` must be an int >= 4, got 3. One per class and per value"),
        ({"random_state": "seed"}, "`random_state`"),
    ],
)
def test_bad_input(settings, message):
    with pytest.raises(ValueError, match=message):
        make_spurious_embeddings(**settings)
