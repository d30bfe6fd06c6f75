"""Files of models: whole or not there, nothing of the file is run, damage is noticed."""

import json
import os
import pickle
import stat
import sys
import zipfile

import numpy as np
import pytest
import skops.io
from mutations import MUTATIONS, outcome
from saved_networks import Perceptron, X, Y
from sklearn.cluster import Birch
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import sklearn_debias
from sklearn_debias import BiasAdvClassifier, DFRClassifier, ERMClassifier, LfFClassifier
from sklearn_debias.deployment import load_model, save_model
from sklearn_debias.exceptions import SavedModelError
from sklearn_debias.fitting._blob import _checksum, _digest
from sklearn_debias.model_selection import BatchedGridSearchCV
from sklearn_debias.testing import quick
from sklearn_debias.testing._estimator_data import fitted

pytestmark = pytest.mark.filterwarnings("ignore::sklearn_debias.exceptions.DebiasWarning")
NAME = "saved_networks.Perceptron"


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.skops"


@pytest.mark.parametrize("slim", [False, True])
def test_a_file_has_the_model(path, slim):
    model = make_pipeline(StandardScaler(), quick(LfFClassifier, random_state=0)).fit(X, Y)
    save_model(model, path, slim=slim)
    again = load_model(path)
    np.testing.assert_array_equal(again.predict_proba(X), model.predict_proba(X))
    assert hasattr(again[-1], "sample_difficulty_") == (not slim)
    assert os.listdir(path.parent) == [path.name]
    assert stat.S_IMODE(path.stat().st_mode) == 0o666 & ~_umask()
    # skops itself reads it, too.
    trusted = ["sklearn_debias.estimators._lff.LfFClassifier"]
    np.testing.assert_array_equal(
        skops.io.load(path, trusted=trusted).predict_proba(X), model.predict_proba(X)
    )


def _umask():
    mask = os.umask(0)
    os.umask(mask)
    return mask


def test_searches_and_models_of_scikit_learn(path):
    for model in (
        BatchedGridSearchCV(quick(ERMClassifier, random_state=0), {"lr": [0.1, 1.0]}, cv=2),
        GridSearchCV(quick(ERMClassifier, random_state=0), {"lr": [0.1, 1.0]}, cv=2),
        LogisticRegression(),
    ):
        model.fit(X, Y)
        save_model(model, path)
        np.testing.assert_array_equal(load_model(path).predict(X), model.predict(X))


def test_an_error_leaves_what_was_there(path, monkeypatch):
    model = fitted(quick(ERMClassifier))
    save_model(model, path)
    before = path.read_bytes()
    with pytest.raises(ValueError, match="`module` is an instance"):
        save_model(fitted(quick(ERMClassifier, module=Perceptron(4, 3))), path)
    with pytest.raises(ValueError, match="cannot save"):
        save_model(Birch(), path)

    def full(number):
        raise OSError("No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        save_model(model, path)
    assert path.read_bytes() == before
    assert os.listdir(path.parent) == [path.name]


def test_what_could_not_be_loaded_is_not_saved(path, monkeypatch):
    model = fitted(quick(ERMClassifier, module=Perceptron))
    made = Perceptron.__init__

    def wider(self, n_features, n_classes):
        made(self, n_features, n_classes, width=9)

    monkeypatch.setattr(Perceptron, "__init__", wider)
    with pytest.raises(SavedModelError, match="built otherwise now"):
        save_model(model, path)
    assert os.listdir(path.parent) == []


def test_code_that_is_not_ours_must_be_trusted_by_name(path):
    model = fitted(quick(ERMClassifier, module=Perceptron))
    save_model(model, path)
    with pytest.raises(ValueError, match=rf"asks for code .* pass trusted=\['{NAME}'\]"):
        load_model(path)
    for trusted in ([NAME], NAME, Perceptron, (Perceptron,)):
        np.testing.assert_array_equal(
            load_model(path, trusted=trusted).predict_proba(X), model.predict_proba(X)
        )


def with_schema(path, words):
    """Rewrite the text of an archive, as someone would who means harm; the digest is dropped."""
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    text = parts["schema.json"].decode()
    for old, new in words.items():
        assert old in text
        text = text.replace(old, new)
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in parts.items():
            archive.writestr(name, text if name == "schema.json" else content)


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("os", "system"),
        ("builtins", "eval"),
        ("sklearn_debias.deployment._files", "os"),  # what our modules import is not ours
        ("sklearn_debias.deployment._files", "save_model"),  # writes where it is told to
        ("sklearn_debias.comparison._store", "Store"),
    ],
)
def test_only_estimators_and_networks_are_made_by_themselves(path, module, name):
    save_model(fitted(quick(ERMClassifier, module=Perceptron)), path)
    with_schema(
        path,
        {'"Perceptron"': f'"{name}"', '"saved_networks"': f'"{module}"'},
    )
    with pytest.raises(ValueError, match="asks for code that is not of this package"):
        load_model(path)


