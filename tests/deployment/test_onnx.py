"""ONNX files: the same probabilities and labels as the classifier, for any number of rows."""

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.decomposition import PCA
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import Normalizer, PolynomialFeatures, StandardScaler
from torch import nn

from sklearn_debias import ClassScaling, DFRClassifier, ERMClassifier, InferredGroupsClassifier
from sklearn_debias.feature_extraction import Embedder

runtime = pytest.importorskip("onnxruntime")
pytest.importorskip("skl2onnx")
pytest.importorskip("onnxscript")

from sklearn_debias.deployment import export_onnx  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore:The fitted model predicts")  # noise teaches nothing
FEW = {"max_epochs": 2, "batch_size": 32, "random_state": 0}
N = 48
CODES = np.arange(N) % 3
NAMES = np.array(["cat", "cow", "dog"])[CODES]


def features(seed=0):
    X = np.random.default_rng(seed).normal(size=(N, 5))
    X[:, 0] += CODES
    return X.astype(np.float32)


def images(size=(12, 12), channels=3):
    """Grey levels; the classes differ in brightness."""
    rng = np.random.default_rng(0)
    levels = rng.integers(0, 80, (N, channels, *size)) + 60 * CODES[:, None, None, None]
    return levels.astype(np.uint8)


def serve(path, X):
    """What a server does: the file, an array, two answers."""
    return runtime.InferenceSession(path).run(None, {"X": X})


def check(clf, X, folder, **options):
    """The file agrees with the classifier on one, two and all rows."""
    path = export_onnx(clf, folder / "model.onnx", **options)
    assert [file.name for file in folder.iterdir()] == ["model.onnx"]
    for n in (1, 2, len(X)):
        label, probabilities = serve(path, X[:n])
        np.testing.assert_allclose(probabilities, clf.predict_proba(X[:n]), rtol=0, atol=1e-5)
        np.testing.assert_array_equal(label, clf.predict(X[:n]))
    return runtime.InferenceSession(path)


@pytest.mark.parametrize("module", [pytest.param("linear", marks=pytest.mark.slow), "mlp"])
def test_heads(module, tmp_path):
    session = check(ERMClassifier(module, **FEW).fit(features(), NAMES), features(), tmp_path)
    (X,) = session.get_inputs()
    label, probabilities = session.get_outputs()
    assert (X.name, X.shape, X.type) == ("X", ["rows", 5], "tensor(float)")
    assert (label.name, label.shape, label.type) == ("label", ["rows"], "tensor(string)")
    assert (probabilities.name, probabilities.shape) == ("probabilities", ["rows", 3])
    assert probabilities.type == "tensor(float)"


@pytest.mark.parametrize(
    ("y", "kind"),
    [
        (CODES.astype(np.uint8) + 1, np.int64),
        (CODES == 1, np.bool_),
    ],
)
def test_labels_are_those_of_fit(y, kind, tmp_path):
    clf = ERMClassifier("linear", **FEW).fit(features(), y)
    session = check(clf, features(), tmp_path)
    assert session.run(None, {"X": features()})[0].dtype == kind


def test_a_network_without_kernels_of_float64_computes_in_float32(tmp_path):
    module = nn.Sequential(nn.Linear(5, 8), nn.GELU(), nn.Linear(8, 3))
    check(ERMClassifier(module, **FEW).fit(features(), CODES), features(), tmp_path)


@pytest.mark.slow
def test_simple_cnn_with_normalisation(tmp_path):
    X = (images() / 255).astype(np.float32)
    clf = ERMClassifier("simple_cnn", normalize="imagenet", **FEW).fit(X, CODES)
    session = check(clf, X, tmp_path)
    assert session.get_inputs()[0].shape == ["rows", 3, 12, 12]


def test_grey_levels_and_windows_that_overlap(tmp_path):
    """14 pixels become 7, and four windows of 7 are of unequal size."""
    X = images((14, 14), 1)
    session = check(
        ERMClassifier("simple_cnn", **FEW).fit(X, CODES), X, tmp_path, input_dtype="uint8"
    )
    assert session.get_inputs()[0].type == "tensor(uint8)"


def test_images_of_any_size_are_resized(tmp_path):
    clf = ERMClassifier("simple_cnn", image_size=(10, 14), **FEW).fit(images(), CODES)
    session = check(clf, images(), tmp_path, input_dtype="uint8")
    assert session.get_inputs()[0].shape == ["rows", 3, "height", "width"]
    for size in ((10, 14), (5, 7), (40, 23)):
        _, probabilities = session.run(None, {"X": images(size)})
        expected = clf.predict_proba(images(size))
        np.testing.assert_allclose(probabilities, expected, rtol=0, atol=1e-5)


