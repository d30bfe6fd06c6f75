"""A fit that is interrupted goes on; what cannot go on is refused, with its reason."""

import os
import pickle
import random
import signal
import time
import warnings
from collections import defaultdict, deque
from functools import partial
from multiprocessing import get_context

import joblib
import numpy as np
import pandas as pd
import pytest
import skorch
import torch
import torchvision
from sklearn.base import clone
from sklearn.ensemble import VotingClassifier
from sklearn.model_selection import GridSearchCV
from skorch.callbacks import Callback, EarlyStopping, LRScheduler, ProgressBar
from torch import nn
from torch.optim.lr_scheduler import (
    CosineAnnealingLR,
    LambdaLR,
    MultiStepLR,
    ReduceLROnPlateau,
)

from sklearn_debias import (
    BiasAdvClassifier,
    ERMClassifier,
    JTTClassifier,
    MetaIADAClassifier,
    SELFClassifier,
)
from sklearn_debias.comparison import compare
from sklearn_debias.exceptions import DebiasWarning, DivergedError
from sklearn_debias.model_selection import BatchedGridSearchCV
from sklearn_debias.testing._reproducibility import Steps

pytestmark = pytest.mark.filterwarnings("ignore:The fitted model", "ignore:The error set")


def rows(n=80, shape=(5,), seed=0):
    rng = np.random.default_rng(seed)
    y = np.arange(n) % 2
    X = rng.normal(size=(n, *shape)).astype(np.float32)
    X[:, 0] += y.reshape(-1, *[1] * (len(shape) - 1))
    return X, y


X, y = rows()
ERM = partial(ERMClassifier, max_epochs=6, batch_size=16, lr=0.01, random_state=0)


def state(clf):
    tensors = {name: t.numpy().copy() for name, t in clf.net_.module_.state_dict().items()}
    return tensors, clf.history_.drop(columns="seconds")


def assert_same(one, other):
    (a, before), (b, after) = state(one), state(other)
    assert a.keys() == b.keys()
    for name in a:
        np.testing.assert_array_equal(a[name], b[name], err_msg=name)
    pd.testing.assert_frame_equal(before, after)


def interrupted(make, folder, until, X=X, y=y, **given):
    """Begin a fit that is interrupted at a step, and go on with it in another estimator."""
    with Steps(until), pytest.raises(KeyboardInterrupt):
        make(checkpoint=folder).fit(X, y, **given)
    return make(checkpoint=folder).fit(X, y, **given)


class Noisy(nn.Module):
    """Draws, keeps averages, counts by itself, and has a buffer that is not in its state_dict."""

    def __init__(self, n_features, n_classes):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(n_features, 8), nn.BatchNorm1d(8), nn.Dropout(0.3))
        self.head = nn.Linear(8, n_classes)
        self.calls = 0
        self.register_buffer("mean", torch.zeros(8), persistent=False)

    def forward(self, x):
        z = self.body(x)
        if self.training:
            self.calls += 1
            self.mean = 0.9 * self.mean + 0.1 * z.detach().mean(0)
        return self.head(z + self.mean + 0.01 * self.calls)


@pytest.mark.parametrize("until", [1, 7, 12, 25, 30])
def test_a_fit_goes_on_wherever_it_was_interrupted(tmp_path, until):
    make = partial(ERM, Noisy)
    assert_same(interrupted(make, tmp_path, until), make().fit(X, y))


