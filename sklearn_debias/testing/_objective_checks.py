"""What every objective keeps to. Each check takes one, and raises where it fails."""

import pickle
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass, replace
from typing import Any
from unittest import SkipTest

import torch
from torch import Tensor
from torch.func import grad, vmap

from sklearn_debias.core import Batch, Net, Objective
from sklearn_debias.core.internal import LinearNet, linear_layers
from sklearn_debias.fitting import declares_convex
from sklearn_debias.losses import cross_entropy
from sklearn_debias.testing._asserts import assert_close, assert_finite, generators_untouched
from sklearn_debias.testing._engines import (
    summed,
    train_by_loop,
    train_by_skorch,
    train_functionally,
)
from sklearn_debias.testing._problem import (
    N_SAMPLES,
    ModuleFactory,
    Problem,
    linear_module,
    steeper,
    toy_module,
    with_batch_norm,
)
from sklearn_debias.training import Streams

N_EPOCHS = 200  # to average over draws


def check_objective_declares_itself(
    objective: Objective, module: ModuleFactory = toy_module
) -> None:
    """Be a frozen dataclass that names its roles, pickles, and returns scalar losses of them.

    A step without a loss must leave something for the phase's next step.
    """
    assert is_dataclass(objective), "An objective must be a dataclass."
    assert type(objective).__dataclass_params__.frozen, "An objective must be a frozen dataclass."
    assert objective.roles, "`roles` must name at least one net."
    assert pickle.loads(pickle.dumps(objective)) == objective, "An objective must survive pickling."
    out = Problem(objective, module).step()
    assert set(out.losses) <= set(objective.roles), (
        f"Losses of {sorted(out.losses)}, roles {objective.roles}."
    )
    assert out.losses or out.carry, "A step must return at least one loss."
    for name, value in {**out.losses, **out.log}.items():
        assert value.shape == (), f"{name!r} must be a scalar, got the shape {tuple(value.shape)}."


def check_objective_step_is_pure(objective: Objective, module: ModuleFactory = toy_module) -> None:
    """Give the same outputs for the same inputs, and change nothing that a step was given."""
    problem = Problem(objective, with_batch_norm(module))
    problem.modules.eval()  # in train mode a forward moves BatchNorm's statistics, as it should
    batch = problem.batch()
    state = problem.state()
    before = _contents(problem, batch, state)
    flags = [m.training for m in problem.modules.modules()]
    with generators_untouched():
        first = objective.step(problem.nets, batch, state)
    assert_close(_contents(problem, batch, state), before, 0.0, "What the step was given")
    assert flags == [m.training for m in problem.modules.modules()], (
        "A step must not change the training mode."
    )
    again = objective.step(problem.nets, problem.batch(), state)
    for name in ("losses", "state", "log", "carry"):
        assert_close(getattr(again, name), getattr(first, name), 0.0, f"The second step's {name}")


def check_objective_training_mode_kept(
    objective: Objective, module: ModuleFactory = toy_module
) -> None:
    """Leave nets that were in train mode there, without `.grad`."""
    problem = Problem(objective, with_batch_norm(module))
    problem.modules.train()
    problem.step()
    assert all(m.training for m in problem.modules.modules()), (
        "A step must not change the training mode."
    )
    assert all(p.grad is None for p in problem.modules.parameters()), (
        "A step must not write `.grad`."
    )


def check_objective_no_leak_between_roles(
    objective: Objective, module: ModuleFactory = toy_module
) -> None:
    """Give a role's loss a gradient in its own parameters only; keep nothing that has one."""
    problem = Problem(objective, module)
    out = problem.step()
    for role, loss in out.losses.items():
        for other, net in problem.modules.items():
            gradients = torch.autograd.grad(
                loss, list(net.parameters()), retain_graph=True, allow_unused=True
            )
            reached = any(g is not None for g in gradients)
            assert reached == (role == other), (
                f"The loss of {role!r} and the parameters of {other!r}: {reached}."
            )
    attached = [name for name, value in {**out.state, **out.carry}.items() if value.requires_grad]
    assert not attached, f"What a step leaves must be detached: {attached}."
    assert out.adversary_weight is None or not out.adversary_weight.requires_grad