def test_a_classifier_of_image_files_takes_decoded_images(tmp_path):
    levels = images((20, 16))
    (tmp_path / "images").mkdir()
    paths = [str(tmp_path / "images" / f"{i}.png") for i in range(N)]
    for path, image in zip(paths, levels, strict=True):
        Image.fromarray(image.transpose(1, 2, 0)).save(path)
    clf = ERMClassifier("simple_cnn", image_size=(12, 8), **FEW).fit(paths, CODES)
    file = export_onnx(clf, tmp_path / "model.onnx", input_dtype="uint8")
    expected = clf.predict_proba(paths)
    resized = [Image.open(path).resize((8, 12), Image.Resampling.BILINEAR) for path in paths]
    X = np.stack([np.asarray(image).transpose(2, 0, 1) for image in resized])
    np.testing.assert_allclose(serve(file, X)[1], expected, rtol=0, atol=1e-5)
    # The graph resizes without rounding to grey levels.
    np.testing.assert_allclose(serve(file, levels)[1], expected, rtol=0, atol=5e-3)


@pytest.mark.slow
def test_a_network_of_torchvision(tmp_path):
    X = images((16, 16))[:16]
    clf = ERMClassifier("mobilenet_v3_small", max_epochs=1, batch_size=8, random_state=0)
    check(clf.fit(X, CODES[:16]), X, tmp_path, input_dtype="uint8")


@pytest.mark.parametrize(("scale", "shift"), [(255, 0), (2, -1)])
def test_images_in_other_units_than_the_unit_interval(scale, shift, tmp_path):
    X = (scale * images() / 255 + shift).astype(np.float32)
    X[0, 0, 0, 0] = 2.5  # of standardised pixels
    check(ERMClassifier("linear", **FEW).fit(X, CODES), X, tmp_path)


@pytest.mark.parametrize(
    "steps",
    [
        [StandardScaler(), "passthrough", Normalizer(), PCA(2)],
        pytest.param([FrozenEstimator], marks=pytest.mark.slow),
    ],
    ids=str,
)
def test_pipelines_of_features(steps, tmp_path):
    X = (features() * [1, 100, 1e-3, 1, 1] + [0, 1000, 0, 0, 0]).astype(np.float32)
    if steps == [FrozenEstimator]:
        steps = [FrozenEstimator(StandardScaler().fit(X))]
    check(make_pipeline(*steps, ERMClassifier("mlp", **FEW)).fit(X, NAMES), X, tmp_path)


@pytest.mark.slow
def test_features_that_float32_would_round(tmp_path):
    X = features().astype(np.float64) + 1e6
    clf = make_pipeline(StandardScaler(), ERMClassifier("mlp", **FEW)).fit(X, NAMES)
    check(clf, X, tmp_path, input_dtype="float64")


def test_a_pipeline_of_an_embedder(tmp_path):
    embedder = Embedder("simple_cnn", image_size=8, cache_dir=None)
    clf = make_pipeline(embedder, StandardScaler(), ERMClassifier("linear", **FEW)).fit(
        images(), NAMES
    )
    check(clf, images(), tmp_path, input_dtype="uint8")


@pytest.mark.parametrize("y", [NAMES, pytest.param(CODES == 1, marks=pytest.mark.slow)])
def test_last_layers(y, tmp_path):
    clf = DFRClassifier(n_resamples=2, random_state=0)
    check(clf.fit(features(), y, bias_labels=features()[:, 1] > 0), features(), tmp_path)


@pytest.mark.parametrize(
    "inside",
    [ERMClassifier("linear", **FEW), pytest.param(LogisticRegression(), marks=pytest.mark.slow)],
)
def test_scaled_classes(inside, tmp_path):
    clf = ClassScaling(inside, random_state=1)
    clf.fit(features(), NAMES, bias_labels=features()[:, 1] > 0)
    assert np.ptp(clf.scale_) > 0
    check(clf, features(), tmp_path)


@pytest.mark.slow
def test_estimators_around_one(tmp_path):
    inferred = InferredGroupsClassifier(n_checks=0, random_state=0).fit(features(), CODES)
    check(inferred, features(), tmp_path)
    grid = {"max_epochs": [1, 2]}
    check(
        GridSearchCV(ERMClassifier("linear", **FEW), grid, cv=2).fit(features(), CODES),
        features(),
        tmp_path,
    )