SETTINGS = {
    "monitored": {"validation": 0.3, "monitor": "accuracy"},
    "patient": {"validation": 0.3, "monitor": "accuracy", "patience": 2, "max_epochs": 40},
    "seldom monitored": {"validation": 0.3, "monitor": "accuracy", "monitor_every": 4},
    "seldom and patient": {
        "validation": 0.3,
        "monitor": "accuracy",
        "monitor_every": 2,
        "patience": 2,
        "max_epochs": 40,
    },
    "cosine": {"lr_schedule": partial(CosineAnnealingLR, T_max=6)},
    "steps": {"lr_schedule": partial(MultiStepLR, milestones=[1, 3])},
    "plateau": {"lr_schedule": partial(ReduceLROnPlateau, patience=0, threshold=0.5)},
    "drops": {"lr_schedule": "drops"},
    "sgd": {"optimizer": "sgd"},
    "a class of torch": {"optimizer": torch.optim.Adagrad},
    "other moments": {"optimizer": torch.optim.NAdam},
    "float64": {"dtype": "float64"},
    "bfloat16": {"amp": True},
    "loader": {"net_params": {"iterator_train__num_workers": 0}},
    "two workers": {"net_params": {"iterator_train__num_workers": 2}},
    "augmented": {"augment": lambda x: x + 0.1 * torch.randn_like(x)},
    "skorch's stop": {"callbacks": [EarlyStopping(monitor="train_loss", patience=2)]},
    "skorch's schedule": {"callbacks": [LRScheduler(CosineAnnealingLR, T_max=6)]},
    "skorch's best": {"callbacks": [EarlyStopping("train_loss", load_best=True)]},
    "seldom written": {"checkpoint_every": 4},
    "timed": {"checkpoint_every": "1h"},
}


@pytest.mark.parametrize("name", SETTINGS)
def test_settings_go_on(tmp_path, name):
    make = partial(ERM, **{"module": Noisy, **SETTINGS[name]})
    assert_same(interrupted(make, tmp_path, 13), make().fit(X, y))


def test_a_progress_bar_of_skorch_goes_on(tmp_path, capsys):
    make = partial(ERM, callbacks=[ProgressBar()])
    assert_same(interrupted(make, tmp_path, 13), make().fit(X, y))


METHODS = {
    "phases that continue": partial(
        SELFClassifier, k=6, max_epochs=6, early_stop=0.5, finetuning_epochs=4, random_state=0
    ),
    "with a schedule": partial(
        SELFClassifier,
        k=6,
        max_epochs=6,
        early_stop=0.5,
        finetuning_epochs=4,
        random_state=0,
        lr=0.05,
        lr_schedule=partial(ReduceLROnPlateau, patience=0, threshold=0.2, factor=0.7),
    ),
    "a meta set": partial(MetaIADAClassifier, "mlp", max_epochs=6, batch_size=16, random_state=0),
    "two nets": partial(
        BiasAdvClassifier,
        Noisy,
        base=JTTClassifier(identification_epochs=3),
        max_epochs=4,
        batch_size=16,
        random_state=0,
    ),
}


@pytest.mark.parametrize("share", [0.1, 0.35, 0.5, 0.9])
@pytest.mark.parametrize("name", METHODS)
def test_phases_go_on(tmp_path, name, share):
    make = METHODS[name]
    with Steps() as steps:
        whole = make().fit(X, y)
    assert_same(interrupted(make, tmp_path, 1 + int(share * steps.taken)), whole)


def test_a_fit_may_be_interrupted_again_and_again(tmp_path):
    make = partial(JTTClassifier, Noisy, identification_epochs=4, max_epochs=5, random_state=0)
    for _ in range(9):
        # Each comes forward by one epoch: three steps of two.
        with Steps(until=4 if _ else 3), pytest.raises(KeyboardInterrupt):
            make(checkpoint=tmp_path, batch_size=30).fit(X, y)
    whole = make(batch_size=30).fit(X, y)
    assert_same(make(checkpoint=tmp_path, batch_size=30).fit(X, y), whole)


def test_images_go_on_with_workers_and_augmentation(tmp_path):
    pixels, labels = rows(40, (3, 8, 8))
    make = partial(
        BiasAdvClassifier,
        "simple_cnn",
        max_epochs=3,
        batch_size=16,
        augment="crop-flip",
        random_state=0,
        net_params={"iterator_train__num_workers": 1},
    )
    whole = make().fit(pixels, labels)
    assert_same(interrupted(make, tmp_path, 5, pixels, labels), whole)


def test_a_frozen_body_is_not_stored(tmp_path):
    pixels, labels = rows(40, (3, 8, 8))
    body = nn.Sequential(nn.Flatten(), nn.Linear(192, 2000), nn.ReLU())
    module = nn.Sequential(*body, nn.Linear(2000, 2))
    make = partial(ERM, module, freeze="body", max_epochs=3)
    assert_same(interrupted(make, tmp_path, 7, pixels, labels), make().fit(pixels, labels))
    size = max(path.stat().st_size for path in tmp_path.iterdir())
    assert size < 4 * 192 * 2000 / 4


