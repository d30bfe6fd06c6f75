"""What a caller has set for torch as a whole, defaults and autocast, changes no result of ours."""

import copy
from contextlib import contextmanager
from functools import cache

import numpy as np
import pytest
import torch
from faulty import FRONT, HEADS, IMAGES, METHODS, NOTHING_LEARNED, X, b, erm, make, y
from torch import nn
from torch.utils.data import TensorDataset

from sklearn_debias import BiasAdvClassifier
from sklearn_debias.attacks import PGD, CarliniWagner, RandomSearch, Threat, row_keys
from sklearn_debias.attribution import attribute
from sklearn_debias.corruptions import Corruption, corrupt, corruption_names
from sklearn_debias.datasets import load_biased_digits, make_spurious_embeddings
from sklearn_debias.feature_extraction import Embedder
from sklearn_debias.model_selection import BatchedGridSearchCV
from sklearn_debias.models import simple_cnn
from sklearn_debias.robustness import (
    adversarial_examples,
    corruption_report,
    robust_accuracy_score,
    robust_report,
    transfer_accuracy_score,
)

pytestmark = [
    NOTHING_LEARNED,
    pytest.mark.filterwarnings("ignore:.*maps are constant", "ignore:.*moves .* samples by less"),
    # These rows are too plain for any minority.
    pytest.mark.filterwarnings("ignore:`method`=.* does not tell", "ignore:No training row has"),
]


@contextmanager
def default_dtype():
    torch.set_default_dtype(torch.float64)
    try:
        yield
        assert torch.get_default_dtype() == torch.float64
    finally:
        torch.set_default_dtype(torch.float32)


@contextmanager
def default_device():
    torch.set_default_device("meta")  # as "cuda", where there is one: not where our numbers are
    try:
        yield
        assert torch.get_default_device().type == "meta"
    finally:
        torch.set_default_device(None)


@contextmanager
def autocast():
    with torch.autocast("cpu", torch.bfloat16):
        yield
        assert torch.is_autocast_enabled("cpu")


SLOW = pytest.mark.slow
REST = [name for name in METHODS + HEADS if name not in FRONT]
MODES = {
    "default dtype": default_dtype,
    "default device": default_device,
    "a device for a block": lambda: torch.device("meta"),
    "autocast": autocast,
}


def fits(name, given, **params):
    clf = make(name, **params).fit(given, y, bias_labels=b)
    return clf.predict_proba(given)


@cache
def expected_fit(name, images):
    module = {"module": "simple_cnn" if images else "mlp"} if name in METHODS else {}
    return fits(name, IMAGES if images else X, **module)


@pytest.mark.parametrize("row", MODES)
@pytest.mark.parametrize("name", [*FRONT, *(pytest.param(name, marks=SLOW) for name in REST)])
def test_a_fit_is_the_same(name, row):
    expected = expected_fit(name, False)
    with MODES[row]():
        found = expected_fit.__wrapped__(name, False)
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("row", MODES)
@pytest.mark.parametrize("name", ["BiasAdvClassifier", pytest.param("DHATClassifier", marks=SLOW)])
def test_a_fit_on_images_is_the_same(name, row):
    expected = expected_fit(name, True)
    with MODES[row]():
        found = expected_fit.__wrapped__(name, True)
    np.testing.assert_array_equal(found, expected)


torch.manual_seed(0)
NET = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten())
NET = nn.Sequential(*NET, nn.Linear(144, 2)).eval()
TENSORS = torch.from_numpy(IMAGES[:6]), torch.from_numpy(y[:6])
ATTACKED = {"attack": "pgd-2", "epsilon": 0.1}
FEW = IMAGES[:6], y[:6]


@cache
def classifier():
    return erm(module=NET, lr=0.01, max_epochs=3).fit(IMAGES, y)


def attack_directly(attack, norm="linf"):
    generator = torch.Generator().manual_seed(0)
    return attack.attack(NET, *TENSORS, Threat(0.1, norm, (0, 1)), generator=generator)


def paths(folder):
    from PIL import Image

    made = [folder / f"{i}.png" for i in range(6)]
    for path, image in zip(made, IMAGES, strict=False):
        Image.fromarray((image * 255).astype(np.uint8).transpose(1, 2, 0)).save(path)
    return made


