"""Models that were saved by this and by older versions load and predict as they did."""

import json

import numpy as np
import pytest
from keep_models import MODELS
from sklearn.base import clone

import sklearn_debias
from sklearn_debias.deployment import load_model, save_model

FILES = sorted(path.relative_to(MODELS).as_posix() for path in MODELS.glob("*/*.skops"))


def test_there_are_files_of_this_version():
    mine = [name for name in FILES if name.startswith(f"{sklearn_debias.__version__}/")]
    assert len(mine) == 6
    assert all((MODELS / name).stat().st_size < 60_000 for name in FILES)


# A StandardScaler that an older scikit-learn has saved says so.
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.InconsistentVersionWarning")
@pytest.mark.parametrize("name", FILES)
def test_a_file_loads_and_predicts_as_it_did(name, tmp_path):
    path = MODELS / name
    model = load_model(path, trusted=["saved_networks.Convolutions"])
    expected = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
    rows = np.array(expected["rows"], dtype=np.float32)
    # Other machines sum in another order.
    found = model.predict_proba(rows)
    np.testing.assert_allclose(found, expected["probability"], atol=1e-6)
    save_model(model, tmp_path / "again.skops")
    again = load_model(tmp_path / "again.skops", trusted=["saved_networks.Convolutions"])
    np.testing.assert_array_equal(again.predict_proba(rows), found)
    clone(model)