def test_fresh_seeds_go_on(tmp_path):
    # Two steps of one fit: what is drawn once must not be drawn anew.
    make = partial(ERM, Noisy, random_state=None)
    with Steps(13), pytest.raises(KeyboardInterrupt):
        make(checkpoint=tmp_path).fit(X, y)
    first = make(checkpoint=tmp_path).fit(X, y)
    assert_same(make(checkpoint=tmp_path).fit(X, y), first)


def test_a_finished_fit_is_not_trained_again(tmp_path):
    whole = ERM(checkpoint=tmp_path).fit(X, y)
    with Steps() as steps:
        again = ERM(checkpoint=tmp_path).fit(X, y)
    assert steps.taken == 0
    assert_same(again, whole)


def test_more_epochs_go_on(tmp_path):
    ERM(Noisy, checkpoint=tmp_path, max_epochs=4).fit(X, y)
    with Steps() as steps:
        longer = ERM(Noisy, checkpoint=tmp_path, max_epochs=7).fit(X, y)
    assert steps.taken == 15  # three epochs
    assert_same(longer, ERM(Noisy, max_epochs=7).fit(X, y))


def test_more_epochs_of_the_last_phase(tmp_path):
    make = partial(JTTClassifier, identification_epochs=3, random_state=0)
    make(checkpoint=tmp_path, max_epochs=2).fit(X, y)
    assert_same(make(checkpoint=tmp_path, max_epochs=5).fit(X, y), make(max_epochs=5).fit(X, y))


def test_a_schedule_that_depends_on_the_epochs_refuses_more(tmp_path):
    ERM(checkpoint=tmp_path, lr_schedule="drops").fit(X, y)
    with pytest.raises(ValueError, match=r"fit with `max_epochs`=6, on which .* depend, got 9"):
        ERM(checkpoint=tmp_path, lr_schedule="drops", max_epochs=9).fit(X, y)


def test_phases_that_depend_on_the_epochs_refuse_more(tmp_path):
    make = partial(SELFClassifier, k=6, finetuning_epochs=3, random_state=0, checkpoint=tmp_path)
    make(max_epochs=10).fit(X, y)
    with pytest.raises(ValueError, match="on which its phases .* depend, got 20"):
        make(max_epochs=20).fit(X, y)


def test_fewer_epochs_than_there_are_is_an_error(tmp_path):
    ERM(checkpoint=tmp_path).fit(X, y)
    with pytest.raises(ValueError, match="`max_epochs` must be at least 6, .* got 4"):
        ERM(checkpoint=tmp_path, max_epochs=4).fit(X, y)


def other_module(n_features, n_classes):
    return nn.Linear(n_features, n_classes)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"lr": 0.02}, r"`lr` \(0.01 there, 0.02 here\)"),
        ({"random_state": 1}, r"`random_state` \(0 there, 1 here\)"),
        ({"module": other_module}, "`module`"),
        ({"optimizer": "sgd"}, "`optimizer`"),
        ({"callbacks": [EarlyStopping("train_loss")]}, "`callbacks`.*EarlyStopping"),
        ({"lr": 0.02, "weight_decay": 0.1}, "`lr`.*`weight_decay`"),
        ({"net_params": {"optimizer__amsgrad": True}}, "`net_params`"),
    ],
)
def test_other_parameters_are_named(tmp_path, changed, words):
    ERM(checkpoint=tmp_path).fit(X, y)
    before = sorted((path.name, path.read_bytes()) for path in tmp_path.glob("epoch*"))
    with pytest.raises(ValueError, match=f"is of another fit. What differs: {words}"):
        ERM(**{"checkpoint": tmp_path, **changed}).fit(X, y)
    assert sorted((path.name, path.read_bytes()) for path in tmp_path.glob("epoch*")) == before


