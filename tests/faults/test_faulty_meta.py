"""faults.md for the meta set, and for what only the methods with one can get wrong."""

import warnings
from types import MethodType

import numpy as np
import pandas as pd
import pytest
import torch
from faulty import CLASSES, IMAGES, X, arguments, b, fitted_names, make, y
from scipy import sparse
from sklearn import config_context
from sklearn.model_selection import GridSearchCV
from torch import nn

from sklearn_debias import MetaIADAClassifier
from sklearn_debias.core import SplitModule
from sklearn_debias.exceptions import DebiasWarning, DivergedError
from sklearn_debias.models import NormalizedLinear

pytestmark = pytest.mark.filterwarnings("ignore:The fitted model predicts")  # these fits are short

METHODS = [name for name in CLASSES if "X_meta" in arguments(name)]
rng = np.random.default_rng(1)
Y_META = np.arange(10) % 2
X_META = rng.normal(size=(10, 4)) + 2 * Y_META[:, None]
nan = np.nan


def spoiled(value):
    given = X_META.copy()
    given[3, 1] = value
    return given


FRAME = pd.DataFrame(X, columns=list("abcd"))
REFUSED = {  # X_meta, y_meta, words
    "no y_meta": (X_META, None, "`y_meta` must be given with `X_meta`"),
    "no X_meta": (None, Y_META, "`X_meta` must be given with `y_meta`"),
    "a missing class": (
        X_META[::2],
        Y_META[::2],
        r"`y_meta` must hold every class, \[0, 1\], but misses \[1\]",
    ),
    "an unseen label": (
        X_META,
        np.r_[Y_META[:-1], 7],
        r"`y_meta` must hold labels seen in fit, \[0, 1\], got \[7\]",
    ),
    "labels of another type": (
        X_META,
        np.array(["a", "b"])[Y_META],
        "`y_meta` must hold labels seen in fit",
    ),
    "NaN in y_meta": (X_META, np.where(Y_META, nan, 0.0), "`y_meta` must hold labels seen in fit"),
    "None in y_meta": (X_META, [None] * 10, "`y_meta`"),
    "one-hot y_meta": (X_META, np.eye(2)[Y_META], "y should be a 1d array"),
    "fewer labels": (
        X_META,
        Y_META[:7],
        "`y_meta` must have one label per row of X_meta, 10, got 7",
    ),
    "no labels": (X_META, [], "`y_meta` must have one label per row"),
    "another width": (X_META[:, :3], Y_META, "`X_meta` failed with .* 3 features.* 4 features"),
    "images": (IMAGES[:10], Y_META, "`X_meta` failed with .*rows of shape"),
    "NaN": (spoiled(nan), Y_META, "`X_meta` failed with .*contains NaN"),
    "infinity": (spoiled(np.inf), Y_META, "`X_meta` failed with .*infinity"),
    "overflows float32": (spoiled(1e300), Y_META, "`X_meta` failed with .*infinity"),
    "no rows": (X_META[:0], Y_META[:0], "`X_meta` failed with .*0 sample"),
    "one dimension": (
        X_META[0],
        Y_META[:4],
        "`X_meta` failed with .*1D array|`X_meta` failed with .*2D array",
    ),
    "complex": (X_META + 1j, Y_META, "`X_meta` failed with .*Complex data"),
    "sparse": (sparse.csr_matrix(X_META), Y_META, "`X_meta` failed with .*dense"),
    "text": ([["a"] * 4] * 10, Y_META, "`X_meta` failed with"),
    "a number": (3, Y_META, "X_meta|sequence or array-like"),
    "as many rows as X": (
        X_META.repeat(4, 0),
        Y_META.repeat(4),
        "`X_meta` must not have as many rows as X, 40",
    ),
}


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("row", REFUSED)
def test_refused_meta_sets(row, method):
    given, labels, words = REFUSED[row]
    clf = make(method)
    with pytest.raises((ValueError, TypeError), match=words):
        clf.fit(X, y, X_meta=given, y_meta=labels)
    assert fitted_names(clf) == []


