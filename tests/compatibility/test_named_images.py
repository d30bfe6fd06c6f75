"""Images under a name: datasets of Hugging Face, rows that are dicts, what processors return."""

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.model_selection import GridSearchCV
from torch.utils.data import Dataset

from sklearn_debias import ERMClassifier
from sklearn_debias.feature_extraction import Embedder
from sklearn_debias.testing._reproducibility import Steps

pytest.importorskip("datasets.arrow_dataset")  # tests/datasets has the other name, too
import datasets

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::sklearn_debias.exceptions.DebiasWarning"),
]
N = 24
LEVELS = np.random.default_rng(0).integers(0, 256, (N, 3, 8, 8), dtype="uint8")
SHARES = LEVELS.astype("float32") / 255
PICTURES = [Image.fromarray(image.transpose(1, 2, 0)) for image in LEVELS]
y = np.arange(N) % 2
LABELS = {"label": y.tolist()}
WHOLE = datasets.Dataset.from_dict({"image": PICTURES, **LABELS}).cast_column(
    "image", datasets.Image()
)
STORED = datasets.Dataset.from_dict({"pixel_values": SHARES.tolist(), **LABELS})
PIXELS = datasets.Features(
    {"pixel_values": datasets.Array3D((3, 8, 8), "uint8"), "label": datasets.Value("int64")}
)


def processed(rows):
    """What `dataset.with_transform` of an image processor gives."""
    arrays = [np.asarray(image).transpose(2, 0, 1) / 255 for image in rows["image"]]
    made = [torch.tensor(array, dtype=torch.float32) for array in arrays]
    return {"pixel_values": made, "labels": rows["label"]}


class Items(Dataset):
    """Items as those that the Trainer of transformers takes."""

    def __init__(self, rows, *, paired=False):
        self.rows = rows
        self.paired = paired

    def __len__(self):
        return len(self.rows)

    def __getitem__(self, i):
        return (self.rows[i], 0) if self.paired else self.rows[i]


def erm(**params):
    settings = {"max_epochs": 1, "random_state": 0, **params}
    return ERMClassifier("simple_cnn", **settings)


FORMATS = ["torch", "numpy", "pandas", "arrow", "polars"]
TRANSFORMED = WHOLE.with_transform(processed)
OF_LEVELS = {
    "list of rows": list(WHOLE),
    "array of rows": np.array(list(WHOLE), dtype=object),
    "batch": WHOLE[:],
    "items": Items(list(WHOLE)),
    "pairs": Items(list(WHOLE), paired=True),
    "stored levels": datasets.Dataset.from_dict(
        {"pixel_values": LEVELS, **LABELS}, features=PIXELS
    ),
    **{kind: WHOLE.with_format(kind) for kind in FORMATS},
}
OF_SHARES = {
    "transform": TRANSFORMED,
    "list of rows": list(TRANSFORMED),
    "items": Items(list(TRANSFORMED)),
    "batch": TRANSFORMED[:],
    "processor": {"pixel_values": torch.from_numpy(SHARES)},
    "stored": STORED,
    **{kind: STORED.with_format(kind) for kind in FORMATS},
}
FITTED = erm().fit(LEVELS, y)


@pytest.mark.parametrize("form", OF_LEVELS)
def test_every_form_of_images_gives_the_same_fit(form):
    rows = OF_LEVELS[form]
    expected = FITTED.predict_proba(LEVELS)
    np.testing.assert_array_equal(erm().fit(rows, y).predict_proba(rows), expected)


@pytest.mark.parametrize("form", OF_SHARES)
def test_every_form_of_pixel_values_gives_the_same_fit(form):
    rows = OF_SHARES[form]
    expected = erm().fit(SHARES, y).predict_proba(SHARES)
    np.testing.assert_allclose(erm().fit(rows, y).predict_proba(rows), expected, atol=1e-6)


def test_formats_show_the_columns_they_name():
    two = WHOLE.add_column("other", WHOLE["label"]).map(lambda row: {"other": row["image"]})
    two = two.cast_column("other", datasets.Image())
    shown = two.with_format("torch", columns=["image"])
    expected = FITTED.predict_proba(LEVELS)
    np.testing.assert_array_equal(FITTED.predict_proba(shown), expected)
    for rows in (two, two.with_format("torch"), list(two)):
        with pytest.raises(ValueError, match=r"one image a row, got \['image', 'other'\]"):
            FITTED.predict(rows)


def test_held_out_rows_and_embeddings_work_on_names_too():
    held = {"validation": 0.25, "monitor": "accuracy"}
    for rows in (TRANSFORMED, list(TRANSFORMED), WHOLE.with_format("torch"), list(WHOLE)):
        assert "validation_accuracy" in erm(**held).fit(rows, y).history_
    embedder = Embedder("simple_cnn", cache_dir=None).fit(LEVELS)
    expected = embedder.transform(LEVELS)
    np.testing.assert_array_equal(embedder.transform(list(WHOLE)), expected)


def test_lists_of_rows_are_split_by_scikit_learn():
    # What the guide says: a dataset itself cannot be split.
    search = GridSearchCV(erm(), {"lr": [0.01]}, cv=2, error_score="raise")
    with pytest.raises(TypeError, match="'<' not supported between .* 'int' and 'ellipsis'"):
        search.fit(WHOLE, y)
    expected = search.fit(LEVELS, y).best_score_
    assert search.fit(list(WHOLE), y).best_score_ == expected
    assert search.fit(list(TRANSFORMED), y).best_score_ == pytest.approx(expected)


@pytest.mark.parametrize("rows", [list(WHOLE), list(TRANSFORMED)], ids=["pictures", "pixels"])
def test_checkpoints_know_rows_with_images_again(tmp_path, rows):
    erm(checkpoint=tmp_path).fit(rows, y)
    with Steps() as steps:
        erm(checkpoint=tmp_path).fit([{**row} for row in rows], y)
    assert steps.taken == 0
    with pytest.raises(ValueError, match="What differs: `X`"):
        erm(checkpoint=tmp_path).fit([*rows[:-1], rows[0]], y)


def test_rows_without_an_image_are_named():
    for bad, found in (({"label": 0}, r"the keys \['label'\]"), (None, "NoneType")):
        with pytest.raises(ValueError, match=rf"`X\[{N - 1}\]` must hold 'image', .*{found}"):
            erm().fit([*list(WHOLE)[:-1], bad], y)
    with pytest.raises(ValueError, match=r"one of images or 'pixel_values', got .*\['label'\]"):
        erm().fit(WHOLE.select_columns("label"), y)
    shapes = [{"pixel_values": np.zeros((3, 8, 8 + i % 2), "float32")} for i in range(N)]
    for rows in (shapes, Items(shapes)):
        with pytest.raises(ValueError, match=r"`X\[1\]`"):
            erm().fit(rows, y)