def check_objective_closed_step_is_the_step(
    objective: Objective, module: ModuleFactory = toy_module
) -> None:
    """Where there is a closed form: the same losses, states and gradients as by autograd."""
    if not objective.closed:
        return
    problem = Problem(objective, linear_module)
    state = problem.state()
    out = objective.step(problem.nets, problem.batch(), state)
    layers = linear_layers(objective, problem.nets)
    assert layers is not None, "The networks of this check are linear."
    nets = {role: LinearNet(layer.weight, layer.bias) for role, layer in layers.items()}
    with torch.no_grad():
        closed = objective.closed_step(nets, problem.batch(), state)
    for name in ("losses", "state", "log", "carry"):
        assert_close(getattr(closed, name), getattr(out, name), 1e-10, f"The closed {name}")
    for role in objective.trained:
        layer = layers[role]
        found = nets[role].gradients()
        expected = torch.autograd.grad(out.losses[role], [layer.weight, layer.bias])
        for name, gradient in zip(found, expected, strict=True):
            assert_close(
                found[name], gradient, 1e-10, f"The closed gradient of {role!r} by its {name}"
            )


def check_objective_eager_equals_vmapped(
    objective: Objective, module: ModuleFactory = toy_module
) -> None:
    """One vmapped run over parameters and float fields gives what a run for each setting gives."""
    problem = Problem(objective, module)
    scales = torch.tensor([1.0, 0.9, 0.7], dtype=torch.float64)
    stacked = {
        role: {name: p * scales.view(-1, *[1] * p.ndim) for name, p in own.items()}
        for role, own in problem.parameters().items()
    }
    settings = {name: value * scales for name, value in _dynamic_fields(objective).items()}
    state = problem.state()

    def run(batch: Batch) -> Callable[[Mapping, Mapping], dict]:
        def one(parameters: Mapping, settings: Mapping) -> dict:
            def total(parameters: Mapping) -> tuple:
                nets = {role: Net(problem.modules[role], own) for role, own in parameters.items()}
                out = replace(objective, **settings).step(nets, batch, state)  # type: ignore[type-var]
                outputs = {
                    "losses": dict(out.losses),
                    "state": dict(out.state),
                    "carry": dict(out.carry),
                }
                return summed(out.losses), outputs

            gradients, outputs = grad(total, has_aux=True)(parameters)
            return {"gradients": gradients, **outputs}

        return one

    together = vmap(run(problem.batch()), in_dims=(0, 0 if settings else None), randomness="same")(
        stacked, settings
    )
    for i in range(len(scales)):
        alone = run(problem.batch())(
            _pick(stacked, i), {name: float(value[i]) for name, value in settings.items()}
        )
        assert_close(_pick(together, i), alone, 1e-10, f"Setting {i} of a vmapped run")


def check_objective_order_of_rows(objective: Objective, module: ModuleFactory = toy_module) -> None:
    """Ignore the order of the rows in a batch, where a step draws no random numbers."""
    problem = Problem(objective, module)
    batch = problem.batch()
    state = problem.state()
    expected = objective.step(problem.nets, batch, state)
    if not torch.equal(_position(batch), _position(problem.batch())):
        raise SkipTest("The step draws random numbers row by row.")
    order = torch.randperm(len(batch.y), generator=Streams(0).generator("permutation"))
    columns = {f.name: getattr(batch, f.name) for f in fields(batch)}
    permuted: dict[str, Any] = {
        name: v[order] for name, v in columns.items() if isinstance(v, Tensor)
    }
    shuffled = replace(batch, **permuted)
    actual = objective.step(problem.nets, shuffled, state)
    for name in ("losses", "state", "log"):
        assert_close(
            getattr(actual, name), getattr(expected, name), 1e-12, f"{name} of permuted rows"
        )


