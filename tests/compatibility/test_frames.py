"""Frames of polars, and columns of pandas that pyarrow holds: as frames of pandas are."""

import numpy as np
import pandas as pd
import pytest
from data import X, b, y
from PIL import Image

from sklearn_debias import ERMClassifier, GroupDROClassifier, MetaIADAClassifier
from sklearn_debias.feature_extraction import Embedder
from sklearn_debias.inspection import bias_report
from sklearn_debias.metrics import worst_group_accuracy_score
from sklearn_debias.model_selection import BiasStratifiedKFold, bias_train_test_split

NAMES = [f"column {j}" for j in range(X.shape[1])]
FRAME = pd.DataFrame(X, columns=NAMES)
TEXT = np.where(b, "water", "land")
CLASSES = np.where(y, "waterbird", "landbird")


def dro(**params):
    return GroupDROClassifier(**{"max_epochs": 3, "lr": 0.05, "random_state": 0, **params})


EXPECTED = dro().fit(FRAME, y, bias_labels=b).predict_proba(FRAME)


class Polars:
    """How polars holds what pandas and NumPy do."""

    def __init__(self):
        self.pl = pytest.importorskip("polars")

    def frame(self, frame):
        return self.pl.DataFrame({name: frame[name].to_numpy() for name in frame})

    def column(self, values):
        return self.pl.Series(values)


class Arrow:
    """How pandas holds it in pyarrow."""

    def __init__(self):
        pytest.importorskip("pyarrow")

    def frame(self, frame):
        return frame.convert_dtypes(dtype_backend="pyarrow")

    def column(self, values):
        return pd.Series(values).convert_dtypes(dtype_backend="pyarrow")


@pytest.fixture(params=[Polars, Arrow], ids=["polars", "pyarrow"])
def held(request):
    return request.param()


def test_fits_are_those_of_pandas(held):
    frame = held.frame(FRAME)
    clf = dro().fit(frame, held.column(y), bias_labels=held.column(b))
    np.testing.assert_array_equal(clf.predict_proba(frame), EXPECTED)
    np.testing.assert_array_equal(clf.predict_proba(FRAME), EXPECTED)
    assert clf.feature_names_in_.tolist() == NAMES
    named = dro().fit(frame, held.column(CLASSES), bias_labels=held.column(TEXT))
    assert named.classes_.tolist() == ["landbird", "waterbird"]
    with pytest.raises(ValueError, match="names should match"):
        clf.predict(held.frame(FRAME[NAMES[::-1]]))


def test_what_goes_beside_x_is_read_too(held):
    frame = held.frame(FRAME)
    labels = held.column(y)
    rows = (frame, labels, held.column(b))
    clf = dro(monitor="worst_group_accuracy")
    assert "validation_worst_group_accuracy" in (
        clf.fit(frame, labels, bias_labels=held.column(b), validation_data=rows).history_
    )
    weights = held.column(np.ones(len(y)))
    ERMClassifier(max_epochs=3, lr=0.05, random_state=0).fit(frame, labels, sample_weight=weights)
    few = held.frame(FRAME[:20] + 0.01)
    MetaIADAClassifier(max_epochs=3, lr=0.05, random_state=0).fit(
        frame, labels, X_meta=few, y_meta=held.column(y[:20])
    )
    embedder = Embedder("mlp", cache_dir=None).fit(frame)
    np.testing.assert_array_equal(embedder.transform(frame), embedder.transform(FRAME))


def test_several_bias_labels_are_columns_of_a_frame(held):
    two = held.frame(pd.DataFrame({"place": TEXT, "marker": b}))
    pairs = list(zip(TEXT.tolist(), b.tolist(), strict=True))
    clf = dro().fit(FRAME, y, bias_labels=two)
    assert clf.bias_classes_ == dro().fit(FRAME, y, bias_labels=pairs).bias_classes_
    assert worst_group_accuracy_score(held.column(y), y, bias_labels=two) == 1
    report = bias_report(held.column(y), two, n_permutations=19, random_state=0)
    assert sorted(report.columns["column"]) == ["marker", "place"]


def test_splitters_take_them(held):
    frame = held.frame(FRAME)
    parts = bias_train_test_split(frame, held.column(y), bias_labels=held.column(b), random_state=0)
    assert type(parts[0]) is type(frame)
    folds = BiasStratifiedKFold(2, shuffle=True, random_state=0)
    split = [*folds.split(frame, held.column(y), bias_labels=held.column(b))]
    assert len(split) == 2


def test_columns_of_paths_are_images(held, tmp_path):
    paths = [str(tmp_path / f"{i}.png") for i in range(8)]
    for i, path in enumerate(paths):
        level = np.full((8, 8, 3), 30 * i, dtype=np.uint8)
        Image.fromarray(level).save(path)
    clf = ERMClassifier("simple_cnn", max_epochs=20, random_state=0).fit(paths, np.arange(8) > 3)
    expected = clf.predict_proba(paths)
    for given in (held.column(paths), held.frame(pd.DataFrame({"path": paths}))):
        np.testing.assert_array_equal(clf.predict_proba(given), expected)


def test_what_is_missing_or_no_number_is_named(held):
    missing = FRAME.copy()
    missing.iloc[3, 0] = np.nan
    with pytest.raises(ValueError, match="Input X contains NaN"):
        dro().fit(held.frame(missing), y, bias_labels=b)
    with pytest.raises(ValueError, match="`X` must hold numbers, got text, such as '(water|land)'"):
        dro().fit(held.frame(FRAME.assign(place=TEXT)), y, bias_labels=b)
    with pytest.raises(ValueError, match="Input y contains NaN"):
        dro().fit(FRAME, held.column([None, *y[1:].tolist()]), bias_labels=b)


def test_lazy_frames_are_to_be_collected():
    pl = pytest.importorskip("polars")
    with pytest.raises(TypeError, match=r"got a LazyFrame. Call its collect\(\)"):
        dro().fit(pl.DataFrame(X).lazy(), y, bias_labels=b)
