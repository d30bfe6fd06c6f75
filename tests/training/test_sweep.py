"""The parts of a sweep: numbers that vary, optimisers, layout, memory."""

import copy
import weakref
from functools import partial

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from sklearn.base import clone
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import nn
from torch.func import vmap
from torch.utils._python_dispatch import TorchDispatchMode

from sklearn_debias import ERMClassifier, LfFClassifier
from sklearn_debias.core import Phase
from sklearn_debias.feature_extraction import Embedder
from sklearn_debias.model_selection import BatchedGridSearchCV
from sklearn_debias.model_selection.batched._layout import ClassesFirst
from sklearn_debias.model_selection.batched._members import Member
from sklearn_debias.model_selection.batched._stacked_optimizers import (
    optimizer_settings,
    stack_optimizer,
)
from sklearn_debias.model_selection.batched._structure import (
    fingerprint,
    settings_of,
    structure,
    with_settings,
)
from sklearn_debias.model_selection.batched._sweep import _Run
from sklearn_debias.objectives import ERM, BiasAdv, LfF, UpweightErrors

KINDS = [
    (torch.optim.SGD, {}),
    (torch.optim.SGD, {"momentum": 0.9}),
    (torch.optim.SGD, {"momentum": 0.9, "nesterov": True, "maximize": True}),
    (torch.optim.SGD, {"momentum": 0.9, "dampening": 0.3}),
    (torch.optim.Adam, {"betas": (0.8, 0.99), "eps": 1e-6}),
    (torch.optim.Adam, {"amsgrad": True}),
    (torch.optim.AdamW, {"maximize": True}),
]
LR, DECAY = [0.1, 0.01, 0.3], [0.0, 0.1, 0.01]


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize(("kind", "options"), KINDS)
def test_stacked_optimizers_do_the_arithmetic_of_torchs(kind, options, dtype):
    generator = torch.Generator().manual_seed(0)
    draw = partial(torch.randn, generator=generator, dtype=dtype)
    start, key = draw(3, 4, 2), ("model", "weight")
    alone = [nn.Parameter(p.clone()) for p in start]
    each = [
        kind([p], lr=lr, weight_decay=wd, **options)
        for p, lr, wd in zip(alone, LR, DECAY, strict=True)
    ]
    stacked = start.clone()
    together = stack_optimizer(each[0], {key: stacked}, {key: torch.tensor(DECAY, dtype=dtype)})
    together.set_lr({key: torch.tensor(LR, dtype=dtype)})
    for rows in (slice(None), slice(1, 3), torch.tensor([0, 2]), slice(None), torch.tensor([2, 0])):
        members = torch.arange(3)[rows]
        gradient = draw(len(members), 4, 2)
        for i, g in zip(members.tolist(), gradient, strict=True):
            alone[i].grad = g.clone()
            each[i].step()
        together.step(rows, {key: gradient})
    torch.testing.assert_close(
        stacked,
        torch.stack([p.detach() for p in alone]),
        atol=1e-12 if dtype == torch.float64 else 1e-6,
        rtol=0,
    )


def test_gradients_that_are_one_tensor_are_not_used_up_twice():
    stacked = {("model", name): torch.ones(2, 3) for name in "ab"}
    like = torch.optim.Adam([nn.Parameter(torch.ones(3))], lr=0.1)
    together = stack_optimizer(like, stacked, {})
    together.set_lr({key: torch.full((2,), 0.1) for key in stacked})
    gradient = torch.ones(2, 3)
    together.step(slice(None), dict.fromkeys(stacked, gradient))
    assert torch.equal(stacked["model", "a"], stacked["model", "b"])