def check_objective_precision_kept(
    objective: Objective, module: ModuleFactory = toy_module
) -> None:
    """Losses, gradients and state have the precision of the nets, float32 or float64."""
    for dtype in (torch.float32, torch.float64):
        problem = Problem(objective, module, dtype)
        state = problem.state()
        out = problem.step(state=state)
        values = {**out.losses, **out.log, **state, **out.state, **out.carry}
        wrong = {
            n: v.dtype for n, v in values.items() if v.is_floating_point() and v.dtype != dtype
        }
        assert not wrong, f"With nets of {dtype}: {wrong}."


def check_objective_finite_at_large_logits(
    objective: Objective, module: ModuleFactory = toy_module
) -> None:
    """Losses, gradients and state stay finite in float32 at logits a thousand times larger."""
    problem = Problem(objective, steeper(module, 1e3), torch.float32)
    out = problem.step()
    for loss in out.losses.values():
        loss.backward(retain_graph=True)
    gradients = {n: p.grad for n, p in problem.modules.named_parameters() if p.grad is not None}
    assert_finite({**out.losses, **out.log, **out.state, **out.carry}, "At logits times 1000")
    assert_finite(gradients, "Gradients at logits times 1000")


def check_objective_idle_roles_do_not_move(
    objective: Objective, module: ModuleFactory = toy_module
) -> None:
    """Keep the parameters of a role without a loss, whatever momentum and weight decay."""
    problem = Problem(objective, module)
    start = problem.parameters()
    losing = set(problem.step().losses)
    end = train_by_skorch(problem)
    for role in objective.roles:
        moved = any(not torch.equal(start[role][name], p) for name, p in end[role].items())
        assert moved == (role in losing), (
            f"{role!r} moved: {moved}; it has a loss: {role in losing}."
        )


def check_objective_own_inputs(objective: Objective, module: ModuleFactory = toy_module) -> None:
    """Let each role see its own inputs, `Batch.of`; what works on X itself is exempt."""
    if objective.requires & {"input", "input_gradient"}:
        return
    problem = Problem(objective, module)
    batch = problem.batch()
    state = problem.state()
    own = {role: _shapes_seen(problem, role) for role in objective.roles if role != "model"}
    # A helper looks at losses or characteristics, a net that `init` alone asks at nothing.
    for role in (role for role, seen in own.items() if batch.x.shape in seen):
        inputs = {**batch.inputs, role: torch.full_like(batch.x, torch.nan)}
        out = objective.step(problem.nets, replace(batch, inputs=inputs), state)
        seen = [*out.losses.values(), *out.state.values(), *out.carry.values()]
        assert any(value.isnan().any() for value in seen), (
            f"{role!r} has inputs of its own, and the step does not see them. Read them by "
            f"batch.of({role!r})."
        )


def _shapes_seen(problem: Problem, role: str) -> set[torch.Size]:
    """Return the shapes of what a step shows a role's net."""
    seen = set()
    watch = problem.modules[role].register_forward_pre_hook(
        lambda module, args: seen.add(args[0].shape)
    )
    problem.step()
    watch.remove()
    return seen


def check_objective_fixed_nets_are_frozen(
    objective: Objective, module: ModuleFactory = toy_module
) -> None:
    """Use a net beside the model that is not trained as it predicts: in eval mode."""

    def losses(fixed: str | None) -> Mapping[str, Tensor]:
        # Fresh each time: a step in train mode moves BatchNorm's statistics.
        problem = Problem(objective, with_batch_norm(module))
        problem.modules.train()
        if fixed is not None:
            problem.modules[fixed].eval()
        return problem.step().losses

    trained = losses(None)
    # The model stays as it is in a step that looks ahead, which trains another net by its gradient.
    for role in sorted(set(objective.roles) - {"model", *trained}):
        what = f"Use nets[{role!r}].frozen(): with the net in eval mode, the loss of"
        assert_close(losses(role), trained, 0.0, what)


