"""Where several fits follow one another, bad rows of tokens are refused before the first."""

import numpy as np
import pytest
import torch
from sklearn.feature_extraction import DictVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from tokens import N_IDS, Bag, N, bag, columns_of, make_rows
from torch import nn

from sklearn_debias import ClassScaling, ERMClassifier
from sklearn_debias.comparison import compare
from sklearn_debias.core import SplitModule
from sklearn_debias.core.internal import TokenLimits, token_limits
from sklearn_debias.fitting import look_ahead
from sklearn_debias.group_inference import GroupInferrer, InferredGroupsClassifier
from sklearn_debias.testing._reproducibility import Steps

X, y, b = make_rows(longest=30)
OTHERS = make_rows(longest=30, seed=1)[0]
LONG = {"input_ids": [5] * 31}


class Limited(Bag):
    class config:
        max_position_embeddings = 30
        vocab_size = N_IDS


def erm(body=Limited):
    torch.manual_seed(0)
    module = SplitModule(body(), nn.Linear(8, 2))
    return ERMClassifier(module, max_epochs=1, lr=0.01, random_state=0)


def with_long(place, rows=X):
    return [*rows[:place], LONG, *rows[place + 1 :]]


def scaled(rows):
    ClassScaling(erm(), random_state=0).fit(rows, y, bias_labels=b)


def inferred(rows):
    GroupInferrer(estimator=erm(), random_state=0).fit(rows, y)


def trained(rows):
    InferredGroupsClassifier(erm(), inferrer=GroupInferrer(estimator=erm(Bag)), n_checks=0).fit(
        rows, y
    )


@pytest.mark.parametrize("fit", [scaled, inferred, trained])
@pytest.mark.parametrize("form", [list, columns_of])
def test_rows_that_a_later_fit_predicts_are_looked_at_first(fit, form):
    steps = Steps()
    with steps:
        for place in (0, 7, N - 1):
            rows = form([{"input_ids": row["input_ids"]} for row in with_long(place)])
            with pytest.raises(ValueError, match=rf"`X\[{place}\]` has 31 tokens"):
                fit(rows)
    assert steps.taken == 0


def test_validation_rows_are_looked_at_before_groups_are_inferred():
    rows = with_long(3, OTHERS)
    clf = InferredGroupsClassifier(erm(), inferrer=GroupInferrer(estimator=erm(Bag)), n_checks=0)
    steps = Steps()
    with steps:
        for given in ((rows, y), (rows, y, b)):
            with pytest.raises(ValueError, match=r"`validation_data\[0\]\[3\]` has 31 tokens"):
                clf.fit(X, y, validation_data=given)
    assert steps.taken == 0


@pytest.mark.filterwarnings("ignore::sklearn_debias.exceptions.DebiasWarning")
def test_validation_rows_with_bias_labels_need_suit_the_classifier_alone():
    clf = InferredGroupsClassifier(erm(Bag), inferrer=GroupInferrer(estimator=erm()), n_checks=0)
    assert clf.fit(X, y, validation_data=(with_long(3, OTHERS), y, b)).predict(X).shape == (N,)


def test_test_rows_are_looked_at_before_methods_are_compared():
    methods = {"one": ERMClassifier(bag(), max_epochs=1), "other": erm()}
    steps = Steps()
    with steps, pytest.raises(ValueError, match=r"`X of test\[4\]` has 31 tokens"):
        compare(
            methods,
            (X, y, b),
            test=(with_long(4, OTHERS), y, b),
            cv=2,
            n_configurations=1,
            verbose=0,
        )
    assert steps.taken == 0


def shortened(rows):
    return [{"input_ids": row["input_ids"][:30]} for row in rows]


def test_rows_behind_the_steps_of_a_pipeline_are_not_looked_at():
    cut = make_pipeline(FunctionTransformer(shortened), erm())
    ClassScaling(cut, random_state=0).fit(with_long(3), y, bias_labels=b)


@pytest.mark.parametrize("of_hugging_face", [False, True])
def test_rows_that_are_no_tokens_are_left_to_the_estimators(of_hugging_face):
    rows = [{"word": f"w{label}", "size": 1.0 + label} for label in y]
    if of_hugging_face:
        pytest.importorskip("datasets.arrow_dataset")
        import datasets

        rows = datasets.Dataset.from_list(rows)
    clf = make_pipeline(DictVectorizer(sparse=False), LogisticRegression())
    scaled = ClassScaling(clf, random_state=0).fit(rows, y, bias_labels=b)
    assert scaled.score(rows, y) == 1
    # What no estimator can take is for that one to say.
    look_ahead([erm()], rows)
    for others in ([*rows], [*rows, LONG], {"word": ["w"]}, np.zeros((3, 2)), []):
        look_ahead([erm()], others)


def test_splits_and_streams_are_no_rows_to_look_at():
    pytest.importorskip("datasets.arrow_dataset")
    import datasets

    rows = datasets.Dataset.from_list([LONG, LONG])
    for others in (datasets.DatasetDict({"train": rows}), rows.to_iterable_dataset()):
        look_ahead([erm()], others)
    with pytest.raises(ValueError, match="31 tokens"):
        look_ahead([erm()], rows)


def test_limits_are_told_without_splitting_a_network():
    module = SplitModule(Limited(), nn.Linear(8, 2))
    assert token_limits(module) == token_limits(Limited()) == TokenLimits(30, N_IDS)
    assert type(module.body) is Limited
    # A head behind an embedder, or a network of images.
    assert token_limits(nn.Linear(8, 2)) == TokenLimits()
    assert token_limits(nn.DataParallel(module)) == TokenLimits(30, N_IDS)
