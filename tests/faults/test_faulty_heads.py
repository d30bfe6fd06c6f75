"""faults.md for the classifiers without a network: the same faults, in scikit-learn's words."""

import re

import numpy as np
import pytest
import torch
from calls import STANDARD
from faulty import CLASSES, HEADS, IMAGES, X, b, fitted_names, y
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from test_faulty_inputs import REFUSED, SAME_VALUES
from test_faulty_labels import BIAS_KINDS, BIAS_REFUSED
from test_faulty_labels import REFUSED as LABELS_REFUSED

from sklearn_debias import ClassScaling, DFRClassifier, GroupInferrer
from sklearn_debias.exceptions import DebiasWarning
from sklearn_debias.testing import variants

NAMED = re.compile(
    rf"['`]\w+(\[\d\])?['`=]|dense|unique column names|Feature names|np.matrix|1D array|{STANDARD}"
)
NOT_REFUSED = {"overflows float32"}  # these work in float64
# It takes what the classifier inside does, images too; and it looks at bias labels to spread them.
INFERRED = "InferredGroupsClassifier"
SPREADING = {"inferrer": GroupInferrer("ssa", random_state=0)}
pytestmark = pytest.mark.filterwarnings(
    "ignore:`method`=.* does not tell:sklearn_debias.exceptions.DebiasWarning",
    "ignore:Groups are inferred from:sklearn_debias.exceptions.DebiasWarning",
    "ignore:Training on the inferred groups shows:sklearn_debias.exceptions.DebiasWarning",
    "ignore:The inferred groups are a matter of luck:sklearn_debias.exceptions.DebiasWarning",
    "ignore:No training row has:sklearn_debias.exceptions.DebiasWarning",
)


@pytest.fixture(params=HEADS)
def head(request):
    return clone(variants(CLASSES[request.param])[0]).set_params(random_state=0)


@pytest.fixture
def reader(head):
    """A head that looks at the bias labels."""
    return head.set_params(**SPREADING) if type(head).__name__ == INFERRED else head


def n_groups_of(head):
    """Groups of classes and bias values that the head was trained on."""
    if type(head).__name__ != INFERRED:
        return len(head.group_shares_)
    return len({(c, *np.atleast_1d(a)) for c, a in zip(y, head.bias_labels_, strict=True)})


def refused(head, X, y, bias, words=NAMED):
    with pytest.raises((ValueError, TypeError), match=words):
        head.fit(X, y, bias_labels=bias)
    assert fitted_names(head) == []


@pytest.mark.parametrize("row", sorted(REFUSED.keys() - NOT_REFUSED))
def test_refused_inputs(head, row):
    refused(head, REFUSED[row][0], y, b)


@pytest.mark.filterwarnings("ignore:The fitted model predicts")
def test_images_are_refused(head):
    if type(head).__name__ == INFERRED:
        head.set_params(classifier=DFRClassifier())
    refused(head, IMAGES, y, b, "Found array with dim 4")


@pytest.mark.parametrize("row", LABELS_REFUSED)
def test_refused_labels(head, row):
    refused(head, X, LABELS_REFUSED[row][0], b, LABELS_REFUSED[row][2])


@pytest.mark.parametrize("row", BIAS_REFUSED)
def test_refused_bias_labels(head, row):
    refused(head, X, y, BIAS_REFUSED[row][0], BIAS_REFUSED[row][2])


@pytest.mark.parametrize("row", BIAS_KINDS)
def test_kinds_of_bias_labels(reader, row):
    given, n_groups = BIAS_KINDS[row]
    if type(reader).__name__ == INFERRED and row == "one group per class":
        refused(reader, X, y, given, "`bias_labels` must hold at least 2 known values")
    else:
        assert n_groups_of(reader.fit(X, y, bias_labels=given)) == n_groups


@pytest.mark.parametrize("row", SAME_VALUES)
def test_kinds_of_x_agree(head, row):
    given = SAME_VALUES[row]
    before = given.tobytes() if isinstance(given, np.ndarray) else None
    expected = head.fit(X.astype(np.float32), y, bias_labels=b).predict_proba(X.astype(np.float32))
    np.testing.assert_allclose(
        head.fit(given, y, bias_labels=b).predict_proba(given), expected, atol=1e-4
    )
    assert before is None or given.tobytes() == before


@pytest.mark.filterwarnings("ignore:All rows of X are equal")
@pytest.mark.parametrize("scale", [0.0, 1e-30, 1e30])
def test_any_scale_ends_in_finite_probabilities(head, scale):
    assert np.isfinite(head.fit(scale * X, y, bias_labels=b).predict_proba(scale * X)).all()


def test_two_rows_are_enough(head):
    given = np.array([[-1.0, 0.0], [1.0, 0.0]])
    assert head.fit(given, ["a", "b"], bias_labels=[0, 1]).predict_proba(given).shape == (2, 2)


def test_global_state_is_left_alone(head):
    before = torch.get_rng_state().tolist(), np.random.get_state()[1].tolist()  # noqa: NPY002
    head.fit(X, y, bias_labels=b).predict(X)
    assert (torch.get_rng_state().tolist(), np.random.get_state()[1].tolist()) == before  # noqa: NPY002


def test_a_fitted_estimator_with_fewer_classes_is_refused():
    inner = LogisticRegression().fit(X, y)
    refused(
        ClassScaling(inner),
        X,
        np.arange(40) % 3,
        b,
        "`y` must hold labels seen in fit, \\[0, 1\\], got \\[2\\]",
    )


def test_constant_embeddings_are_warned_of():
    with pytest.warns(DebiasWarning, match="All rows of X are equal"):
        DFRClassifier(n_resamples=2).fit(np.ones_like(X), y, bias_labels=b)
