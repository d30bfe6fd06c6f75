"""Robust accuracy: the rule, the queue of rows, and what it leaves alone."""

import copy
import pickle

import numpy as np
import pytest
import torch
from attacked import CODES, EPSILON, IMAGES, NET, X, conv, y
from scipy.stats import binomtest
from sklearn.base import clone
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_score, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import nn

from sklearn_debias import ClassScaling, DFRClassifier, ERMClassifier
from sklearn_debias.attacks import FGSM, PGD, CarliniWagner, RandomSearch, Threat
from sklearn_debias.datasets import load_biased_digits
from sklearn_debias.fitting import open_model
from sklearn_debias.robustness import (
    adversarial_examples,
    epsilon_sweep,
    robust_accuracy,
    robust_accuracy_score,
    robust_generalization_gap_score,
    transfer_accuracy_score,
)

QUICK = {"max_epochs": 3, "lr": 0.05, "random_state": 0}


def by_any_iterate(attack, epsilon):
    """Accuracy by all steps of all rows at once: right as it is, and at no point on the way."""
    x, t, threat = (
        torch.from_numpy(IMAGES),
        torch.from_numpy(CODES),
        Threat(epsilon, clip=(0.0, 1.0)),
    )
    right = NET(x).argmax(1) == t
    state = attack.begin(x, threat, torch.zeros(len(x), dtype=torch.int64))
    while True:
        look = attack.step(NET, x, t, threat, state)
        right &= NET(look.point).argmax(1) == t
        if look.over.all():
            return right.double().mean().item()
        state = look.state


@pytest.mark.parametrize("epsilon", [0.0, 0.01, 0.03, 0.1, 1.0])
@pytest.mark.parametrize(
    "attack", [FGSM(), PGD(7, random_start=False), PGD(12, loss="margin", random_start=False)]
)
def test_leaving_early_gives_what_all_steps_give(attack, epsilon):
    score = robust_accuracy_score(NET, IMAGES, CODES, attack=attack, epsilon=epsilon)
    assert score == pytest.approx(by_any_iterate(attack, epsilon), abs=1e-12)


def test_the_last_point_is_that_of_the_attack():
    attack, threat = PGD(5, random_start=False), Threat(EPSILON, clip=(0.0, 1.0))
    moved = adversarial_examples(NET, IMAGES, CODES, attack=attack, epsilon=EPSILON, judge="last")
    expected = attack.attack(NET, torch.from_numpy(IMAGES), torch.from_numpy(CODES), threat)
    torch.testing.assert_close(torch.from_numpy(moved), expected, atol=1e-6, rtol=0)


ATTACKS = [FGSM(), PGD(6), PGD(5, restarts=3), RandomSearch(10)]


@pytest.mark.parametrize("judge", ["any", "last"])
@pytest.mark.parametrize("attack", ATTACKS)
def test_neither_order_nor_company_matters(attack, judge):
    options = {"attack": attack, "epsilon": EPSILON, "judge": judge, "random_state": 3}
    whole, order = (
        adversarial_examples(NET, IMAGES, CODES, **options),
        np.random.default_rng(0).permutation(70),
    )
    np.testing.assert_array_equal(
        adversarial_examples(NET, IMAGES[order], CODES[order], **options), whole[order]
    )
    parts = [
        adversarial_examples(NET, IMAGES[i : i + 13], CODES[i : i + 13], **options)
        for i in range(0, 70, 13)
    ]
    np.testing.assert_array_equal(np.concatenate(parts), whole)


def test_a_seed_decides_the_starts():
    options = {"attack": PGD(1, step_size=1e-6), "epsilon": EPSILON, "judge": "last"}
    one, again, other = (
        adversarial_examples(NET, IMAGES, CODES, random_state=s, **options) for s in (0, 0, 1)
    )
    np.testing.assert_array_equal(one, again)
    assert (one != other).any(axis=(1, 2, 3)).all()


@pytest.mark.parametrize("norm", ["linf", "l2"])
@pytest.mark.parametrize("judge", ["any", "last"])
@pytest.mark.parametrize("attack", ["fgsm", "pgd-5", RandomSearch(40), CarliniWagner(10, 2)])
def test_examples_are_in_the_ball_and_fool_where_the_score_says(attack, judge, norm):
    if isinstance(attack, CarliniWagner) and norm == "linf":
        pytest.skip("it minimises the L2 norm")
    epsilon = EPSILON if norm == "linf" else 0.2
    options = {"attack": attack, "epsilon": epsilon, "norm": norm, "judge": judge}
    moved = adversarial_examples(NET, IMAGES, CODES, **options)
    delta = (moved - IMAGES).reshape(70, -1)
    assert np.linalg.norm(delta, axis=1, ord=np.inf if norm == "linf" else 2).max() <= epsilon * (
        1 + 1e-5
    )
    assert moved.min() >= 0
    assert moved.max() <= 1
    with torch.no_grad():
        still = NET(torch.from_numpy(moved)).argmax(1).numpy() == CODES
        clean = NET(torch.from_numpy(IMAGES)).argmax(1).numpy() == CODES
    assert robust_accuracy_score(NET, IMAGES, CODES, **options) == (still & clean).mean()