def test_another_class_in_the_place_of_a_network_is_noticed(path):
    save_model(fitted(quick(ERMClassifier, module=Perceptron)), path)
    with_schema(path, {'"Perceptron"': '"Tied"'})
    with pytest.raises(SavedModelError, match="was saved_networks.Perceptron, and is"):
        load_model(path, trusted=["saved_networks.Tied"])


class Exploding:
    def __reduce__(self):
        return os.abort, ()


def test_no_pickle_is_executed(path):
    path.write_bytes(pickle.dumps(Exploding()))
    with pytest.raises(SavedModelError, match="no model file of this package or of skops"):
        load_model(path)
    # Nor one inside of an archive.
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("schema.json", pickle.dumps(Exploding()))
    with pytest.raises(SavedModelError, match="no model file"):
        load_model(path)
    with pytest.raises(FileNotFoundError):
        load_model(path.with_name("other"))


def test_an_archive_bomb_is_not_unpacked(path):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        archive.writestr("schema.json", b" " * 20_000_000)
    assert path.stat().st_size < 30_000
    with pytest.raises(SavedModelError, match="would take 20000000 in memory"):
        load_model(path)
    # What skops has compressed is read.
    model = fitted(quick(ERMClassifier))
    skops.io.dump(model, path, compression=zipfile.ZIP_DEFLATED, compresslevel=9)
    np.testing.assert_array_equal(load_model(path).predict_proba(X), model.predict_proba(X))


def test_a_missing_skops_is_named(path, monkeypatch):
    monkeypatch.setitem(sys.modules, "skops.io", None)
    for call in (lambda: save_model(1, path), lambda: load_model(path)):
        with pytest.raises(ImportError, match=r"pip install sklearn-debias\[save\]"):
            call()


def state_of(model):
    return model.__getstate__()["saved_state"]


def test_other_versions():
    model = fitted(quick(DFRClassifier))
    state = state_of(model)
    assert (state["format"], state["version"]) == (1, sklearn_debias.__version__)
    blank = DFRClassifier.__new__(DFRClassifier)
    newer = {"saved_state": {**state, "format": 2, "version": "7.0"}}
    words = "saved by sklearn_debias 7.0 in format 2; this is .* reads formats up to 1. Install"
    with pytest.raises(SavedModelError, match=words):
        blank.__setstate__(newer)
    with pytest.raises(SavedModelError, match="before sklearn_debias put version stamps"):
        blank.__setstate__({**model.get_params(), "coef_": model.coef_})


def test_what_was_changed_since_is_noticed():
    model = fitted(quick(BiasAdvClassifier))
    blank = BiasAdvClassifier.__new__(BiasAdvClassifier)
    for part in ("text", "arrays", "version", "checksum"):
        state = state_of(model)
        if part == "arrays":
            name = next(iter(state["arrays"]))
            changed = {**state["arrays"], name: state["arrays"][name] + 1}
        else:
            changed = state[part].replace("1", "2")
        with pytest.raises(SavedModelError, match="damaged"):
            blank.__setstate__({"saved_state": {**state, part: changed}})
    state.pop("text")
    with pytest.raises(SavedModelError, match="incomplete"):
        blank.__setstate__({"saved_state": state})


@pytest.mark.parametrize(
    "named",
    [["torch.dtype", "load"], ["ours", "sklearn_debias.deployment", "save_model", []]],
    ids=str,
)
def test_a_forged_state_names_no_code(named):
    """Its checksum is right: a checksum says nothing of who wrote a file."""
    model = fitted(quick(ERMClassifier, random_state=0))
    state = state_of(model)
    text = json.loads(state["text"])
    params = dict(text["values"]["_fitted"][3])["params"]
    place = next(pair for pair in params[1] if pair[0] == "module")
    place[1] = named
    forged = {**state, "text": json.dumps(text)}
    forged["checksum"] = _checksum(forged, {n: _digest(a) for n, a in state["arrays"].items()})
    with pytest.raises(SavedModelError, match="cannot be read"):
        ERMClassifier.__new__(ERMClassifier).__setstate__({"saved_state": forged})


@pytest.mark.parametrize("kind", MUTATIONS)
def test_a_mutated_file_is_an_error_or_the_same_model(path, kind):
    model = make_pipeline(StandardScaler(), quick(ERMClassifier, random_state=0)).fit(X, Y)
    save_model(model, path, slim=True)
    content = path.read_bytes()
    expected = model.predict_proba(X)
    rng = np.random.default_rng(0)
    found = [
        outcome(path, MUTATIONS[kind](content, rng), lambda m: m.predict_proba(X), expected)
        for _ in range(40)
    ]
    assert set(found) <= {"error", "same"}
    assert found.count("error") > 20


def test_mutations_of_what_skops_alone_has_saved(path):
    """Without our digest the checksums of zip, and ours inside, do."""
    model = quick(ERMClassifier, random_state=0).fit(X, Y)
    content = skops.io.dumps(model)
    rng = np.random.default_rng(1)
    found = {
        outcome(
            path,
            MUTATIONS["bit"](content, rng),
            lambda m: m.predict_proba(X),
            model.predict_proba(X),
        )
        for _ in range(30)
    }
    assert found <= {"error", "same"}