def test_what_changes_nothing_may_change(tmp_path, capsys):
    with Steps(13), pytest.raises(KeyboardInterrupt):
        ERM(checkpoint=tmp_path, verbose=1).fit(X, y)
    with Steps(7), pytest.raises(KeyboardInterrupt):
        ERM(checkpoint=str(tmp_path), checkpoint_every="1min").fit(X, y)
    assert_same(ERM(checkpoint=tmp_path, verbose=1).fit(X, y), ERM().fit(X, y))


def test_another_class_is_named(tmp_path):
    ERM(checkpoint=tmp_path).fit(X, y)
    with pytest.raises(ValueError, match="is of another fit. What differs: the class"):
        JTTClassifier(checkpoint=tmp_path, random_state=0).fit(X, y)


def moved(rows):
    rows = rows.copy()
    rows[3] = rows[4]
    return rows


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"X": moved(X)}, "`X`"),
        ({"X": X[:40], "y": y[:40]}, r"`X` \(.*\(80, 5\) there, .*\(40, 5\) here\); `y`"),
        ({"y": 1 - y}, "`y`"),
        ({"bias_labels": y}, r"`bias_labels` \(nothing there, a ndarray of shape \(80,\) here\)"),
        ({"sample_weight": np.ones(80)}, "`sample_weight`"),
        ({"validation_data": (X, y)}, "`validation_data`"),
    ],
)
def test_other_rows_are_named(tmp_path, given, words):
    ERM(checkpoint=tmp_path).fit(X, y)
    with pytest.raises(ValueError, match=f"is of another fit. What differs: {words}"):
        ERM(checkpoint=tmp_path).fit(**{"X": X, "y": y, **given})


@pytest.mark.parametrize("package", ["sklearn_debias", "torch"])
def test_another_version_is_named(tmp_path, monkeypatch, package):
    ERM(checkpoint=tmp_path).fit(X, y)
    module = "sklearn_debias.fitting._checkpoint.installed"
    known = {"sklearn_debias": "7.1", "torch": "7.1"}
    monkeypatch.setattr(module, known.get)
    with pytest.raises(ValueError, match=f"the version of {package} .*7.1 here"):
        ERM(checkpoint=tmp_path).fit(X, y)


def test_frames_are_known_again(tmp_path):
    frame = pd.DataFrame(X, columns=list("abcde"))
    frame["e"] = frame["e"].round()
    ERM(checkpoint=tmp_path).fit(frame, pd.Series(y))
    again = pd.concat([frame[["a", "b"]], frame[["c", "d", "e"]]], axis=1)
    with Steps() as steps:
        ERM(checkpoint=tmp_path).fit(again, pd.Series(y.copy()))
    assert steps.taken == 0


class Drawing(Callback):
    def on_train_begin(self, net, **kwargs):
        self.rng = random.Random(0)


class Collecting(Callback):
    def __init__(self, seen):
        self.seen = seen

    def on_epoch_end(self, net, **kwargs):
        self.seen.append(len(net.history))


class WithGenerator(nn.Linear):
    def __init__(self, n_features, n_classes):
        super().__init__(n_features, n_classes)
        self.generator = torch.Generator().manual_seed(0)


class Generators(WithGenerator):
    def __init__(self, n_features, n_classes):
        super().__init__(n_features, n_classes)
        self.generator = [self.generator]


class Counting(nn.Linear):
    def __init__(self, n_features, n_classes):
        super().__init__(n_features, n_classes)
        self.seen = defaultdict(int)

    def forward(self, x):
        self.seen[len(x)] += self.training
        return super().forward(x)


class Averaging(Callback):
    def on_epoch_end(self, net, **kwargs):
        if not hasattr(self, "average"):
            self.average = torch.optim.swa_utils.AveragedModel(net.module_)


class Brightening:
    def __init__(self):
        self.calls = 0

    def __call__(self, x):
        self.calls += 1
        return x + 0.01 * self.calls