def test_restarts_only_find_more():
    scores = [
        robust_accuracy_score(NET, IMAGES, CODES, attack=PGD(2, restarts=n), epsilon=EPSILON)
        for n in (1, 2, 5)
    ]
    assert scores == sorted(scores, reverse=True)


def test_uint8_images_are_those_in_0_1():
    grey = (IMAGES * 255).astype(np.uint8)
    assert robust_accuracy_score(NET, grey, CODES) == robust_accuracy_score(
        NET, grey.astype(np.float32) / 255, CODES, epsilon=8 / 255
    )


@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 8, 12)])
def test_single_channel_and_non_square_images(shape):
    images = np.random.default_rng(0).random((5, *shape), dtype=np.float32)
    net = nn.Sequential(
        nn.Conv2d(shape[0], 4, 3, 2, 1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()
    )
    assert 0 <= robust_accuracy_score(net, images, np.arange(5) % 4, attack="pgd-3") <= 1


NOISY = nn.Sequential(
    nn.Conv2d(3, 4, 3),
    nn.BatchNorm2d(4),
    nn.ReLU(inplace=True),
    nn.Dropout(0.5),
    nn.Flatten(),
    nn.Linear(144, 3),
)


def test_nothing_of_the_model_or_the_caller_is_changed():
    net = copy.deepcopy(NOISY).train()
    net[0].weight.grad = torch.ones_like(net[0].weight)
    net[5].bias.requires_grad_(False)
    state, images, codes = copy.deepcopy(net.state_dict()), IMAGES.copy(), CODES.copy()
    rngs = torch.get_rng_state(), np.random.get_state()[1].copy(), torch.get_num_threads()  # noqa: NPY002
    with torch.no_grad():
        first = adversarial_examples(net, images, codes, attack=PGD(3, restarts=2), epsilon=EPSILON)
    with torch.inference_mode():
        np.testing.assert_array_equal(
            adversarial_examples(net, images, codes, attack=PGD(3, restarts=2), epsilon=EPSILON),
            first,
        )
    assert all(torch.equal(state[name], value) for name, value in net.state_dict().items())
    assert net.training
    assert net[3].training
    assert net[0].weight.grad.eq(1).all()
    assert net[5].weight.grad is None
    assert [p.requires_grad for p in net.parameters()] == [True] * 5 + [False]
    np.testing.assert_array_equal(images, IMAGES)
    np.testing.assert_array_equal(codes, CODES)
    assert torch.equal(torch.get_rng_state(), rngs[0])
    np.testing.assert_array_equal(np.random.get_state()[1], rngs[1])  # noqa: NPY002
    assert torch.get_num_threads() == rngs[2]


@pytest.fixture(scope="module")
def head():
    return ERMClassifier(**QUICK).fit(X, np.array(["no", "yes"])[y])


@pytest.mark.parametrize("epsilon", [0, 0.0])
def test_a_radius_of_zero_is_the_accuracy(head, epsilon):
    labels = np.array(["no", "yes"])[y]
    assert robust_accuracy_score(head, X, labels, epsilon=epsilon) == head.score(X, labels)


def test_a_linear_head_is_as_robust_as_its_margin_says(head):
    weight = head.module_.state_dict()
    W, b = (weight[name].double().numpy() for name in sorted(weight, reverse=True))
    margin = (X @ (W[1] - W[0]) + b[1] - b[0]) * np.where(y == 1, 1, -1)
    for epsilon in (0.1, 0.5, 1.0):
        expected = (margin > epsilon * np.abs(W[1] - W[0]).sum()).mean()
        assert (
            robust_accuracy_score(head, X, np.array(["no", "yes"])[y], epsilon=epsilon) == expected
        )


def test_rows_of_a_head_do_not_depend_on_their_neighbours(head):
    labels, order = np.array(["no", "yes"])[y], np.random.default_rng(0).permutation(100)
    options = {"attack": PGD(4, restarts=2), "epsilon": 0.3}
    whole = adversarial_examples(head, X, labels, **options)
    assert whole.dtype == np.float64
    np.testing.assert_array_equal(
        adversarial_examples(head, X[order], labels[order], **options), whole[order]
    )
    np.testing.assert_array_equal(
        adversarial_examples(head, X[:9], labels[:9], **options), whole[:9]
    )


BIAS = np.arange(100) % 2
WRAPPED = {
    "dfr": lambda: DFRClassifier(n_resamples=2, random_state=0).fit(X, y, bias_labels=BIAS),
    "dfr of three": lambda: DFRClassifier(n_resamples=2, random_state=0).fit(
        X, y + (X[:, 0] > 0.5), bias_labels=y
    ),
    "scaled": lambda: ClassScaling(ERMClassifier(**QUICK)).fit(X, y, bias_labels=BIAS),
    "scaled mlp": lambda: ClassScaling(ERMClassifier(**QUICK, module="mlp")).fit(
        X, y, bias_labels=BIAS
    ),
    "scaled dfr": lambda: ClassScaling(WRAPPED["dfr"]()).fit(X, y, bias_labels=BIAS),
}


@pytest.mark.parametrize("name", WRAPPED)
@pytest.mark.filterwarnings("ignore::sklearn_debias.exceptions.DebiasWarning")
def test_what_is_no_network_can_be_opened_too(name):
    clf = WRAPPED[name]()
    before = torch.get_rng_state()
    opened = open_model(clf, X, clf.predict(X))
    assert torch.equal(torch.get_rng_state(), before)
    codes = torch.cat(list(opened.batches(lambda x, y, index: opened.net(x)))).argmax(1)
    np.testing.assert_array_equal(clf.classes_[codes], clf.predict(X))
    assert torch.equal(opened.y, codes)
    body = torch.cat(list(opened.batches(lambda x, y, index: opened.net.head(opened.net.body(x)))))
    assert torch.equal(body.argmax(1), codes)
    assert robust_accuracy_score(clf, X, y, epsilon=0) == clf.score(X, y)
    assert robust_accuracy_score(clf, X, y, epsilon=0.5, attack="pgd-5") < clf.score(X, y)


def test_a_wrapped_stranger_is_refused():
    clf = ClassScaling(LogisticRegression().fit(X, y)).fit(X, y, bias_labels=BIAS)
    with pytest.raises(
        TypeError, match="must be a fitted classifier of sklearn_debias or a torch module"
    ):
        robust_accuracy_score(clf, X, y, epsilon=0.1)


def test_gap_is_the_difference(head):
    labels = np.array(["no", "yes"])[y]
    rows = np.arange(100) % 2 == 0
    a, b = (robust_accuracy_score(head, X[r], labels[r], epsilon=0.3) for r in (rows, ~rows))
    gap = robust_generalization_gap_score(
        head, X[rows], labels[rows], X[~rows], labels[~rows], epsilon=0.3
    )
    assert gap == a - b


def test_an_error_says_which_pair_it_is_about(head):
    labels = np.array(["no", "yes"])[y]
    with pytest.raises(ValueError, match="one label per row") as caught:
        robust_generalization_gap_score(head, X, labels, X, labels[:3], epsilon=0.1)
    assert caught.value.__notes__ == ["`X` and `y` are X_test, y_test here."]


def test_transfer_to_itself_is_the_attack_and_to_another_is_weaker():
    options = {"attack": PGD(5), "epsilon": 0.05}
    to_itself = transfer_accuracy_score(NET, NET, IMAGES, CODES, **options)
    moved = adversarial_examples(NET, IMAGES, CODES, judge="last", **options)
    with torch.no_grad():
        assert to_itself == (NET(torch.from_numpy(moved)).argmax(1).numpy() == CODES).mean()
    other = conv()
    with torch.no_grad():
        other[3].weight += 0.05 * torch.randn(
            other[3].weight.shape, generator=torch.Generator().manual_seed(0)
        )
    assert transfer_accuracy_score(other, NET, IMAGES, CODES, **options) >= to_itself
    assert transfer_accuracy_score(NET, NET, IMAGES, CODES, epsilon=0) == (
        robust_accuracy_score(NET, IMAGES, CODES, epsilon=0)
    )


def test_transfer_to_what_only_predicts(head):
    """Judge a forest or a pipeline by `predict`, on the points where the source's attack ends."""
    labels = head.predict(X)
    points = adversarial_examples(head, X, labels, epsilon=0.5, judge="last", attack="pgd-5")
    strangers = [
        LogisticRegression().fit(X, labels),
        make_pipeline(StandardScaler(), clone(head)).fit(X, labels),
    ]
    for target in strangers:
        score = transfer_accuracy_score(head, target, X, labels, epsilon=0.5, attack="pgd-5")
        assert score == target.score(points, labels) < target.score(X, labels)
    score = transfer_accuracy_score(
        FrozenEstimator(head), FrozenEstimator(strangers[0]), X, labels, epsilon=0.5
    )
    assert 0 <= score < 1


def test_sweep_starts_at_the_accuracy_and_never_rises():
    table = epsilon_sweep(NET, IMAGES, CODES, epsilons=[0.1, 0, 0.01, 0.03], attack="pgd-5")
    assert table.epsilon.tolist() == [0, 0.01, 0.03, 0.1]
    assert table.accuracy[0] == robust_accuracy_score(NET, IMAGES, CODES, epsilon=0)
    assert (table.accuracy.diff().dropna() <= 0).all()
    for hits, low, high in zip(70 * table.accuracy, table.lower, table.upper, strict=True):
        assert (low, high) == pytest.approx(
            binomtest(round(hits), 70).proportion_ci(0.95), abs=1e-12
        )
    assert len(epsilon_sweep(NET, IMAGES, CODES, attack="fgsm")) == 6


def test_scorer_can_be_shown_copied_pickled_and_compared():
    scorer = robust_accuracy(PGD(3, loss="margin"), epsilon=0.1, worst_group=True)
    assert repr(scorer).startswith("robust_accuracy(PGD(n_steps=3")
    assert eval(repr(scorer), {"robust_accuracy": robust_accuracy, "PGD": PGD}) == scorer
    for copied in (
        copy.deepcopy(scorer),
        pickle.loads(pickle.dumps(scorer)),
        clone(scorer, safe=False),
    ):
        assert copied == scorer


def test_scorer_in_a_search():
    search = GridSearchCV(
        ERMClassifier(**QUICK),
        {"weight_decay": [0.0, 1.0]},
        scoring={"accuracy": "accuracy", "robust": robust_accuracy("pgd-3", epsilon=0.3)},
        refit="robust",
        cv=2,
    ).fit(X, y)
    scores = search.cv_results_
    assert (scores["mean_test_robust"] < scores["mean_test_accuracy"]).all()
    plain = cross_val_score(
        ERMClassifier(**QUICK), X, y, scoring=robust_accuracy("fgsm", epsilon=0), cv=2
    )
    np.testing.assert_array_equal(plain, cross_val_score(ERMClassifier(**QUICK), X, y, cv=2))


def test_worst_group_scorer_by_metadata_routing():
    import sklearn

    scorer = robust_accuracy("pgd-3", epsilon=0.3, worst_group=True)
    fitted = ERMClassifier(**QUICK).fit(X, y, bias_labels=BIAS)
    assert scorer(fitted, X, y, BIAS) <= robust_accuracy("pgd-3", epsilon=0.3)(fitted, X, y)
    with sklearn.config_context(enable_metadata_routing=True):
        scores = cross_validate(
            ERMClassifier(**QUICK),
            X,
            y,
            scoring=scorer,
            cv=2,
            params={"bias_labels": BIAS},
            return_estimator=True,
        )
    assert np.isfinite(scores["test_score"]).all()
    with pytest.raises(ValueError, match="`bias_labels` did not reach"):
        scorer(fitted, X, y)


def test_scorer_as_monitor_on_images():
    train = load_biased_digits(conflict_ratio=0.2, random_state=0).train
    clf = ERMClassifier(
        module="simple_cnn",
        max_epochs=3,
        validation=0.3,
        monitor=robust_accuracy("pgd-2", epsilon=0.05),
        random_state=0,
    ).fit(train.data[:200], train.target[:200])
    assert len(clf.history_) == 3
    assert clf.history_["validation_score"].between(0, 1).all()


def test_worst_group_scorer_as_monitor():
    scorer = robust_accuracy("pgd-2", epsilon=0.1, worst_group=True)
    clf = ERMClassifier(**QUICK, validation=0.3, monitor=scorer).fit(X, y, bias_labels=BIAS)
    assert clf.history_["validation_score"].max() > 0


def test_progress_is_shown_on_request_only(capsys):
    robust_accuracy_score(NET, IMAGES, CODES, attack="pgd-2")
    assert capsys.readouterr() == ("", "")
    robust_accuracy_score(NET, IMAGES, CODES, attack="pgd-2", verbose=1)
    assert "PGD" in capsys.readouterr().err
