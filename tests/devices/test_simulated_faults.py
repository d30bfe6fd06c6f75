"""The simulated device tells of methods with the faults that it is there to find."""

from dataclasses import dataclass

import pytest
import torch

from sklearn_debias.core import Phase, Role, Step
from sklearn_debias.estimators import BaseDebiasClassifier
from sklearn_debias.losses import cross_entropy
from sklearn_debias.objectives import ERM
from sklearn_debias.testing._estimator_data import toy_rows


@dataclass(frozen=True)
class Homeless(ERM):
    """Makes a tensor and says not where."""

    def step(self, nets, batch, state):
        loss = cross_entropy(nets["model"](batch.x), batch.y) * torch.ones(len(batch.y))
        return Step({"model": loss.mean()}, state)


@dataclass(frozen=True)
class Asking(ERM):
    """Looks at a number in every step."""

    def step(self, nets, batch, state):
        loss = cross_entropy(nets["model"](batch.x), batch.y)
        return Step({"model": loss.mean() / max(1.0, loss.mean().item())}, state)


@dataclass(frozen=True)
class Drawing(ERM):
    """Draws by a generator of the CPU."""

    def step(self, nets, batch, state):
        generator = torch.Generator().manual_seed(0)
        noise = torch.rand(batch.x.shape, generator=generator, device=batch.x.device)
        return Step({"model": cross_entropy(nets["model"](batch.x + noise), batch.y).mean()}, state)


def toy(objective):
    @dataclass(kw_only=True, eq=False)
    class Toy(BaseDebiasClassifier):
        def _phases(self):
            return (Phase("train", (objective,), self.max_epochs),)

        def _roles(self):
            return {"model": Role()}

    return Toy(device="cuda", max_epochs=1, batch_size=20, random_state=0)


@pytest.mark.parametrize("objective", [Homeless(), Drawing()], ids=["Homeless", "Drawing"])
def test_a_method_that_forgets_the_device_fails(cuda, objective):
    X, y, _ = toy_rows()
    with pytest.raises(Exception, match=r"device"):
        toy(objective).fit(X, y)


def test_a_method_that_looks_at_its_numbers_is_counted(cuda):
    X, y, _ = toy_rows()
    found = {}
    for objective in (ERM(), Asking()):
        begun = len(cuda.waits)
        toy(objective).fit(X, y)
        found[type(objective)] = len(cuda.waits) - begun
    assert found[Asking] == found[ERM] + 3  # once in each of three batches