class Hidden(torch.optim.SGD):
    def step(self, closure=None):
        self.thing = object()
        super().step()


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"callbacks": [("mine", Drawing())]}, "callback 'mine'.rng holds a random.Random"),
        ({"module": WithGenerator}, "module '.*'.generator holds a .*Generator"),
        ({"optimizer": Hidden}, "optimizer ''.thing holds a builtins.object"),
        ({"module": Generators}, "module '.*'.generator holds a builtins.list"),
        ({"module": Counting}, "module '.*'.seen holds a collections.defaultdict"),
        ({"augment": Brightening()}, "`augment` holds what changes with each batch"),
    ],
)
def test_what_cannot_be_kept_is_named_after_the_first_batch(tmp_path, changed, words):
    with Steps() as steps, pytest.raises(ValueError, match=f"cannot keep this fit: .*{words}"):
        ERM(checkpoint=tmp_path, **changed).fit(X, y)
    assert steps.taken == 1


def test_what_is_made_while_training_is_named_after_the_first_epoch(tmp_path):
    with pytest.raises(ValueError, match="callback 'c'.average holds a .*AveragedModel"):
        ERM(checkpoint=tmp_path, callbacks=[("c", Averaging())]).fit(X, y)
    assert not list(tmp_path.glob("epoch*"))


class Changing(nn.Module):
    """Sets a buffer that was None, drops an attribute, and remembers batches."""

    def __init__(self, n_features, n_classes):
        super().__init__()
        self.layer = nn.Linear(n_features, n_classes)
        self.register_buffer("mean", None)
        self.last = deque(maxlen=3)
        self.first_time = True

    def forward(self, x):
        if self.training:
            self.mean = x.mean(0) if self.mean is None else 0.9 * self.mean + 0.1 * x.mean(0)
            self.last.append(float(x.mean()))
            if hasattr(self, "first_time"):
                del self.first_time
        shift = 1.0 if hasattr(self, "first_time") else 0.0
        return self.layer(x) + sum(self.last) + shift + (0.0 if self.mean is None else self.mean[0])


def test_buffers_and_attributes_that_come_and_go(tmp_path):
    make = partial(ERM, Changing)
    again = interrupted(make, tmp_path, 13)
    whole = make().fit(X, y)
    assert_same(again, whole)
    np.testing.assert_array_equal(again.predict_proba(X), whole.predict_proba(X))


class Recurrent(nn.Module):
    """Its layer lists its parameters beside, as all of torch's recurrent ones do."""

    def __init__(self, n_features, n_classes):
        super().__init__()
        self.layer = nn.LSTM(1, 4)
        self.head = nn.Linear(4, n_classes)
        self.parts = [self.layer, self.head]
        self.pair = (self.layer, torch.tanh)
        self.by_name = {"head": self.head}
        self.weights = [self.head.weight]

    def forward(self, x):
        states, _ = self.layer(x.T[:, :, None])
        return self.head(states[-1])


def test_parts_of_networks_that_are_listed_beside_stay_the_same(tmp_path):
    make = partial(ERM, Recurrent)
    again = interrupted(make, tmp_path, 13)
    assert_same(again, make().fit(X, y))
    network = again.module_
    assert network.layer._flat_weights[0] is network.layer.weight_ih_l0
    assert network.weights[0] is network.head.weight
    loaded = pickle.loads(pickle.dumps(again))
    np.testing.assert_array_equal(loaded.predict_proba(X), again.predict_proba(X))
    assert loaded.module_.weights[0] is loaded.module_.head.weight


class Registering(nn.Linear):
    def __init__(self, n_features, n_classes):
        super().__init__(n_features, n_classes)
        self.weight.data = torch.tensor(
            np.random.default_rng().normal(size=self.weight.shape)
        ).float()

    def forward(self, x):
        if not hasattr(self, "centre"):
            self.register_buffer("centre", x.mean(0))
        return super().forward(x - self.centre)


def test_a_buffer_that_is_registered_late_and_a_start_by_numpy(tmp_path):
    with Steps(13), pytest.raises(KeyboardInterrupt):
        ERM(Registering, checkpoint=tmp_path).fit(X, y)
    ERM(Registering, checkpoint=tmp_path).fit(X, y)


class Scalars(Callback):
    def on_epoch_end(self, net, **kwargs):
        net.history.record("v", np.float64(len(net.history)))


def test_numbers_of_numpy_in_a_history_go_on_twice(tmp_path):
    make = partial(ERM, callbacks=[Scalars()], checkpoint=tmp_path)
    for _ in range(2):
        with Steps(13), pytest.raises(KeyboardInterrupt):
            make().fit(X, y)
    assert make().fit(X, y).history_["v"].tolist() == [1, 2, 3, 4, 5, 6]