def test_a_frame_with_other_columns_is_refused():
    names = [list("abce"), list("dcba")]
    for columns in names:
        given = pd.DataFrame(X_META, columns=columns)
        with pytest.raises(ValueError, match="`X_meta` failed with .*feature names"):
            make("MetaIADAClassifier").fit(FRAME, y, X_meta=given, y_meta=Y_META)
    clf = make("MetaIADAClassifier").fit(
        FRAME, y, X_meta=pd.DataFrame(X_META, columns=list("abcd")), y_meta=Y_META
    )
    assert clf.feature_names_in_.tolist() == list("abcd")


KINDS = {
    "list": (X_META.tolist(), Y_META.tolist()),
    "float32": (X_META.astype(np.float32), Y_META.astype(float)),
    "Fortran": (np.asfortranarray(X_META), Y_META),
    "strided": (X_META.repeat(2, 0)[::2], Y_META.repeat(2)[::2]),
    "tensor": (torch.from_numpy(X_META), torch.from_numpy(Y_META)),
    "series": (X_META, pd.Series(Y_META, dtype="Int64")),
    "category": (X_META, pd.Series(Y_META).astype("category")),
}


@pytest.mark.parametrize("row", KINDS)
def test_kinds_of_meta_sets_agree(row):
    expected = make("MetaIADAClassifier").fit(X, y, X_meta=X_META, y_meta=Y_META)
    given, labels = KINDS[row]
    found = make("MetaIADAClassifier").fit(X, y, X_meta=given, y_meta=labels)
    np.testing.assert_array_equal(found.predict_proba(X), expected.predict_proba(X))


@pytest.mark.parametrize("method", METHODS)
def test_what_was_given_is_left_alone(method):
    given = [X.copy(), y.copy(), X_META.copy(), Y_META.copy()]
    for array in given:
        array.flags.writeable = False
    make(method).fit(given[0], given[1], X_meta=given[2], y_meta=given[3])
    for array, before in zip(given, (X, y, X_META, Y_META), strict=True):
        np.testing.assert_array_equal(array, before)


@pytest.mark.parametrize("method", METHODS)
def test_rows_of_the_training_data_in_the_meta_set_are_warned_about(method):
    given = np.concatenate([X_META, X[[3, 5, 5]]])
    with pytest.warns(
        DebiasWarning, match="`X_meta` shares 3 of its 13 rows with X.*Take them out of X"
    ) as caught:
        make(method).fit(X, y, X_meta=given, y_meta=np.r_[Y_META, y[[3, 5, 5]]])
    assert len(caught) == 1
    assert caught[0].filename == __file__


def test_images_in_both_sets_are_found_too():
    with pytest.warns(DebiasWarning, match="`X_meta` shares 4 of its 4 rows"):
        make("MetaIADAClassifier", lr=0.01).fit(IMAGES, y, X_meta=IMAGES[:4], y_meta=y[:4])


def test_a_slice_of_a_search_is_told_apart():
    with config_context(enable_metadata_routing=True), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        search = GridSearchCV(make("MetaIADAClassifier"), {"lr": [0.1]}, cv=2, error_score="raise")
        with pytest.raises(ValueError, match="cross-validation would slice it"):
            search.fit(X, y, X_meta=X + 1, y_meta=y)


@pytest.mark.parametrize("method", METHODS)
def test_one_class_and_classes_of_one_row(method):
    with pytest.raises(ValueError, match="at least 2 classes"):
        make(method).fit(X, np.zeros(40), X_meta=X_META, y_meta=Y_META)
    clf = make(method)
    with pytest.raises(ValueError, match="`X` has no class of two rows or more.*Pass `X_meta`"):
        clf.fit(X[:2], y[:2])
    assert fitted_names(clf) == []
    clf = clf.fit(X[:2], y[:2], X_meta=X_META, y_meta=Y_META)
    assert np.isfinite(clf.predict_proba(X)).all()
    assert not np.any(getattr(clf, "covariances_", 0))


