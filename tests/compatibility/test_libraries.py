"""Libraries that users bring: each uses our estimators as it uses scikit-learn's."""

import inspect

import numpy as np
import pytest
import torch
from data import PIXELS, PIXELS_Y, X, b, erm, images, y

# What others deprecate is theirs; our own warnings stay errors.
pytestmark = [
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore:.*is experimental"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:.*type hint:UserWarning"),
    pytest.mark.filterwarnings("ignore:Setting a value on a Series"),
]
FITTED = erm().fit(X, y)


def test_imbalanced_learn():
    pytest.importorskip("imblearn")
    from imblearn.ensemble import BalancedBaggingClassifier
    from imblearn.over_sampling import RandomOverSampler
    from imblearn.pipeline import make_pipeline

    sampler = RandomOverSampler(random_state=0)
    sampled = make_pipeline(sampler, erm()).fit(X, y)
    by_hand = erm().fit(*sampler.fit_resample(X, y))
    np.testing.assert_array_equal(sampled.predict_proba(X), by_hand.predict_proba(X))
    bagged = BalancedBaggingClassifier(erm(), n_estimators=2, random_state=0).fit(X, y)
    assert bagged.score(X, y) > 0.9


def test_optuna():
    optuna = pytest.importorskip("optuna")
    integration = pytest.importorskip("optuna_integration")
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    space = {
        "lr": optuna.distributions.FloatDistribution(0.01, 0.1, log=True),
        "batch_size": optuna.distributions.IntDistribution(16, 64),
    }
    search = integration.OptunaSearchCV(erm(), space, n_trials=2, random_state=0).fit(X, y)
    best = erm(**search.best_params_).fit(X, y)
    np.testing.assert_array_equal(search.predict(X), best.predict(X))


def test_cleanlab():
    cleanlab = pytest.importorskip("cleanlab.classification")
    noisy = np.where(np.arange(len(y)) < 10, 1 - y, y)
    cleaned = cleanlab.CleanLearning(erm(), seed=0, cv_n_folds=3).fit(X, noisy)
    found = np.flatnonzero(cleaned.get_label_issues().is_label_issue)
    assert (found < 10).mean() > 0.4  # ten of two hundred labels are wrong


def test_fairlearn():
    pytest.importorskip("fairlearn")
    from fairlearn.metrics import MetricFrame
    from fairlearn.postprocessing import ThresholdOptimizer
    from fairlearn.reductions import DemographicParity, ExponentiatedGradient
    from sklearn.metrics import accuracy_score

    from sklearn_debias.metrics import worst_group_accuracy_score

    options = {"predict_method": "predict_proba", "prefit": True}
    moved = ThresholdOptimizer(estimator=FITTED, **options).fit(X, y, sensitive_features=b)
    rate = [moved.predict(X, sensitive_features=b, random_state=0)[b == v].mean() for v in (0, 1)]
    assert abs(rate[0] - rate[1]) < 0.05
    fair = ExponentiatedGradient(erm(), DemographicParity(), max_iter=3)
    predicted = fair.fit(X, y, sensitive_features=b).predict(X)
    assert accuracy_score(y, predicted) > 0.5
    frame = MetricFrame(
        metrics=accuracy_score,
        y_true=y,
        y_pred=FITTED.predict(X),
        sensitive_features={"y": y, "bias": b},
    )
    worst = worst_group_accuracy_score(y, FITTED.predict(X), bias_labels=b)
    assert frame.group_min() == pytest.approx(worst)


def test_mapie():
    mapie = pytest.importorskip("mapie.classification")
    sets = mapie.SplitConformalClassifier(FITTED, prefit=True, confidence_level=0.9)
    covered = sets.conformalize(X, y).predict_set(X)[1][np.arange(len(y)), y, 0]
    assert covered.mean() >= 0.9


@pytest.mark.filterwarnings("ignore:The fitted model predicts")  # coverage holds all the same
def test_mapie_on_images():
    mapie = pytest.importorskip("mapie.classification")
    fitted = images(max_epochs=1).fit(PIXELS, PIXELS_Y)
    # MAPIE tries rows of that many features; of images these are the channels, as scikit-learn
    # counts them. Without the attribute it does not try.
    del fitted.n_features_in_
    sets = mapie.SplitConformalClassifier(fitted, prefit=True, confidence_level=0.9)
    covered = sets.conformalize(PIXELS, PIXELS_Y).predict_set(PIXELS)[1]
    assert covered[np.arange(32), PIXELS_Y, 0].mean() >= 0.9


