"""Algorithms 1-3 of BiasAdv, LfF and JTT as printed, in plain torch, against the estimators.

In each iteration: weights, attack, update of the biased net, update of the model. Both nets have an
optimiser of their own here, and every sum runs row by row.
"""

from functools import partial

import numpy as np
import pytest
import torch
from torch import nn

from sklearn_debias import BiasAdvClassifier, ERMClassifier, JTTClassifier, LfFClassifier
from sklearn_debias.training import Streams

N, D, K = 24, 5, 3
EPOCHS, IDENTIFICATION, LR, SEED = 2, 2, 0.1, 11


def start(seed, n_features, n_classes):
    """A network whose weights depend on ``seed`` alone."""
    generator = torch.Generator().manual_seed(seed)
    module = nn.Sequential(nn.Linear(n_features, 6), nn.Tanh(), nn.Linear(6, n_classes))
    module.float()  # whatever the default is: a fit begins in float32, as written, and casts
    for parameter in module.parameters():
        nn.init.normal_(parameter, std=0.4, generator=generator)
    return module


@pytest.fixture(scope="module")
def rows():
    rng = np.random.default_rng(3)
    return rng.normal(size=(N, D)), rng.integers(K, size=N)


def log_probability(net, x, label):
    return net(x[None]).log_softmax(1)[0, label]


def losses(net, X, y):
    return [-log_probability(net, x, label) for x, label in zip(X, y, strict=True)]


def mean(values):
    return sum(values) / len(values)


def gce(loss, q=0.7, factor=True):
    """Cross entropy times its detached weight."""
    return (q if factor else 1.0) * torch.exp(-loss.detach()) ** q * loss


def attacked(model, biased, x, label, *, lam, epsilon, n_steps, norm):
    """PGD on one sample, both nets as they are."""
    step, moved = min(2.5 * epsilon / n_steps, epsilon), x.clone()
    for _ in range(n_steps):
        moved = moved.detach().requires_grad_()
        goal = -log_probability(biased, moved, label) + lam * log_probability(model, moved, label)
        (g,) = torch.autograd.grad(goal, moved)
        with torch.no_grad():
            if norm == "l2":
                away = moved + step * g / (g.norm() + 1e-12) - x
                away = away if away.norm() <= epsilon else away * epsilon / away.norm()
            else:
                away = (moved + step * g.sign() - x).clamp(-epsilon, epsilon)
            moved = x + away
    return moved.detach()


def batches(phase, visited, batch_size, epochs):
    """The documented order: one permutation per epoch, from the stream of the phase."""
    generator = Streams(SEED).generator("order", phase)
    for _ in range(epochs):
        yield from visited[torch.randperm(len(visited), generator=generator)].split(batch_size)


class Trainer:
    """Two nets, an optimiser each."""

    def __init__(self, optimizer):
        self.model, self.biased = (start(seed, D, K).double() for seed in (0, 1))
        self.optimizers = {
            net: optimizer(net.parameters(), lr=LR) for net in (self.model, self.biased)
        }

    def update(self, net, loss):
        self.optimizers[net].zero_grad()
        loss.backward(inputs=list(net.parameters()))
        self.optimizers[net].step()


def algorithm(base, X, y, batch_size, optimizer, *, beta=0.0, upweight=4, **attack):
    """Train by the algorithm of ``base`` and return both nets."""
    t, visited = Trainer(optimizer), torch.arange(len(X))
    if base == "jtt":
        for index in batches("identification", visited, batch_size, IDENTIFICATION):
            t.update(t.biased, mean(losses(t.biased, X[index], y[index])))
        wrong = [i for i in range(len(X)) if int(t.biased(X[i]).argmax()) != int(y[i])]
        visited = torch.tensor(
            [i for i in range(len(X)) for _ in range(upweight if i in wrong else 1)]
        )
        t.error_set = wrong
        t.optimizers[t.model] = optimizer(t.model.parameters(), lr=LR)
    for index in batches("train", visited, batch_size, EPOCHS):
        x, label = X[index], y[index]
        of_model, of_biased = losses(t.model, x, label), losses(t.biased, x, label)
        w, w_adv = [1.0] * len(x), [beta] * len(x)
        if base == "lff":
            w = [(b / (b + m + 1e-8)).item() for b, m in zip(of_biased, of_model, strict=True)]
            w_adv = [beta * (1 - value) for value in w]
        twins = [
            attacked(t.model, t.biased, a, c, **attack) if beta else a
            for a, c in zip(x, label, strict=True)
        ]
        if base != "jtt":
            t.update(t.biased, mean([gce(loss) for loss in of_biased]))
        risk = mean([a * loss for a, loss in zip(w, of_model, strict=True)])
        if beta:
            risk = risk + mean(
                [a * loss for a, loss in zip(w_adv, losses(t.model, twins, label), strict=True)]
            )
        t.update(t.model, risk)
    return t