@pytest.mark.parametrize("method", METHODS)
def test_a_bias_group_of_one_row_stays_in_training(method):
    bias = np.r_[2, b[1:]]
    clf = make(method).fit(X, y, bias_labels=bias)
    assert 0 not in clf.meta_indices_
    assert len(clf.meta_indices_) == 8


@pytest.mark.parametrize("method", ["MetaSAugClassifier", "MetaIADAClassifier"])
def test_a_first_stage_longer_than_the_fit(method):
    for warmup in (2, 50):
        clf = make(method, warmup=warmup)
        with pytest.raises(
            ValueError, match=f"`warmup`={warmup} epochs leave none of `max_epochs`=2"
        ):
            clf.fit(X, y)
        assert fitted_names(clf) == []
    assert make(method, warmup=0.99, max_epochs=1).fit(X, y).n_iter_ == 1


CHARACTERISTICS = {
    "fewer rows": lambda s: s.logits[:2],
    "rows, but not of every batch": lambda s: s.logits[:3],
    "a vector": lambda s: s.logits[:, 0],
    "no column": lambda s: s.logits[:, :0],
    "integers": lambda s: s.y[:, None],
    "an array": lambda s: s.logits.numpy(),
    "nothing": lambda s: None,
    "NaN": lambda s: s.logits * nan,
    "infinity": lambda s: s.logits + np.inf,
    "an error": lambda s: 1 / 0,
    "an error in training": lambda s: s.logits if len(s.y) == 3 else 1 / 0,
    "an unknown field": lambda s: s.loss,
    "no argument": lambda: None,
    "another number of columns": lambda s: s.logits if len(s.y) == 3 else s.features,
}


@pytest.mark.parametrize("row", CHARACTERISTICS)
def test_characteristics_that_cannot_be_used_are_named(row):
    clf = make("MetaIADAClassifier", characteristics=CHARACTERISTICS[row])
    with pytest.raises((ValueError, TypeError), match="`characteristics`"):
        clf.fit(X, y)
    assert fitted_names(clf) == []


def test_characteristics_of_another_precision_are_converted():
    clf = make("MetaIADAClassifier", characteristics=lambda s: s.logits.double()).fit(X, y)
    assert np.isfinite(clf.epsilon_[~np.isnan(clf.epsilon_)]).all()


def test_characteristics_that_turn_to_nan_end_the_fit_by_epoch_and_phase():
    clf = make(
        "MetaIADAClassifier",
        characteristics=lambda s: s.logits if len(s.y) == 3 else s.logits * nan,
    )
    with pytest.raises(
        DivergedError, match="perturber_loss.* is not finite in epoch 1 of phase 'train'"
    ):
        clf.fit(X, y)
    assert fitted_names(clf) == []


@pytest.mark.parametrize("method", METHODS)
def test_divergence_names_epoch_and_phase(method):
    clf = make(method, lr=1e30)
    with pytest.raises(
        DivergedError, match="not finite in epoch 1 of phase '(warmup|train)'.*Lower `lr`"
    ):
        clf.fit(X, y)
    assert fitted_names(clf) == []


def scaled():
    """A layer with a forward that was put on the object."""
    layer = nn.Linear(4, 2)
    layer.forward = MethodType(lambda self, z: type(self).forward(self, z) / 2, layer)
    return layer


HEADS = {
    "two layers": nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2), nn.Tanh()),
    "cosine": SplitModule(nn.Identity(), NormalizedLinear(4, 2)),
    "own forward": SplitModule(nn.Identity(), scaled()),
    "weight norm": SplitModule(
        nn.Identity(), nn.utils.parametrizations.weight_norm(nn.Linear(4, 2))
    ),
}