@pytest.mark.slow
def test_shap_adds_up_to_the_prediction():
    shap = pytest.importorskip("shap")
    background = shap.maskers.Independent(X[:20], max_samples=20)
    explained = shap.Explainer(FITTED.predict_proba, background, algorithm="permutation")(X[:2])
    total = explained.values.sum(1) + explained.base_values
    np.testing.assert_allclose(total, FITTED.predict_proba(X[:2]), atol=1e-6)


@pytest.mark.slow
def test_skore():
    skore = pytest.importorskip("skore")
    report = skore.EstimatorReport(FITTED, X_test=X, y_test=y)
    assert report.metrics.accuracy() == pytest.approx(FITTED.score(X, y))


@pytest.mark.slow
def test_mlflow_gives_back_the_same_model(tmp_path):
    mlflow = pytest.importorskip("mlflow")
    pytest.importorskip("mlflow.sklearn")
    path = str(tmp_path / "model")
    mlflow.sklearn.save_model(FITTED, path, serialization_format="cloudpickle")
    again = mlflow.sklearn.load_model(path)
    np.testing.assert_array_equal(again.predict_proba(X), FITTED.predict_proba(X))


@pytest.mark.slow
def test_mlflow_keeps_models_by_skops(tmp_path):
    mlflow = pytest.importorskip("mlflow")
    pytest.importorskip("mlflow.sklearn")
    pytest.importorskip("skops")
    if "skops_trusted_types" not in inspect.signature(mlflow.sklearn.save_model).parameters:
        pytest.skip("an older MLflow, which knows pickles only")
    path = str(tmp_path / "model")
    types = [f"{type(FITTED).__module__}.{type(FITTED).__name__}"]
    mlflow.sklearn.save_model(
        FITTED, path, serialization_format="skops", skops_trusted_types=types, pip_requirements=[]
    )
    again = mlflow.sklearn.load_model(path)
    np.testing.assert_array_equal(again.predict_proba(X), FITTED.predict_proba(X))


@pytest.mark.slow
def test_onnx_takes_any_number_of_rows(tmp_path):
    runtime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    path = str(tmp_path / "model.onnx")
    rows = {0: torch.export.Dim("n", min=2)}
    example = torch.tensor(X[:3]).float()
    torch.onnx.export(FITTED.module_, (example,), path, dynamic_shapes=(rows,), verbose=False)
    session = runtime.InferenceSession(path)
    logits = session.run(None, {session.get_inputs()[0].name: X.astype("float32")})[0]
    np.testing.assert_array_equal(logits.argmax(1), FITTED.predict(X))


def test_captum_explains_the_module():
    attr = pytest.importorskip("captum.attr")
    x = torch.tensor(X[:3]).float()
    maps, gap = attr.IntegratedGradients(FITTED.module_).attribute(
        x, target=1, return_convergence_delta=True
    )
    assert maps.shape == x.shape
    assert gap.abs().max() < 1e-4


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:The fitted model predicts")  # of noise, in one epoch
@pytest.mark.parametrize("name", ["resnet10t", "test_vit", "test_convnext"])
def test_timm(name):
    timm = pytest.importorskip("timm")
    size = {"img_size": 32} if name == "test_vit" else {}
    network = timm.create_model(name, num_classes=2, **size)
    fitted = erm(module=network, max_epochs=1, lr=1e-3).fit(PIXELS, PIXELS_Y)
    direct = fitted.module_.eval()(torch.from_numpy(PIXELS)).softmax(1).detach().numpy()
    np.testing.assert_allclose(fitted.predict_proba(PIXELS), direct, atol=1e-5)


@pytest.mark.slow
def test_a_compiled_module():
    compiled = torch.compile(torch.nn.Linear(X.shape[1], 2))
    plain = erm(module=compiled._orig_mod).fit(X, y)
    np.testing.assert_allclose(
        erm(module=compiled).fit(X, y).predict_proba(X), plain.predict_proba(X), atol=1e-5
    )