def test_optimizers_that_cannot_be_stacked_are_named():
    weight = [nn.Parameter(torch.zeros(2)), nn.Parameter(torch.zeros(2))]
    with pytest.raises(
        TypeError, match="`optimizer`=LBFGS cannot train a stack.*SGD, Adam, AdamW.*GridSearchCV"
    ):
        optimizer_settings(torch.optim.LBFGS(weight))
    groups = [{"params": weight[:1]}, {"params": weight[1:], "momentum": 0.5}]
    with pytest.raises(
        ValueError, match="`optimizer__param_groups` .*lr and weight_decay only.*GridSearchCV"
    ):
        optimizer_settings(torch.optim.SGD(groups, momentum=0.9))
    settings = [optimizer_settings(torch.optim.SGD(weight, momentum=m)) for m in (0.9, 0.9, 0.5)]
    assert settings[0] == settings[1] != settings[2]


def test_the_layout_changes_speed_and_nothing_else():
    generator = torch.Generator().manual_seed(0)
    draw = partial(torch.randn, generator=generator, dtype=torch.float64)
    x, weight, bias = draw(7, 5), draw(4, 3, 5), draw(4, 3)
    y, index = torch.tensor([0, 1, 2, 0, 1, 2, 0]), torch.tensor([4, 0, 2])

    def outputs(weight, bias):
        z = F.linear(x, weight, bias)
        losses = (
            F.cross_entropy(z, y, reduction="none"),
            F.cross_entropy(z, y),
            F.cross_entropy(z, z.softmax(1)),
        )
        smooth = F.cross_entropy(z, y, reduction="none", label_smoothing=0.1)
        return (
            z,
            *losses,
            smooth,
            z.softmax(-1),
            z.log_softmax(-1),
            z.argmax(-1),
            z[:, 0][index],
            z.softmax(0),
        )

    expected = vmap(outputs)(weight, bias)
    with ClassesFirst():
        found = vmap(outputs)(weight, bias)
    for one, other in zip(expected, found, strict=True):
        torch.testing.assert_close(other, one, atol=1e-12, rtol=0)


def test_numbers_of_an_objective_are_found_inside_it_and_put_back():
    objective = BiasAdv(base=LfF(q=0.5, ema=0.0), beta=1.0)
    settings = settings_of(objective)
    assert settings == {
        ("base", "q"): 0.5,
        ("base", "ema"): 0.0,
        ("lam",): 0.5,
        ("epsilon",): 0.3,
        ("beta",): 1.0,
        ("q",): 0.7,
    }
    changed = with_settings(objective, {("base", "q"): 0.6, ("lam",): 0.2})
    assert (changed.base.q, changed.base.ema, changed.lam, changed.beta) == (0.6, 0.0, 0.2, 1.0)
    assert settings_of(objective, exact=True).keys() == settings.keys() - {
        ("base", "ema"),
        ("beta",),
    }


def test_structure_is_what_numbers_do_not_change():
    def of(objective, epochs=3, exact=False):
        return structure((Phase("train", (objective,), epochs),), exact=exact)

    assert of(LfF(q=0.5)) == of(LfF(q=0.6, ema=0.0))
    assert (
        of(LfF(ema=0.5), exact=True)
        != of(LfF(ema=0.0), exact=True)
        == of(LfF(ema=0.0, q=0.5), exact=True)
    )
    different = [
        of(LfF()),
        of(LfF(), epochs=4),
        of(LfF(gce_factor=False)),
        of(ERM()),
        of(BiasAdv()),
        of(BiasAdv(step_size=0.1)),
        of(BiasAdv(n_steps=2)),
        of(BiasAdv(base=UpweightErrors())),
        of(BiasAdv(base=UpweightErrors(duplicate=False))),
        of(BiasAdv(clip=(torch.zeros(2), torch.ones(2)))),
    ]
    assert len(set(different)) == len(different)