@pytest.mark.parametrize("method", ["ISDAClassifier", "MetaSAugClassifier", "MetaIADAClassifier"])
@pytest.mark.parametrize("row", HEADS)
def test_a_head_that_is_not_linear_is_refused(row, method):
    module = (
        HEADS[row]
        if isinstance(HEADS[row], SplitModule)
        else SplitModule(nn.Identity(), HEADS[row])
    )
    clf = make(method).set_params(module=module)
    with pytest.raises(
        TypeError, match=f"`module` must end in a plain linear layer for {type(clf).__name__}, got"
    ):
        clf.fit(X, y)
    assert fitted_names(clf) == []


def test_meta_weight_net_takes_any_module_unless_it_splits_it():
    class Whole(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(4, 2)

        def forward(self, x):
            return self.layer(x)

    assert make("MetaWeightNetClassifier", module=Whole).fit(X, y).score(X, y) > 0.4
    with pytest.raises(TypeError, match="`module` must have a body and a head"):
        make("MetaWeightNetClassifier", module=Whole, virtual_step="head").fit(X, y)


@pytest.mark.parametrize("method", METHODS)
def test_the_meta_set_is_not_an_argument_of_others(method):
    with pytest.raises(TypeError, match="`X_meta` is not an argument of ERMClassifier.fit"):
        make("ERMClassifier").fit(X, y, X_meta=X_META, y_meta=Y_META)
    with pytest.raises(
        TypeError, match=f"`X_met` is not an argument of {type(make(method)).__name__}.fit"
    ):
        make(method).fit(X, y, X_met=X_META)


def test_strategies_that_leave_their_range_are_refused():
    for epsilon in (-1.01, 1.01, nan):
        with pytest.raises(ValueError, match="'epsilon'"):
            MetaIADAClassifier(epsilon=epsilon).fit(X, y)


@pytest.mark.parametrize(
    "params", [{"epsilon": 0.0, "alpha": 0.0}, {"epsilon": 0.2, "sigma_lr": 0.0}]
)
def test_a_meta_set_that_serves_nothing_is_told(params):
    with pytest.warns(DebiasWarning, match="`X_meta` serves nothing here"):
        make("MetaIADAClassifier", **params).fit(X, y, X_meta=X_META, y_meta=Y_META)


@pytest.mark.parametrize("method", ["ISDAClassifier", "MetaSAugClassifier", "MetaIADAClassifier"])
def test_epochs_that_leave_rows_out_are_refused(method):
    clf = make(method, net_params={"iterator_train__drop_last": True})
    with pytest.raises(ValueError, match="`net_params` must not set iterator_train__drop_last"):
        clf.fit(X, y)


def test_the_perturbation_networks_rate_has_a_parameter_of_its_own():
    groups = [("perturber.*", {"lr": 1e-7})]
    with pytest.raises(ValueError, match="optimizer__param_groups of 'perturber'"):
        make("MetaIADAClassifier", net_params={"optimizer__param_groups": groups}).fit(X, y)
    groups = [("model.*", {"lr": 1e-3})]
    make("MetaIADAClassifier", net_params={"optimizer__param_groups": groups}).fit(X, y)


def test_image_files_in_both_sets_are_noticed(tmp_path):
    from PIL import Image

    paths = [tmp_path / f"{i}.png" for i in range(20)]
    for path, image in zip(paths, IMAGES, strict=False):
        Image.fromarray((image.transpose(1, 2, 0) * 255).astype(np.uint8)).save(path)
    with pytest.warns(DebiasWarning, match="`X_meta` shares 4 of its 4 rows"):
        make("MetaWeightNetClassifier", module="linear").fit(
            paths, y[:20], X_meta=paths[:4], y_meta=y[:4]
        )


def test_characteristics_that_end_finite_are_named():
    def late(samples):  # finite for the samples it is tried on
        return torch.stack(
            [samples.epsilon, samples.logits[:, 0] / (samples.class_loss.sum() < 1.2)], 1
        )

    with pytest.raises(DivergedError, match="characteristics"):
        make("MetaIADAClassifier", characteristics=late, warmup=0).fit(X, y)
