"""No row, label or bias label of the training data is in a saved file."""

import pickle

import numpy as np
import pytest
import skops.io
from saved_networks import X, Y

from sklearn_debias.deployment import slimmed
from sklearn_debias.feature_extraction import Embedder
from sklearn_debias.group_inference import GroupInferrer
from sklearn_debias.testing import all_estimators, quick
from sklearn_debias.testing._estimator_data import fitted

pytestmark = pytest.mark.filterwarnings("ignore::sklearn_debias.exceptions.DebiasWarning")
CLASSES = dict(all_estimators())
CANARY = 0.7310586452484131  # in no other place; exact in float32
# One label and one bias value per row, in an order that comes by chance once in 3 ** 40 times.
ORDER = np.random.default_rng(7).permutation(np.arange(60) % 3)
BIAS = np.random.default_rng(8).permutation(np.arange(60) % 2)


def with_canary(rows):
    out = rows.astype(np.float32)
    out[5].flat[:3] = CANARY
    out[7] = 0.5 + np.linspace(0.001, 0.0049, out[7].size).reshape(out[7].shape)
    return out


def written(values):
    """A sequence as it may be found in a file: bytes of each width, and text."""
    found = {values.astype(kind).tobytes() for kind in ("i1", "i2", "i4", "i8", "f4", "f8")}
    listed = values.tolist()
    texts = (listed, list(map(str, listed)), list(map(float, listed)))
    return found | {str(text).replace("'", '"')[1:-1].encode() for text in texts}


def found_in(content, rows, *, labels=()):
    """What of the training data a file holds."""
    hits = []
    for kind in (np.float32, np.float64):  # two bytes would be met by chance
        hits += ["canary"] * (np.asarray(CANARY, np.float32).astype(kind).tobytes() in content)
        hits += ["row"] * (rows[7].astype(kind).tobytes() in content)
        hits += ["value"] * (rows[7].flat[1].astype(kind).tobytes() in content)
    hits += ["text"] * (repr(float(np.float32(CANARY)))[:9].encode() in content)
    hits += ["labels"] * any(text in content for values in labels for text in written(values))
    return hits


@pytest.mark.parametrize("name", CLASSES)
def test_no_estimator_keeps_a_row(name):
    rows = with_canary(X)
    y = np.array(["ant", "bee", "cat"])[ORDER]
    params = {"module": "mlp"} if "module" in CLASSES[name]._get_param_names() else {}
    model = fitted(quick(CLASSES[name], **params), rows, y, BIAS)
    for content in (pickle.dumps(model), skops.io.dumps(model)):
        assert found_in(content, rows, labels=(ORDER, BIAS)) == []


@pytest.mark.parametrize("name", ["ERMClassifier", "BiasAdvClassifier", "DHATClassifier"])
def test_no_estimator_keeps_an_image(name):
    rows = with_canary(np.random.default_rng(0).random((60, 3, 6, 6)) / 2)
    model = quick(CLASSES[name], module="simple_cnn", random_state=0, validation=0.2)
    model.fit(rows, ORDER, bias_labels=BIAS)
    # The largest value is the canary: a bound of it is kept.
    assert rows.max() == np.float32(CANARY)
    for content in (pickle.dumps(model), skops.io.dumps(model)):
        assert found_in(content, rows, labels=(ORDER, BIAS)) == []
    embedder = Embedder("simple_cnn", cache_dir=None).fit(rows)
    assert found_in(pickle.dumps(embedder), rows) == []


@pytest.mark.parametrize("method", ["errors", "eiil", "clusters", "xrm", "ssa"])
def test_an_inferrer_keeps_its_labels_and_a_slim_one_does_not(method):
    rows = with_canary(X)
    known = {"bias_labels": BIAS} if method == "ssa" else {}
    model = GroupInferrer(method, random_state=0).fit(rows, ORDER, **known)
    labels = (ORDER, BIAS, model.bias_labels_)
    content = pickle.dumps(model)
    assert found_in(content, rows, labels=(ORDER,)) == []
    assert found_in(content, rows, labels=labels) == ["labels"]
    for content in (pickle.dumps(slimmed(model)), skops.io.dumps(slimmed(model))):
        assert found_in(content, rows, labels=labels) == []


def test_the_search_for_canaries_finds_them():
    rows = with_canary(X)
    for value in (rows, rows.astype(np.float64), [float(value) for value in rows[5]]):
        assert found_in(pickle.dumps(value) + repr(value).encode(), rows)
    for value in (ORDER, ORDER.astype(np.int8), ORDER.astype(float), ORDER.astype(str).tolist()):
        content = pickle.dumps(value) + str(value).replace("'", '"').encode()
        assert found_in(content, rows, labels=(ORDER,)) == ["labels"]
    assert Y.shape == ORDER.shape