RAW = {"ema": 0.0, "class_normalize": False}
JTT = {"identification_epochs": IDENTIFICATION, "upweight": 4}
ATTACK = {"lam": 0.6, "epsilon": 0.7, "n_steps": 3}


def settings(batch_size, **options):
    return {
        "module": partial(start, 0),
        "lr": LR,
        "max_epochs": EPOCHS,
        "batch_size": batch_size,
        "weight_decay": 0.0,
        "dtype": "float64",
        "random_state": SEED,
        **options,
    }


def assert_same(fitted, expected):
    for actual, wanted in zip(fitted.parameters(), expected.parameters(), strict=True):
        torch.testing.assert_close(actual, wanted, rtol=0, atol=1e-10)


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
@pytest.mark.parametrize("batch_size", [N, 7])
@pytest.mark.parametrize("norm", ["l2", "linf"])
@pytest.mark.parametrize("base", ["erm", "jtt", "lff"])
def test_biasadv_is_its_algorithm(base, norm, batch_size, optimizer, rows):
    X, y = rows
    bases = {"erm": "erm", "jtt": JTTClassifier(**JTT), "lff": LfFClassifier(**RAW)}
    rule = {"sgd": torch.optim.SGD, "adam": torch.optim.Adam}[optimizer]
    options = settings(batch_size, optimizer=rule, biased_module=partial(start, 1))
    clf = BiasAdvClassifier(base=bases[base], beta=0.8, norm=norm, **ATTACK, **options).fit(X, y)
    X, y = torch.from_numpy(X), torch.from_numpy(y)
    expected = algorithm(base, X, y, batch_size, rule, beta=0.8, norm=norm, **ATTACK)
    assert_same(clf.module_, expected.model)
    assert_same(clf.biased_module_, expected.biased)


def test_lff_is_its_algorithm(rows):
    clf = LfFClassifier(
        **RAW, **settings(7, optimizer=torch.optim.SGD, biased_module=partial(start, 1))
    ).fit(*rows)
    expected = algorithm("lff", *map(torch.from_numpy, rows), 7, torch.optim.SGD)
    assert_same(clf.module_, expected.model)
    assert_same(clf.biased_module_, expected.biased)


def test_jtt_is_its_algorithm(rows):
    clf = JTTClassifier(
        **JTT, **settings(7, optimizer=torch.optim.SGD, biased_module=partial(start, 1))
    ).fit(*rows)
    expected = algorithm("jtt", *map(torch.from_numpy, rows), 7, torch.optim.SGD)
    assert clf.error_set_.tolist() == expected.error_set
    assert_same(clf.module_, expected.model)
    assert_same(clf.biased_module_, expected.biased)


def bits(module):
    return [value.numpy().tobytes() for value in module.state_dict().values()]


def uneven(n_features, n_classes):
    """BatchNorm and Dropout: what a stray forward pass or random number would show in."""
    body = nn.Sequential(nn.Linear(n_features, 6), nn.BatchNorm1d(6), nn.ReLU(), nn.Dropout(0.3))
    return nn.Sequential(*body, nn.Linear(6, n_classes))


@pytest.mark.parametrize("module", ["linear", uneven], ids=["linear", "norm and dropout"])
@pytest.mark.parametrize(
    "base", [ERMClassifier(), JTTClassifier(**JTT), LfFClassifier()], ids=["erm", "jtt", "lff"]
)
def test_with_beta_zero_biasadv_is_its_base_to_the_last_bit(base, module, rows):
    options = settings(7, module=module)
    augmented = BiasAdvClassifier(base=base, beta=0, **options).fit(*rows)
    plain = base.__class__(**{**base.get_params(deep=False), **options}).fit(*rows)
    assert bits(augmented.module_) == bits(plain.module_)


@pytest.mark.parametrize("module", ["linear", uneven], ids=["linear", "norm and dropout"])
@pytest.mark.parametrize("upweight_by", ["duplicate", "weight"])
def test_jtt_with_upweight_one_is_erm_to_the_last_bit(upweight_by, module, rows):
    options = settings(7, module=module)
    jtt = JTTClassifier(
        identification_epochs=1, upweight=1, upweight_by=upweight_by, **options
    ).fit(*rows)
    assert bits(jtt.module_) == bits(ERMClassifier(**options).fit(*rows).module_)


def test_the_length_of_the_first_phase_does_not_shift_the_numbers_of_the_second(rows):
    first, second = (
        JTTClassifier(identification_epochs=epochs, upweight=1, **settings(7, module=uneven)).fit(
            *rows
        )
        for epochs in (1, 2)
    )
    assert bits(first.module_) == bits(second.module_)