def test_a_net_can_be_pickled_while_it_is_kept(tmp_path):
    files = dict.fromkeys(["f_params", "f_optimizer", "f_criterion", "f_history"])
    callbacks = [skorch.callbacks.Checkpoint(None, f_pickle=str(tmp_path / "net.pkl"), **files)]
    ERM(checkpoint=tmp_path / "run", callbacks=callbacks, max_epochs=1).fit(X, y)
    assert (tmp_path / "net.pkl").exists()


def test_labels_are_no_files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    labels = ["cat" if label else "dog" for label in y]
    ERM(checkpoint="run").fit(X, labels)
    (tmp_path / "cat").write_text("a file of this name")
    ERM(checkpoint="run").fit(X, labels)


def test_the_arguments_of_callbacks_count(tmp_path):
    make = partial(ERM, checkpoint=tmp_path, max_epochs=2)
    make(callbacks=[EarlyStopping("train_loss", patience=2)]).fit(X, y)
    with pytest.raises(ValueError, match="What differs: `callbacks`"):
        make(callbacks=[EarlyStopping("train_loss", patience=20)]).fit(X, y)


def test_other_weights_under_the_same_name_are_refused(tmp_path):
    path = tmp_path / "weights.pt"
    pixels, labels = rows(20, (3, 32, 32))
    make = partial(
        ERM,
        "mobilenet_v3_small",
        freeze="body",
        net_params={"module__weights": str(path)},
        checkpoint=tmp_path / "run",
    )
    for seed in (0, 1):
        torch.manual_seed(seed)
        torch.save(torchvision.models.mobilenet_v3_small().state_dict(), path)
        if seed:
            with pytest.raises(ValueError, match="the networks begin otherwise now. A file of"):
                make(max_epochs=3).fit(pixels, labels)
        else:
            make(max_epochs=2).fit(pixels, labels)


def test_what_a_random_state_gave_is_kept(tmp_path):
    make = partial(ERM, checkpoint=tmp_path, max_epochs=2)
    first = make(random_state=np.random.RandomState(0)).fit(X, y)
    assert_same(make(random_state=np.random.RandomState(5)).fit(X, y), first)
    with pytest.raises(ValueError, match="What differs: `random_state`"):
        make(random_state=5).fit(X, y)


def test_two_equal_fits_of_a_search_wait_for_each_other(tmp_path):
    votes = VotingClassifier([(name, ERM(checkpoint=tmp_path)) for name in "ab"], n_jobs=2)
    with joblib.parallel_config("threading"):
        votes.fit(X, y)
    assert_same(*votes.estimators_)
    assert len(list(tmp_path.iterdir())) == 1


def test_a_generator_in_a_parameter_is_named(tmp_path):
    augment = partial(torch.Tensor.add, np.random.default_rng(0))
    with pytest.raises(ValueError, match="`checkpoint` cannot"):
        ERM(checkpoint=tmp_path, augment=augment).fit(X, y)


def test_clones_need_a_seed_to_be_told_apart(tmp_path):
    with pytest.raises(ValueError, match="`random_state` must be an int where a clone"):
        clone(ERM(checkpoint=tmp_path, random_state=None)).fit(X, y)


def test_lists_of_callbacks_are_those_of_the_caller(tmp_path):
    seen = []
    make = partial(ERM, callbacks=[Collecting(seen)])
    interrupted(make, tmp_path, 13)
    assert seen == [1, 2, 3, 4, 5, 6]


def test_workers_that_live_on_are_refused_for_a_dataset(tmp_path):
    dataset = torch.utils.data.TensorDataset(torch.from_numpy(X))
    options = {"iterator_train__num_workers": 1, "iterator_train__persistent_workers": True}
    with pytest.raises(ValueError, match="persistent_workers=False"):
        ERM(checkpoint=tmp_path, net_params=options).fit(dataset, y)


