"""A fit on several processes: what it needs of the accelerator, the method and the networks."""

import inspect
import os
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import MISSING, fields, is_dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from sklearn_debias.checkpoints import describe_rows, described
from sklearn_debias.core import Net, Phase, is_divided
from sklearn_debias.exceptions import DebiasWarning, once
from sklearn_debias.fitting._accelerator import ACCELERATOR, without_accelerator
from sklearn_debias.fitting._given import Given
from sklearn_debias.fitting._probe import has_batch_norm, mixes_rows
from sklearn_debias.fitting._types import Classifier
from sklearn_debias.training import Engine, JointNorm, Ranks, Streams, content_of

ASKED = ("num_processes", "process_index", "device")
# What else Accelerate may do, under its own names, and what to use instead.
OTHERWISE = {
    "mixed_precision": (("no", None), "amp=True is bfloat16 here."),
    "gradient_accumulation_steps": ((1, None), "`batch_size` is that of all processes together."),
}
ONE_MODEL_EACH = ("NO", "MULTI_CPU", "MULTI_GPU")  # kinds of Accelerate's that share batches only
# They may differ, or are compared elsewhere.
NOT_COMPARED = ("callbacks", "checkpoint", "device", "random_state", "verbose")


def check_accelerator(estimator: Classifier) -> None:
    """Raise where the accelerator of `net_params` is none, or asks for what is not done here."""
    accelerator = (estimator.net_params or {}).get(ACCELERATOR)
    if accelerator is None:
        return
    if isinstance(accelerator, type):
        raise TypeError(
            f"`accelerator` of `net_params` must be an accelerate.Accelerator, got the class "
            f"{accelerator.__name__} itself. Call it: {accelerator.__name__}()."
        )
    if missing := [name for name in ASKED if not hasattr(accelerator, name)]:
        raise TypeError(
            f"`accelerator` of `net_params` must be an accelerate.Accelerator, got a "
            f"{type(accelerator).__name__} without {missing[0]!r}."
        )
    kind = getattr(accelerator, "distributed_type", "NO")
    kind = str(getattr(kind, "value", kind))
    if kind not in ONE_MODEL_EACH:
        raise ValueError(
            f"`accelerator` has the distributed_type {kind}; of those a fit can use "
            f"{', '.join(ONE_MODEL_EACH)}, where each process holds whole networks."
        )
    for name, (allowed, advice) in OTHERWISE.items():
        if (value := getattr(accelerator, name, None)) not in allowed:
            raise ValueError(f"`accelerator` must not set {name}, got {value!r}. {advice}")
    if estimator.device != "auto":
        asked = torch.device(estimator.device)
        there = torch.device(accelerator.device)
        named = None not in (asked.index, there.index)
        if asked.type != there.type or (named and asked.index != there.index):
            raise ValueError(
                f"`device`={str(asked)!r} is not that of `accelerator`, {str(there)!r}. Leave "
                "device='auto'."
            )
    started = os.environ.get("WORLD_SIZE", "1")
    if accelerator.num_processes == 1 and started not in ("", "1"):
        raise ValueError(
            f"`accelerator` knows of one process, but {started} were started (WORLD_SIZE): each "
            "would train alone. Where there is no GPU, make it Accelerator(cpu=True)."
        )
    if estimator.batch_size < accelerator.num_processes:
        raise ValueError(
            f"`batch_size`={estimator.batch_size} is that of all processes together, and must be "
            f"at least their number, {accelerator.num_processes}."
        )


def check_divided(estimator: Classifier, phases: tuple[Phase, ...]) -> None:
    """Raise where a step of a fit with an accelerator cannot share its batches."""
    if (estimator.net_params or {}).get(ACCELERATOR) is None:
        return
    refused = next((s for phase in phases for s in phase.steps if not is_divided(s)), None)
    if refused is None:
        return
    owner = type(estimator).__name__
    name = _in_the_way(refused)
    if name not in estimator.get_params(deep=False):
        raise ValueError(
            f"`accelerator` of `net_params` does not work with {owner}, whose batches cannot be "
            "shared among processes. Leave it out: one process trains it."
        )
    value = getattr(estimator, name)
    found = repr(value) if isinstance(value, (int, float, str)) else type(value).__name__
    default = inspect.signature(type(estimator)).parameters[name].default
    raise ValueError(
        f"`accelerator` of `net_params` does not work with `{name}`={found} of {owner}. Take "
        f"another, such as the default {default!r}, or leave the accelerator out: one process "
        "trains it."
    )


def _in_the_way(step: Any) -> str:
    """Return the field of a step but for which it could share its batches; "" where none is."""
    if not (is_dataclass(type(step)) and isinstance(vars(type(step)).get("divides"), property)):
        return ""
    for field in fields(step):
        default = field.default if field.default_factory is MISSING else field.default_factory()
        if default is not MISSING and is_divided(replace(step, **{field.name: default})):
            return field.name
    return ""