def test_nothing_else_changes(tmp_path, capsys):
    clf = ERMClassifier("simple_cnn", **FEW).fit(images(), CODES)
    clf.module_.train()
    before = {name: value.clone() for name, value in clf.module_.state_dict().items()}
    generators = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    export_onnx(clf, tmp_path / "model.onnx")
    assert clf.module_.training
    assert all(p.requires_grad for p in clf.module_.parameters())
    after = clf.module_.state_dict()
    assert all(torch.equal(value, after[name]) for name, value in before.items())
    assert torch.equal(torch.get_rng_state(), generators[0])
    assert (np.random.get_state()[1] == generators[1]).all()  # noqa: NPY002
    assert capsys.readouterr() == ("", "")


def test_an_unfitted_classifier_is_refused(tmp_path):
    for clf in (
        ERMClassifier(),
        make_pipeline(StandardScaler(), ERMClassifier()),
        ClassScaling(ERMClassifier()),
    ):
        with pytest.raises(NotFittedError):
            export_onnx(clf, tmp_path / "model.onnx")
    assert not list(tmp_path.iterdir())


class Doubling(TransformerMixin, BaseEstimator):
    """A transformer that skl2onnx has never heard of."""

    def fit(self, X, y=None):
        self.n_features_in_ = X.shape[1]
        return self

    def transform(self, X):
        return 2 * X


@pytest.mark.parametrize("step", [Doubling(), PolynomialFeatures(2)])
def test_what_no_graph_can_hold_is_named(step, tmp_path):
    clf = make_pipeline(step, ERMClassifier("linear", **FEW)).fit(features(), CODES)
    name = type(step).__name__
    with pytest.raises(TypeError, match=rf"`estimator` .*{name}"):
        export_onnx(clf, tmp_path / "model.onnx")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("estimator", [ERMClassifier, nn.Linear(2, 2), 3, Doubling()])
def test_what_is_no_classifier_is_refused(estimator, tmp_path):
    with pytest.raises(TypeError, match="`estimator` cannot be exported: .* What can be exported"):
        export_onnx(estimator, tmp_path / "model.onnx")


def test_bad_arguments(tmp_path):
    clf = ERMClassifier("linear", **FEW).fit(features(), CODES)
    with pytest.raises(ValueError, match="`input_dtype`='uint8' is for images, and X has 5 feat"):
        export_onnx(clf, tmp_path / "model.onnx", input_dtype="uint8")
    with pytest.raises(ValueError, match="`input_dtype` must be one of"):
        export_onnx(clf, tmp_path / "model.onnx", input_dtype=np.float32)
    with pytest.raises(FileNotFoundError, match="`path` must be in a folder that exists"):
        export_onnx(clf, tmp_path / "none" / "model.onnx")
    assert not list(tmp_path.iterdir())


class Branching(nn.Module):
    """Asks its input for a number."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(5, 3)

    def forward(self, x):
        return self.layer(x) if x.sum().item() > 0 else self.layer(-x)


class Proud(ERMClassifier):
    """Predicts by a method of its own."""

    def predict_proba(self, X):
        return super().predict_proba(X) ** 2


def test_a_network_that_cannot_be_traced_is_named(tmp_path):
    clf = ERMClassifier(Branching(), **FEW).fit(features(), CODES)
    with pytest.raises(ValueError, match="`estimator` has a `module` that torch cannot export"):
        export_onnx(clf, tmp_path / "model.onnx")


def test_a_file_that_disagrees_is_not_written(tmp_path):
    old = export_onnx(ERMClassifier("linear", **FEW).fit(features(), CODES), tmp_path / "a.onnx")
    content = old.read_bytes()
    with pytest.raises(RuntimeError, match="gives other probabilities .*; nothing was written"):
        export_onnx(Proud("linear", **FEW).fit(features(), CODES), old)
    assert [file.read_bytes() for file in tmp_path.iterdir()] == [content]


def test_a_missing_package_is_named(tmp_path, monkeypatch):
    import sys

    clf = ERMClassifier("linear", **FEW).fit(features(), CODES)
    monkeypatch.setitem(sys.modules, "skl2onnx", None)
    with pytest.raises(ImportError, match=r"pip install 'sklearn-debias\[onnx\]'"):
        export_onnx(clf, tmp_path / "model.onnx")