def test_a_diverged_fit_does_not_go_on_into_nan(tmp_path):
    rise = partial(LambdaLR, lr_lambda=lambda epoch: 1e30 if epoch == 3 else 1.0)
    make = partial(ERM, optimizer="sgd", lr_schedule=rise, checkpoint=tmp_path)
    for _ in range(2):
        with pytest.raises(DivergedError, match="epoch 4"):
            make().fit(X, y)
        assert max(path.name for path in tmp_path.glob("*.json")) == "epoch-000003.json"


def test_an_interrupt_says_what_is_kept_and_what_is_lost(tmp_path):
    with Steps(13), pytest.raises(KeyboardInterrupt) as caught:
        ERM(checkpoint=tmp_path, checkpoint_every=100).fit(X, y)
    assert "2 epochs of this fit are kept in" in caught.value.__notes__[0]
    with Steps(13), pytest.raises(KeyboardInterrupt) as caught:
        ERM().fit(X, y)
    assert "is lost. Pass checkpoint='folder'" in caught.value.__notes__[0]


def test_an_error_keeps_what_there_is(tmp_path):
    class Failing(Callback):
        def on_epoch_end(self, net, **kwargs):
            if len(net.history) == 4:
                raise OSError("the tracker is gone")

    with pytest.raises(OSError, match="the tracker is gone"):
        ERM(checkpoint=tmp_path, checkpoint_every=100, callbacks=[("c", Failing())]).fit(X, y)
    assert {path.name for path in tmp_path.glob("epoch*.json")} == {"epoch-000003.json"}


def test_a_full_disk_ends_the_fit_and_keeps_the_last_good_one(tmp_path, monkeypatch):
    from sklearn_debias.checkpoints import Checkpoints

    write = Checkpoints.write

    def full(self, number, *args):
        if number > 3:
            raise OSError(28, "No space left on device", str(tmp_path / "epoch"))
        write(self, number, *args)

    monkeypatch.setattr(Checkpoints, "write", full)
    with pytest.raises(OSError, match="No space left on device: .*epoch"):
        ERM(checkpoint=tmp_path).fit(X, y)
    monkeypatch.undo()
    assert_same(ERM(checkpoint=tmp_path).fit(X, y), ERM().fit(X, y))


def test_damage_costs_an_epoch_and_a_warning(tmp_path):
    with Steps(23), pytest.raises(KeyboardInterrupt):
        ERM(checkpoint=tmp_path).fit(X, y)
    path = tmp_path / "epoch-000004.safetensors"
    path.write_bytes(path.read_bytes()[:-7])
    with pytest.warns(DebiasWarning, match="goes on from epoch-000003.json"), Steps() as steps:
        again = ERM(checkpoint=tmp_path).fit(X, y)
    assert steps.taken == 15
    assert_same(again, ERM().fit(X, y))


def test_two_fits_do_not_share_a_folder(tmp_path):
    class Inside(Callback):
        def on_epoch_end(self, net, **kwargs):
            ERM(checkpoint=tmp_path).fit(X, y)

    with pytest.raises(ValueError, match=f"in use by another fit, in process {os.getpid()}"):
        ERM(checkpoint=tmp_path, callbacks=[("c", Inside())]).fit(X, y)
    ERM(checkpoint=tmp_path).fit(X, y)  # its lock is gone


def test_a_fit_that_is_refused_leaves_no_checkpoint(tmp_path):
    with pytest.raises(ValueError, match="NaN"):
        ERM(checkpoint=tmp_path / "run").fit(np.full_like(X, np.nan), y)
    assert not list((tmp_path / "run").glob("epoch*"))


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"checkpoint": ""}, "`checkpoint` must be the name of a folder"),
        ({"checkpoint_every": 0}, "'checkpoint_every' parameter"),
        ({"checkpoint_every": "soon"}, "`checkpoint_every` must be an int >= 1"),
        ({"patience": 3}, "`patience`=3 needs `monitor`"),
        ({"patience": 0}, "'patience' parameter"),
    ],
)
def test_bad_parameters(changed, words):
    with pytest.raises(ValueError, match=words):
        ERM(**changed).fit(X, y)