def shared_net(ranks: Ranks, role: str, net: Net, example: Tensor) -> Net:
    """Return the net of a role whose batches the processes share; ``example`` is a batch of it.

    Raises
    ------
    ValueError
        If it would train otherwise on a part of the rows than on all.
    """
    if net.noise is not None:
        raise ValueError(
            f"`accelerator` of `net_params` does not work with the network {role!r}, which draws "
            "random numbers in training, such as dropout: those of a row would depend on the "
            "number of processes. Set the rates to 0, or leave the accelerator out."
        )
    for part in net.module.modules():
        if isinstance(part, nn.modules.batchnorm._BatchNorm) and not part.track_running_stats:
            raise ValueError(
                f"`accelerator` of `net_params` does not work with the network {role!r}, whose "
                "BatchNorm has track_running_stats=False. Set it True."
            )
        if isinstance(part, nn.modules.instancenorm._InstanceNorm) and part.track_running_stats:
            raise ValueError(
                f"`accelerator` of `net_params` does not work with the network {role!r}, whose "
                f"{type(part).__name__} has track_running_stats=True: each process would keep "
                "statistics of its own rows. Set it False."
            )
    if mixes_rows(net.module, example):
        raise ValueError(
            f"`accelerator` of `net_params` does not work with the network {role!r}: its "
            f"{type(net.module).__name__} gives a row other logits among other rows. It must look "
            "at each row by itself (BatchNorm excepted), and draw random numbers by torch only. "
            "Change it, or leave the accelerator out."
        )
    norm = JointNorm(ranks) if has_batch_norm(net.module) else None
    return replace(net, noise=norm, across=ranks)


def share(engine: Engine, ranks: Ranks) -> None:
    """Let an engine, before its first step, add up gradients; one process speaks for all."""
    engine.ranks = ranks
    ranks.agree({"network at the start": content_of(engine.module_)})
    if not ranks.is_first:
        engine.callbacks_ = [(n, c) for n, c in engine.callbacks_ if n != "print_log"]


@contextmanager
def ranks_of(estimator: Classifier, given: Given) -> Iterator[Ranks | None]:
    """Join the processes of a fit; None where there is one.

    Raises
    ------
    ValueError
        If the processes were not given the same.
    ProcessLostError
        If another one has stopped.
    """
    accelerator = (estimator.net_params or {}).get(ACCELERATOR)
    if accelerator is None or accelerator.num_processes == 1:
        yield None
        return
    ranks = Ranks(accelerator.num_processes, accelerator.process_index)
    try:
        ranks.agree(_facts(estimator, given))
        if ranks.is_first:
            yield ranks
        else:  # warnings are of what all have seen
            with once(set(), without=DebiasWarning):
                yield ranks
    except BaseException as error:
        _forget_group(error)
        raise
    finally:
        ranks.close()


def _forget_group(error: BaseException) -> None:
    """Drop what frames of torch hold: the group ends, and the others notice, with its last name."""
    for frame, _ in traceback.walk_tb(error.__traceback__):
        if frame.f_globals.get("__name__", "").startswith("torch.distributed"):
            frame.clear()


def seed_alike(ranks: Ranks | None, streams: Streams, random_state: Any) -> None:
    """Give the processes the same random streams: fresh ones are those of the first."""
    if ranks is None:
        return
    if random_state is None:
        streams.entropy = ranks.from_first(lambda: streams.entropy)
    ranks.agree({"`random_state`": str(streams.entropy)})


def _facts(estimator: Classifier, given: Given) -> dict[str, str]:
    """Return what must be the same in all processes, by its name for messages."""
    values = estimator.get_params(deep=False)
    values["net_params"] = without_accelerator(values["net_params"])
    kept = {name: value for name, value in values.items() if name not in NOT_COMPARED}
    facts = {f"`{name}`": _content(described, name, value) for name, value in kept.items()}
    facts["class"] = f"{type(estimator).__module__}.{type(estimator).__qualname__}"
    facts["torch"] = str(torch.__version__)
    facts["Python"] = sys.version
    # A fresh seed is sent by the first process: all must be there to take it.
    for name in ("checkpoint", "random_state"):
        facts[f"`{name}`"] = str(values[name] is None)
    rows = given.rows() | {
        "validation_data": given.validation_data,
        "meta set": given.meta,
        "extra rows": given.extra,
    }
    return facts | {f"`{n}`": _content(describe_rows, n, v) for n, v in rows.items()}


def _content(describe: Callable, name: str, value: Any) -> str:
    try:
        return describe(name, value)[0]
    except ValueError:  # what it does is compared after each epoch
        return type(value).__name__
