"""Networks that a file can name, and ways there and back."""

import io
import pickle

import cloudpickle
import joblib
import skops.io
import torch
from torch import nn

from sklearn_debias.testing._estimator_data import toy_rows

X, Y, BIAS = toy_rows()


class Perceptron(nn.Module):
    """BatchNorm, and a buffer that is no part of a state_dict."""

    def __init__(self, n_features, n_classes, width=8):
        super().__init__()
        layers = nn.Linear(n_features, width), nn.BatchNorm1d(width), nn.ReLU()
        self.body = nn.Sequential(*layers)
        self.head = nn.Linear(width, n_classes)
        self.register_buffer("temperature", torch.full((1,), 2.0), persistent=False)

    def forward(self, x):
        return self.head(self.body(x)) * self.temperature


class Width:
    """A configuration: no plain data, and nothing that can be called."""

    def __init__(self, width):
        self.width = width


class Configured(Perceptron):
    """Built by a configuration, as networks of transformers are."""

    def __init__(self, n_features, n_classes, config):
        super().__init__(n_features, n_classes, config.width)


class Remembering(nn.Module):
    """Counts its steps in a plain attribute, and predicts by it."""

    def __init__(self, n_features, n_classes):
        super().__init__()
        self.layer = nn.Linear(n_features, n_classes)
        self.steps = 0

    def forward(self, x):
        self.steps += self.training
        return self.layer(x) + 0.1 * self.steps * x[:, :1].sin() * torch.arange(3)


class Lazy(nn.Module):
    def __init__(self, n_classes):
        super().__init__()
        self.body = nn.Sequential(nn.LazyLinear(5), nn.ReLU())
        self.head = nn.Linear(5, n_classes)

    def forward(self, x):
        return self.head(self.body(x))


class Tied(nn.Module):
    """Two layers with one weight, a state beside the tensors, an expanded buffer."""

    def __init__(self, n_features, n_classes):
        super().__init__()
        self.first = nn.Linear(n_features, n_features)
        self.second = nn.Linear(n_features, n_features)
        self.second.weight = self.first.weight
        self.head = nn.Linear(n_features, n_classes)
        self.factor = 1.0
        self.register_buffer("constant", torch.ones(1).expand(3))

    def forward(self, x):
        return self.head(self.second(torch.relu(self.first(x)))) * self.factor

    def get_extra_state(self):
        return torch.tensor(self.factor)

    def set_extra_state(self, state):
        self.factor = float(state)


class Convolutions(nn.Module):
    def __init__(self, in_channels, n_classes):
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(in_channels, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(2), nn.Flatten()
        )
        self.head = nn.Linear(16, n_classes)

    def forward(self, x):
        return self.head(self.body(x))


def perceptron(n_features, n_classes):
    return Perceptron(n_features, n_classes, width=4)


def by_joblib(model):
    file = io.BytesIO()
    joblib.dump(model, file)
    file.seek(0)
    return joblib.load(file)


def by_skops(model, trusted=()):
    content = skops.io.dumps(model)
    wanted = skops.io.get_untrusted_types(data=content)
    strangers = {name for name in wanted if not name.startswith("sklearn_debias.")}
    assert strangers <= set(trusted)
    return skops.io.loads(content, trusted=wanted)


PICKLES = {
    "pickle": lambda model: pickle.loads(pickle.dumps(model)),
    "joblib": by_joblib,
    "cloudpickle": lambda model: cloudpickle.loads(cloudpickle.dumps(model)),
}
WAYS = {**PICKLES, "skops": by_skops}