def keep_until_the_end(folder):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ERM(Noisy, max_epochs=3000, checkpoint=folder, checkpoint_every=7).fit(X, y)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no such signals there")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
@pytest.mark.parametrize("number", ["SIGTERM", "SIGKILL"])
def test_a_process_that_is_ended_is_gone_on_with(tmp_path, number):
    # A fork, which need not import torch again.
    process = get_context("fork").Process(target=keep_until_the_end, args=(tmp_path / "run",))
    process.start()
    deadline = time.monotonic() + 60
    while not list((tmp_path / "run").glob("epoch*.json")) and time.monotonic() < deadline:
        time.sleep(0.05)
    os.kill(process.pid, getattr(signal, number))
    process.join()
    assert process.exitcode == -getattr(signal, number)
    kept = int(max((tmp_path / "run").glob("epoch*.json")).stem.removeprefix("epoch-"))
    assert 7 <= kept < 3000
    # In this process, the same fit; three thousand epochs would be long.
    whole = ERM(Noisy, max_epochs=kept + 2).fit(X, y)
    again = ERM(Noisy, max_epochs=kept + 2, checkpoint=tmp_path / "run").fit(X, y)
    assert_same(again, whole)


def test_a_search_goes_on(tmp_path):
    search = partial(GridSearchCV, param_grid={"lr": [0.01, 0.1]}, cv=2)
    whole = search(ERM()).fit(X, y)
    kept = ERM(checkpoint=tmp_path)
    with Steps(until=50), pytest.raises(KeyboardInterrupt):
        search(kept).fit(X, y)
    with Steps() as steps:
        again = search(kept).fit(X, y)
    np.testing.assert_array_equal(
        again.cv_results_["mean_test_score"], whole.cv_results_["mean_test_score"]
    )
    assert_same(again.best_estimator_, whole.best_estimator_)
    # Of 4 fits of 18 steps two were over, and of the third two epochs of three steps.
    assert steps.taken == 4 * 18 + 6 * 5 - 2 * 18 - 12
    folders = [path for path in tmp_path.iterdir() if path.is_dir()]
    assert len(folders) == 5
    assert not list(tmp_path.glob("epoch*"))


def test_a_search_in_processes_goes_on(tmp_path):
    search = GridSearchCV(ERM(checkpoint=tmp_path), {"lr": [0.01, 0.1]}, cv=2, n_jobs=2).fit(X, y)
    with Steps() as steps:
        again = clone(search).set_params(n_jobs=None).fit(X, y)
    assert steps.taken == 0
    assert_same(again.best_estimator_, search.best_estimator_)


def test_a_comparison_goes_on(tmp_path):
    part = (X, y, y)
    asked = {
        "validation": (X[:40] + 0.1, y[:40], y[:40]),
        "test": (X[40:] - 0.1, y[40:], y[40:]),
        "n_configurations": 2,
        "n_seeds": 2,
        "scoring": "accuracy",
        "random_state": 0,
        "verbose": 0,
    }
    methods = {"ERM": ERM(checkpoint=tmp_path, random_state=None)}
    whole = compare(methods, part, **asked)
    with Steps() as steps:
        again = compare(methods, part, **asked)
    assert steps.taken == 0
    seconds = [name for name in whole.to_frame() if "CPU" in str(name)]
    pd.testing.assert_frame_equal(
        again.to_frame().drop(columns=seconds), whole.to_frame().drop(columns=seconds)
    )


def test_a_stack_of_candidates_refuses_checkpoints(tmp_path):
    search = BatchedGridSearchCV(ERM(checkpoint=tmp_path), {"lr": [0.01, 0.1]}, cv=2)
    with pytest.raises(ValueError, match="`checkpoint`=.* does not work in a stack"):
        search.fit(X, y)


def test_patience_ends_the_last_phase(tmp_path):
    make = partial(
        JTTClassifier,
        identification_epochs=3,
        max_epochs=50,
        validation=0.3,
        monitor="accuracy",
        random_state=0,
        lr=0.1,
    )
    clf = make(patience=2).fit(X, y)
    phases = clf.history_["phase"].value_counts()
    assert phases["identification"] == 3
    assert phases["train"] < 50
    scores = clf.history_["validation_accuracy"].dropna().to_numpy()
    assert scores.argmax() >= len(scores) - 1 - 2
    assert max(scores[-2:]) <= max(scores[:-2])