def check_objective_engines_agree(objective: Objective, module: ModuleFactory = toy_module) -> None:
    """Reach the same parameters in the skorch net, a plain loop and a functional one."""
    reached = train_by_skorch(Problem(objective, module))
    assert_close(train_by_loop(Problem(objective, module)), reached, 1e-10, "A plain loop")
    assert_close(
        train_functionally(Problem(objective, module)), reached, 1e-10, "A functional loop"
    )


def check_objective_visits(objective: Objective, module: ModuleFactory = toy_module) -> None:
    """Visit row numbers, drawn from the generator given and from no other."""
    problem = Problem(objective, module)
    state = problem.state()
    with generators_untouched():
        first, again = (
            objective.visits(problem.data, state, Streams(0).generator("rows")) for _ in range(2)
        )
    if first is None or again is None:
        assert first is again, "An objective must ask for rows each time, or never."
        return
    assert first.dtype == torch.int64
    assert first.ndim == 1
    assert 0 <= int(first.min()) <= int(first.max()) < N_SAMPLES
    assert torch.equal(first, again), "The same generator must give the same rows."


def check_objective_convex_is_its_loss(
    objective: Objective, module: ModuleFactory = toy_module
) -> None:
    """Declare the loss that an epoch has, the mean over its draws, as a cross entropy."""
    problem = Problem(objective, module)
    state = problem.state()
    loss = objective.convex(problem.data, state) if declares_convex(objective) else None
    if loss is None:
        return
    (role,) = objective.roles
    logits = problem.data.logits(problem.nets, role)
    shifted = logits if loss.shift is None else logits + loss.shift
    declared = cross_entropy(shifted, problem.data.y)
    if loss.weight is not None:
        declared = loss.weight * declared
    generator = Streams(0).generator("epochs")
    epochs = [_loss_of_epoch(problem, role, state, generator) for _ in range(N_EPOCHS)]
    means = torch.stack(epochs)
    error = means.std() / N_EPOCHS**0.5  # 0 where an epoch draws nothing
    away = (means.mean() - declared.mean()).abs()
    assert away <= 4 * error + 1e-10, (
        f"`convex` says {declared.mean():.6f}, and the losses of {N_EPOCHS} epochs are "
        f"{means.mean():.6f} on average, {away / (error + 1e-10):.1f} standard errors away."
    )


def _loss_of_epoch(
    problem: Problem, role: str, state: Mapping[str, Tensor], generator: torch.Generator
) -> Tensor:
    """Return the loss of all rows that an epoch visits, as one batch."""
    visited = problem.objective.visits(problem.data, state, generator)
    index = torch.arange(N_SAMPLES) if visited is None else visited
    batch = problem.feed.take(index)
    return problem.objective.step(problem.nets, batch, state).losses[role].detach()


def _dynamic_fields(objective: Objective) -> dict[str, float]:
    own = fields(objective)  # type: ignore[arg-type]
    values = {f.name: getattr(objective, f.name) for f in own if not f.metadata.get("static")}
    return {name: value for name, value in values.items() if isinstance(value, float)}


def _pick(tree: Mapping, i: int) -> dict:
    return {k: v[i] if isinstance(v, Tensor) else _pick(v, i) for k, v in tree.items()}


def _position(batch: Batch) -> Tensor:
    assert batch.generator is not None
    return batch.generator.get_state()


def _contents(problem: Problem, batch: Batch, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    tensors = {f"module {k}": v for k, v in problem.modules.state_dict().items()}
    tensors |= {
        f"gradient of {k}": p.grad
        for k, p in problem.modules.named_parameters()
        if p.grad is not None
    }
    tensors |= {f"batch.{f.name}": getattr(batch, f.name) for f in fields(batch)}
    tensors |= {f"state[{k!r}]": v for k, v in state.items()}
    return {k: v.detach().clone() for k, v in tensors.items() if isinstance(v, Tensor)}
