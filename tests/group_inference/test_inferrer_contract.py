"""GroupInferrer as a scikit-learn estimator: kinds of data, seeds, files, scikit-learn's checks."""

import hashlib
import pickle
import warnings
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from fresh import said_by
from inferring import METHODS, embeddings, fitted, given, inferrer, partly_known
from joblib import Parallel, delayed
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.utils.estimator_checks import parametrize_with_checks

from sklearn_debias.exceptions import DebiasWarning
from sklearn_debias.group_inference import GroupInferrer
from sklearn_debias.testing._asserts import generators_untouched

TRAIN, OTHER = embeddings().train, embeddings().validation
NOT_TOLD = pytest.mark.filterwarnings("ignore::sklearn_debias.exceptions.DebiasWarning")


class Spread(GroupInferrer):
    """SSA that is told every second row's bias value."""

    def fit(self, X, y=None):
        """Make up bias labels, as scikit-learn's checks give none."""
        labels = None
        if hasattr(X, "shape") and len(np.shape(X)):
            rows = np.arange(X.shape[0])
            labels = np.where(rows % 2, rows // 2 % 2, -1)
        return super().fit(X, y, bias_labels=labels)


def of(kind, method):
    params = inferrer(method).get_params(deep=False)
    return kind(**params)


@NOT_TOLD
@parametrize_with_checks([of(Spread if m == "ssa" else GroupInferrer, m) for m in METHODS])
def test_sklearn_check(estimator, check):
    check(estimator)


FRAME = pd.DataFrame(TRAIN.data, columns=[f"f{i}" for i in range(TRAIN.data.shape[1])])
KINDS = {
    "list": TRAIN.data.tolist(),
    "frame": FRAME,
    "tensor": torch.from_numpy(TRAIN.data),
    "tensor with a gradient": torch.from_numpy(TRAIN.data).requires_grad_(),
    "Fortran order": np.asfortranarray(TRAIN.data),
    "read-only": np.frombuffer(TRAIN.data.tobytes(), TRAIN.data.dtype).reshape(TRAIN.data.shape),
}


@NOT_TOLD
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("method", METHODS)
def test_kinds_of_features(method, kind):
    arguments = given(method, TRAIN.bias_labels)
    expected = inferrer(method).fit(TRAIN.data, TRAIN.target, **arguments)
    groups = inferrer(method).fit(KINDS[kind], TRAIN.target, **arguments)
    # A list holds doubles.
    share = np.mean(groups.bias_labels_ == expected.bias_labels_)
    assert share == 1 if kind != "list" else share > 0.98
    assert groups.input_shape_ == (TRAIN.data.shape[1],)
    assert groups.n_features_in_ == TRAIN.data.shape[1]
    assert hasattr(groups, "feature_names_in_") == (kind == "frame")
    found = groups.predict(KINDS[kind], TRAIN.target)
    share = np.mean(found == expected.predict(TRAIN.data, TRAIN.target))
    assert share == 1 if kind != "list" else share > 0.98


@NOT_TOLD
@pytest.mark.parametrize(
    "labels",
    [
        np.array(["no", "yes"])[TRAIN.target],
        pd.Series(np.array(["no", "yes"])[TRAIN.target]),
        TRAIN.target == 1,
        TRAIN.target.tolist(),
        torch.from_numpy(TRAIN.target),
        7 * TRAIN.target - 1,
    ],
    ids=["text", "Series", "bool", "list", "tensor", "-1 and 6"],
)
@pytest.mark.parametrize("method", METHODS)
def test_kinds_of_labels(method, labels):
    groups = inferrer(method).fit(TRAIN.data, labels, **given(method, TRAIN.bias_labels))
    expected = inferrer(method).fit(TRAIN.data, TRAIN.target, **given(method, TRAIN.bias_labels))
    np.testing.assert_array_equal(groups.bias_labels_, expected.bias_labels_)
    assert len(groups.classes_) == 2
    np.testing.assert_array_equal(
        groups.predict(TRAIN.data, labels), expected.predict(TRAIN.data, TRAIN.target)
    )


@NOT_TOLD
@pytest.mark.parametrize("method", METHODS)
def test_without_y_the_predicted_classes_stand_in(method):
    groups = fitted(method)
    X = OTHER.data.astype(np.float64)
    found = groups.predict(X)
    if method == "errors":
        assert (found == 0).all()
    elif method == "xrm":
        first, second = groups._inference.twins.both(X)
        both = sum(torch.from_numpy(z).softmax(1).numpy() for z in (first, second)).argmax(1)
        wrong = (first.argmax(1) != both) | (second.argmax(1) != both)
        np.testing.assert_array_equal(found, wrong)
    elif method == "ssa":
        np.testing.assert_array_equal(found, groups.predict(X, OTHER.target))
    else:
        predicted = sum(model.predict_proba(X) for model in groups._inference.models).argmax(1)
        np.testing.assert_array_equal(found, groups.predict(X, predicted))


def digest(method, seed=5):
    """Return what a fit ends with, in a few letters."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        groups = inferrer(method, random_state=seed)
        if method in ("xrm", "ssa"):
            groups.set_params(estimator__random_state=None)
        groups.fit(TRAIN.data, TRAIN.target, **given(method, TRAIN.bias_labels))
        parts = [
            groups.bias_labels_,
            groups.suspicion_,
            groups.predict(OTHER.data, OTHER.target),
            np.array([groups.score_ or 0.0]),
        ]
        # Its labels are the same under any seed; its nets are not.
        parts += [net.predict_proba(OTHER.data) for net in getattr(groups._inference, "nets", [])]
    found = b"".join(part.tobytes() for part in parts if part is not None)
    return hashlib.sha256(found).hexdigest()[:16]


@cache
def digests():
    return [digest(method) for method in METHODS]


@pytest.mark.slow
def test_a_seed_gives_the_same_labels_in_another_process():
    program = """
        from test_inferrer_contract import METHODS, digest
        print(*[digest(method) for method in METHODS])
    """
    assert said_by(program, Path(__file__).parent).split() == digests()


def test_a_seed_gives_the_same_labels_in_threads():
    twice = [*METHODS, *METHODS]
    found = Parallel(n_jobs=4, backend="threading")(delayed(digest)(method) for method in twice)
    assert found == [*digests(), *digests()]


# "clusters" has one model of all rows, which starts from zeros.
@pytest.mark.parametrize("method", [method for method in METHODS if method != "clusters"])
def test_another_seed_is_another_fit(method):
    assert digest(method, 6) != digest(method)


@NOT_TOLD
@pytest.mark.parametrize("method", METHODS)
def test_the_global_generators_do_not_move(method):
    with generators_untouched():
        groups = inferrer(method, random_state=None)
        groups.fit(TRAIN.data, TRAIN.target, **given(method, TRAIN.bias_labels))
        groups.predict(OTHER.data, OTHER.target)


@NOT_TOLD
@pytest.mark.parametrize("method", METHODS)
def test_inputs_stay_as_they_are(method):
    X, y = TRAIN.data.copy(), TRAIN.target.copy()
    known = partly_known(TRAIN.bias_labels)
    before = X.tobytes(), y.tobytes(), known.tobytes()
    for array in (X, y, known):
        array.flags.writeable = False
    labels = {"bias_labels": known} if method == "ssa" else {}
    inferrer(method).fit(X, y, **labels).predict(X, y)
    assert (X.tobytes(), y.tobytes(), known.tobytes()) == before


@pytest.mark.parametrize("method", METHODS)
def test_a_fit_can_be_stored_and_cloned(method):
    groups = fitted(method)
    X = OTHER.data.astype(np.float64)
    stored = pickle.loads(pickle.dumps(groups))
    np.testing.assert_array_equal(stored.bias_labels_, groups.bias_labels_)
    np.testing.assert_array_equal(stored.predict(X, OTHER.target), groups.predict(X, OTHER.target))
    copied = clone(groups)
    assert not hasattr(copied, "bias_labels_")
    assert copied.get_params(deep=False).keys() == groups.get_params(deep=False).keys()


@NOT_TOLD
@pytest.mark.parametrize("method", METHODS)
def test_a_file_grows_with_the_documented_arrays_only(method):
    sizes = []
    for n in (200, 1000):
        rows = embeddings(0, n).train
        groups = inferrer(method).fit(rows.data, rows.target, **given(method, rows.bias_labels))
        kept = {
            id(value): value.nbytes
            for value in (groups.bias_labels_, groups.suspicion_, groups.sampling_weights_)
            if value is not None
        }
        sizes.append(len(pickle.dumps(groups)) - sum(kept.values()))
    assert sizes[1] - sizes[0] < 1000


def test_the_users_estimator_is_cloned():
    model = LogisticRegression(C=1e-3)
    GroupInferrer("errors", estimator=model).fit(TRAIN.data, TRAIN.target)
    assert not hasattr(model, "coef_")


@pytest.mark.parametrize("method", METHODS)
def test_nothing_is_printed(method, capsys):
    fitted(method)
    assert capsys.readouterr() == ("", "")


def test_bias_labels_are_routed_as_metadata():
    routing = GroupInferrer().get_metadata_routing()
    assert routing.consumes("fit", ["bias_labels"]) == {"bias_labels"}


def test_a_failed_fit_leaves_nothing_of_the_one_before():
    groups = fitted("errors")
    with pytest.raises(ValueError, match="NaN"):
        groups.fit(np.full_like(TRAIN.data, np.nan), TRAIN.target)
    assert not hasattr(groups, "bias_labels_")
    with pytest.raises(ValueError, match="not fitted"):
        groups.predict(TRAIN.data)


def test_few_rows_are_warned_of():
    with pytest.warns(DebiasWarning, match="Groups are inferred from 19 rows") as caught:
        GroupInferrer("clusters").fit(TRAIN.data[:19], TRAIN.target[:19])
    assert caught[0].filename == __file__
