"""`open_model`: rows and a frozen network that give what the model predicts, bit for bit."""

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import nn

from sklearn_debias import ERMClassifier
from sklearn_debias.fitting import open_model

rng = np.random.default_rng(0)
X, y = rng.normal(size=(70, 3)), np.array(["b", "a", "c"])[np.arange(70) % 3]
IMAGES = rng.integers(0, 256, (40, 2, 6, 6), dtype=np.uint8)


def seeded_cnn():
    """Return a network whose weights are the same in every process; a few starts are dead."""
    net = nn.Sequential(
        nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3), nn.ReLU(), nn.Flatten(), nn.Linear(48, 4)
    )
    generator = torch.Generator().manual_seed(0)
    for layer in (net[0], net[4]):
        for parameter in layer.parameters():
            nn.init.uniform_(parameter, -0.2, 0.2, generator=generator)
    return net


CNN = seeded_cnn()


def logits(opened):
    return torch.cat(list(opened.batches(lambda x, y, index: opened.net(x))))


@pytest.mark.filterwarnings("ignore::sklearn_debias.exceptions.DebiasWarning")
def test_a_head_is_opened_as_it_predicts():
    clf = ERMClassifier(max_epochs=2, random_state=0).fit(X, y)
    opened = open_model(clf, X, y)
    np.testing.assert_array_equal(logits(opened).numpy(), clf.decision_function(X))
    assert opened.y.tolist() == [{"a": 0, "b": 1, "c": 2}[label] for label in y]
    assert (opened.inputs.low, opened.inputs.high) == pytest.approx((X.min(), X.max()))


@pytest.mark.filterwarnings("ignore::sklearn_debias.exceptions.DebiasWarning")
def test_images_are_opened_as_they_are_predicted():
    clf = ERMClassifier(CNN, max_epochs=1, batch_size=16, random_state=0).fit(
        IMAGES, np.arange(40) % 4
    )
    before = {name: tensor.clone() for name, tensor in clf.module_.state_dict().items()}
    opened = open_model(clf, IMAGES)
    np.testing.assert_array_equal(
        logits(opened).numpy(), clf.decision_function(IMAGES).astype(np.float32)
    )
    assert opened.y is None
    assert 0 <= opened.inputs.low < opened.inputs.high <= 1
    assert all(
        torch.equal(tensor, before[name]) for name, tensor in clf.module_.state_dict().items()
    )


@pytest.mark.parametrize("training", [True, False])
def test_a_module_is_left_as_it_is(training):
    module = CNN.train(training)
    before = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    opened = open_model(module, IMAGES, np.zeros(40, dtype=int))
    x = torch.from_numpy(IMAGES[:1]) / 255
    (g,) = torch.autograd.grad(opened.net(x.requires_grad_()).sum(), x)
    assert g.abs().max() > 0
    assert not any(p.requires_grad for p in opened.net.module.parameters())
    assert module.training == training
    assert all(p.grad is None and p.requires_grad for p in module.parameters())
    assert all(torch.equal(tensor, before[name]) for name, tensor in module.state_dict().items())


def test_a_row_does_not_depend_on_its_neighbours():
    whole = logits(open_model(CNN, IMAGES))
    few = logits(open_model(CNN, IMAGES[[7, 3, 30]]))
    assert torch.equal(few, whole[[7, 3, 30]])


def test_inside_inference_mode_there_are_gradients_all_the_same():
    with torch.inference_mode():
        opened = open_model(CNN, IMAGES)
        with opened.terms():
            x = opened.prepare(opened.source.take(np.arange(2))).requires_grad_()
            assert torch.autograd.grad(opened.net(x).sum(), x)[0].abs().max() > 0
        assert torch.is_inference_mode_enabled()


def test_half_precision_comes_back_in_single():
    assert logits(open_model(nn.Linear(3, 2).bfloat16(), X)).dtype == torch.float32


@pytest.mark.parametrize("tensor", [torch.from_numpy(X), X.astype("f4"), X.tolist()])
def test_kinds_of_rows_of_a_module(tensor):
    module = nn.Linear(3, 2).double()
    expected = module(torch.as_tensor(np.asarray(tensor), dtype=torch.float64)).detach()
    torch.testing.assert_close(logits(open_model(module, tensor)), expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(
    ("model", "rows", "labels", "error", "message"),
    [
        (
            make_pipeline(StandardScaler(), ERMClassifier()),
            X,
            None,
            TypeError,
            "got a Pipeline.*Pass its last step",
        ),
        (
            LogisticRegression(),
            X,
            None,
            TypeError,
            "`estimator` must be a fitted classifier of sklearn_debias",
        ),
        (nn.Linear(3, 2), X[:, :2], None, ValueError, "`estimator`.*It must map rows like X"),
        (
            CNN,
            IMAGES.transpose(0, 2, 3, 1),
            None,
            ValueError,
            r"`estimator`.*images as \(n, c, h, w\)",
        ),
        (nn.Flatten(0), X, None, ValueError, "must map rows to logits"),
        (nn.Linear(3, 2), X[0], None, ValueError, "`X`"),
        (nn.Linear(3, 2), X[:0], None, ValueError, "`X`.*empty"),
        (nn.Linear(3, 2), np.where(X > 2, np.nan, X), None, ValueError, "`X`.*NaN"),
        (nn.Linear(3, 2), np.full((2, 3), "a"), None, ValueError, "`X`"),
        (nn.Linear(3, 2), X, np.arange(70) % 3, ValueError, "`y` must hold class codes 0 to 1"),
        (nn.Linear(3, 2), X, y, (ValueError, TypeError), "`y`"),
        (nn.Linear(3, 2), X, np.zeros(69, dtype=int), ValueError, "`y`"),
    ],
)
def test_what_cannot_be_opened(model, rows, labels, error, message):
    with pytest.raises(error, match=message):
        open_model(model, rows, labels)


class Keeps(nn.Module):
    """Remembers an output with a gradient, which cannot be copied."""

    def __init__(self):
        super().__init__()
        self.net = nn.Linear(3, 2)

    def forward(self, x):
        self.kept = self.net(x)
        return self.kept


def test_a_module_that_keeps_an_output_is_blamed():
    module = Keeps()
    module(torch.zeros(1, 3))
    with pytest.raises((RuntimeError, ValueError), match="`estimator` failed with .*It is copied"):
        open_model(module, X)


def test_arrays_of_another_byte_order_and_read_only_labels():
    codes = np.arange(70) % 2
    codes.flags.writeable = False
    net, big = nn.Linear(3, 2), X.astype(">f8")
    opened = open_model(net, big, codes)
    assert opened.y.tolist() == codes.tolist()
    torch.testing.assert_close(
        logits(opened), logits(open_model(net, X, codes.astype(">i8"))), rtol=0, atol=0
    )
    assert len(open_model(net.bfloat16(), torch.zeros(2, 3, dtype=torch.bfloat16))) == 2


def test_string_labels_of_a_module():
    for labels in (y, y.astype(object)):
        with pytest.raises(ValueError, match="string labels, pass codes"):
            open_model(nn.Linear(3, 3), X, labels)


def test_a_search_has_a_best_estimator():
    search = GridSearchCV(LogisticRegression(), {"C": [1.0]}, cv=2).fit(X, y)
    with pytest.raises(TypeError, match="Pass its best_estimator_"):
        open_model(search, X)