def test_fingerprints_of_clones_are_equal():
    def pair(seed):
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            return nn.Sequential(nn.Linear(2, 3), nn.Dropout(0.1 * seed))

    assert fingerprint(pair(1)) == fingerprint(pair(1)) != fingerprint(pair(2))
    assert fingerprint(partial(F.relu, inplace=True)) == fingerprint(partial(F.relu, inplace=True))
    assert fingerprint({"a": np.arange(3), "b": (1, 2)}) == fingerprint(
        {"b": (1, 2), "a": np.arange(3)}
    )
    assert len({fingerprint(v) for v in (1, 1.0, True, "1", None, (1,), [1])}) == 7
    function = lambda x: x  # noqa: E731
    assert fingerprint(function) == fingerprint(function)
    embedder = make_pipeline(Embedder(pair(1)), StandardScaler())
    assert fingerprint(clone(embedder)) == fingerprint(clone(embedder))
    assert fingerprint(embedder) != fingerprint(make_pipeline(Embedder(pair(2)), StandardScaler()))
    assert fingerprint(StandardScaler()) != fingerprint(
        StandardScaler().set_output(transform="pandas")
    )
    sparse = torch.eye(2).to_sparse()
    assert fingerprint(sparse) == fingerprint(sparse) != fingerprint(sparse.to_dense())
    half, lazy, scaled = pair(1).bfloat16(), nn.LazyLinear(2), pair(1)
    half.scale, half.inside, scaled.scale = 2.0, [half], 3.0
    for module in (half, lazy, scaled, nn.LSTM(2, 3)):
        assert fingerprint(copy.deepcopy(module)) == fingerprint(module)
    assert (
        len({fingerprint(module) for module in (half, lazy, scaled, pair(1), pair(1).half())}) == 5
    )


class Living(TorchDispatchMode):
    """The largest number of bytes in tensors alive at once."""

    def __init__(self):
        super().__init__()
        self.sizes, self.now, self.peak = {}, 0, 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        for tensor in out if isinstance(out, (tuple, list)) else (out,):
            storage = tensor.untyped_storage() if isinstance(tensor, torch.Tensor) else None
            if storage is not None and storage._cdata not in self.sizes:
                self.sizes[storage._cdata] = storage.nbytes()
                self.now += storage.nbytes()
                self.peak = max(self.peak, self.now)
                weakref.finalize(storage, self._gone, storage._cdata)
        return out

    def _gone(self, key):
        self.now -= self.sizes.pop(key)


@pytest.mark.filterwarnings("ignore:The fitted model predicts")
@pytest.mark.parametrize(("optimizer", "slots"), [("adam", 2), ("sgd", 1), (torch.optim.SGD, 0)])
def test_peak_memory_is_data_parameters_gradients_and_slots(optimizer, slots, monkeypatch):
    rng = np.random.default_rng(0)
    n, d, settings, memory, train = 120, 2000, 60, Living(), _Run.train
    X, y = rng.standard_normal((n, d), dtype=np.float32), np.arange(n) % 2
    model = ERMClassifier(optimizer=optimizer, max_epochs=2, batch_size=8, random_state=0)

    def watched(run, progress):
        with memory:
            train(run, progress)

    def leaving(member):
        with memory:
            leave(member)
            left.append(memory.now)

    left, leave = [], Member.leave
    monkeypatch.setattr(_Run, "train", watched)
    monkeypatch.setattr(Member, "leave", leaving)
    one_fold = [(np.arange(100), np.arange(100, n))]
    BatchedGridSearchCV(
        model, {"lr": np.logspace(-4, -2, settings).tolist()}, cv=one_fold, refit=False
    ).fit(X, y)
    stacked, data = settings * (2 * d + 2) * 4, X.nbytes
    activations = settings * 8 * 2 * 4 * 20
    assert (2 + slots) * stacked < memory.peak <= data + (2 + slots) * stacked + activations
    assert len(left) == settings
    assert max(left) <= data + 2 * stacked  # the stack, and the copies that replace it


def test_runs_of_one_member_and_small_budgets_reach_the_same():
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((60, 4)), np.arange(60) % 3
    model = LfFClassifier(max_epochs=2, dtype="float64", random_state=0)
    scores = [
        BatchedGridSearchCV(model, {"q": [0.2, 0.5, 0.9]}, cv=3, memory=memory)
        .fit(X, y)
        .cv_results_["mean_test_score"]
        for memory in (1, 20_000, "1GB")
    ]
    np.testing.assert_array_equal(scores[0], scores[1])
    np.testing.assert_array_equal(scores[0], scores[2])
