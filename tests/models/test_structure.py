"""Networks are built without their weights, and are otherwise as with them."""

import pickle

import numpy as np
import pytest
import torch
import torchvision
from torchvision.models import WeightsEnum, get_model_weights, mobilenet_v3_small

from sklearn_debias import ERMClassifier
from sklearn_debias.models import build_module, structure_only
from sklearn_debias.models._structure import without_weights

IMAGES = np.random.default_rng(0).random((4, 3, 32, 32), dtype=np.float32)


@pytest.fixture
def drawn(monkeypatch):
    """Weights of torchvision are drawn instead of downloaded; how often is counted."""
    calls = []

    def state(self, *args, **kwargs):
        calls.append(self)
        return {}

    monkeypatch.setattr(WeightsEnum, "get_state_dict", state)
    monkeypatch.setattr(torch.nn.Module, "load_state_dict", lambda self, state, strict=True: None)
    return calls


@pytest.mark.parametrize(
    ("name", "weights"),
    [
        ("resnet18", "DEFAULT"),
        ("resnet18", "ResNet18_Weights.IMAGENET1K_V1"),
        ("googlenet", "DEFAULT"),
        ("mobilenet_v3_small", "IMAGENET1K_V1"),
    ],
)
def test_the_structure_is_that_with_weights(drawn, name, weights):
    options = {"weights": weights}
    given = weights.rpartition(".")[2]
    with_them = build_module(name, (3, 64, 64), 2, options={"weights": given})
    assert drawn
    drawn.clear()
    with structure_only():
        without = build_module(name, (3, 64, 64), 2, options=options)
    assert not drawn
    assert str(without) == str(with_them)
    kinds = (bool, int, float, str, tuple)
    for one, other in zip(without.modules(), with_them.modules(), strict=True):
        plain = {k: v for k, v in vars(one).items() if isinstance(v, kinds)}
        assert plain == {k: v for k, v in vars(other).items() if isinstance(v, kinds)}


@pytest.mark.parametrize("options", [{}, {"transform_input": False, "aux_logits": False}])
def test_a_file_is_built_as_its_name(options, tmp_path, monkeypatch):
    name = "googlenet"
    donor = torchvision.models.get_model(name, init_weights=False)
    state = donor.state_dict()
    monkeypatch.setattr(WeightsEnum, "get_state_dict", lambda self, *args, **kwargs: state)
    path = tmp_path / "weights.pt"
    torch.save(state, path)
    built = []
    for weights in ("DEFAULT", path):
        torch.manual_seed(0)
        built.append(build_module(name, (3, 75, 75), 2, options={"weights": weights, **options}))
    path.unlink()  # a model that is loaded does without
    with structure_only():
        built.append(build_module(name, (3, 75, 75), 2, options={"weights": path, **options}))
    named, by_file, bare = built
    assert named.body.transform_input is options.get("transform_input", True)
    for other in (by_file, bare):
        assert other.body.transform_input is named.body.transform_input
        assert str(other) == str(named)
    for one, two in zip(named.parameters(), by_file.parameters(), strict=True):
        assert torch.equal(one, two)


@pytest.mark.parametrize(
    ("name", "weights", "expected"),
    [
        ("vit_b_16", "IMAGENET1K_SWAG_E2E_V1", {"image_size": 384, "num_classes": 1000}),
        ("maxvit_t", "DEFAULT", {"input_size": (224, 224), "num_classes": 1000}),
        ("inception_v3", "DEFAULT", {"transform_input": True, "num_classes": 1000}),
        ("resnet18", "file.pt", {}),
        ("inception_v3", "file.pt", {"transform_input": True}),
        ("resnet18", None, {}),
    ],
)
def test_what_builders_set_for_weights_is_set_without(name, weights, expected):
    found = without_weights(name, {"weights": weights})
    found.pop("init_weights", None)
    assert found == expected
    if weights and weights in get_model_weights(name).__members__:
        found = without_weights(name, {"weights": get_model_weights(name)[weights]})
        assert found.items() >= expected.items()


@pytest.mark.filterwarnings("ignore:The fitted model predicts")
def test_a_file_of_weights_is_not_needed_to_load_a_model(tmp_path):
    path = tmp_path / "weights.pt"
    torch.save(mobilenet_v3_small().state_dict(), path)
    clf = ERMClassifier(
        "mobilenet_v3_small",
        net_params={"module__weights": str(path)},
        freeze="body",
        max_epochs=1,
        random_state=0,
    ).fit(IMAGES, [0, 1, 0, 1])
    expected = clf.predict_proba(IMAGES)
    content = pickle.dumps(clf)
    path.unlink()
    np.testing.assert_array_equal(pickle.loads(content).predict_proba(IMAGES), expected)