CALLS = (
    {
        "amp": lambda _: fits("ERMClassifier", X, module="mlp", amp=True),
        "a loader": lambda _: fits(
            "ERMClassifier", X, net_params={"iterator_train__num_workers": 0}
        ),
        "a frozen body": lambda _: fits("ERMClassifier", IMAGES, module=simple_cnn, freeze="body"),
        "crops": lambda _: fits("ERMClassifier", IMAGES, module="simple_cnn", augment="crop-flip"),
        "float64": lambda _: fits("ERMClassifier", X, module="mlp", dtype="float64"),
        "validation": lambda _: fits("ERMClassifier", X, validation=0.25, monitor="accuracy"),
        "a dataset": lambda _: classifier().predict_proba(TensorDataset(torch.from_numpy(IMAGES))),
        "paths": lambda folder: classifier().predict_proba(paths(folder)),
        "a search": lambda _: (
            BatchedGridSearchCV(make("LfFClassifier"), {"lr": [0.1, 0.2]}, cv=2)
            .fit(X, y)
            .cv_results_["mean_test_score"]
        ),
        "adversarial samples": lambda _: (
            make("BiasAdvClassifier", module="mlp", random_start=True)
            .fit(X, y)
            .adversarial_examples(X, y)
        ),
        "a perturbation network": lambda _: [
            p.numpy()
            for p in make("MetaIADAClassifier").fit(X, y).perturbation_module_.state_dict().values()
        ],
        "a preset": lambda _: [BiasAdvClassifier.from_preset("bar", base="lff").epsilon],
        "grad_cam": lambda _: attribute(classifier(), *FEW),
        "integrated gradients": lambda _: attribute(
            classifier(), *FEW, method="integrated_gradients"
        ),
        "maps of a module": lambda _: attribute(NET, *FEW, method="input_gradient"),
        "robust accuracy": lambda _: robust_accuracy_score(classifier(), *FEW, **ATTACKED),
        "robust accuracy of a module": lambda _: robust_accuracy_score(NET, *FEW, **ATTACKED),
        "adversarial examples": lambda _: adversarial_examples(classifier(), *FEW, **ATTACKED),
        "random search": lambda _: adversarial_examples(
            classifier(), *FEW, attack="random-search", epsilon=0.1
        ),
        "transfer": lambda _: transfer_accuracy_score(classifier(), NET, *FEW, **ATTACKED),
        "robust report": lambda _: (
            robust_report(classifier(), *FEW, attacks=["fgsm"], epsilon=0.1).to_frame().to_numpy()
        ),
        "corruption report": lambda _: corruption_report(
            classifier(), *FEW, corruptions=["snow"], severities=[2]
        ).table["average"],
        "PGD": lambda _: attack_directly(PGD(2)).numpy(),
        "Carlini and Wagner": lambda _: attack_directly(CarliniWagner(2), "l2").numpy(),
        "RandomSearch": lambda _: attack_directly(RandomSearch(5)).numpy(),
        "row keys": lambda _: row_keys(TENSORS[0], 3).numpy(),
        "Corruption": lambda _: Corruption("snow", 3).fit(IMAGES).transform(IMAGES[:3]),
        "Embedder": lambda _: Embedder(NET, cache_dir=None).fit(IMAGES).transform(IMAGES),
        "Embedder by name": lambda _: (
            Embedder("simple_cnn", cache_dir=None).fit(FEW[0]).transform(FEW[0])
        ),
        "digits": lambda _: load_biased_digits(random_state=0).train.data[:20],
        "embeddings": lambda _: make_spurious_embeddings(40, random_state=0).train.data,
    }
    | {
        f"corrupt {name}": lambda _, name=name: corrupt(IMAGES[:3], name, 2, random_state=0)
        for name in corruption_names("classic")
    }
    | {
        f"corrupt {name}": lambda _, name=name: corrupt(IMAGES[:3], name, random_state=0)
        for name in corruption_names("biasadv")
    }
)


# Pure functions of the caller's network: under autocast it runs as the caller asks.
DIRECT = ("PGD", "Carlini and Wagner", "RandomSearch")


@pytest.mark.parametrize("call", CALLS)
def test_a_call_is_the_same(call, tmp_path):
    before = copy.deepcopy(NET.state_dict())
    expected = CALLS[call](tmp_path)
    for row, mode in MODES.items():
        if row == "autocast" and call in DIRECT:
            continue
        with mode():
            found = CALLS[call](tmp_path)
        pairs = (
            zip(found, expected, strict=True) if isinstance(found, list) else [(found, expected)]
        )
        for one, other in pairs:
            np.testing.assert_array_equal(one, other, err_msg=row)
    assert all(torch.equal(value, before[name]) for name, value in NET.state_dict().items())
