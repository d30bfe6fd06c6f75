"""Runs the phases: the skorch net, the batches, the random streams. The only place that knows skorch."""

from sklearn_debias.training._augment import crop_flip
from sklearn_debias.training._blame import blamed
from sklearn_debias.training._engine import Engine, Observer, Roles
from sklearn_debias.training._feed import Feed, Prepare, padded
from sklearn_debias.training._members import Member
from sklearn_debias.training._opened import Opened, open_model, unwrapped
from sklearn_debias.training._sizes import n_bytes
from sklearn_debias.training._sources import (
    ArraySource,
    DatasetSource,
    ImageSource,
    JoinedSource,
    Source,
    as_given,
)
from sklearn_debias.training._stacked_optimizers import optimizer_settings
from sklearn_debias.training._streams import Noise, Streams
from sklearn_debias.training._structure import fingerprint, structure
from sklearn_debias.training._sweep import check_schedule, sweep
from sklearn_debias.training._threads import cpu_threads

__all__ = [
    "ArraySource",
    "DatasetSource",
    "Engine",
    "Feed",
    "ImageSource",
    "JoinedSource",
    "Member",
    "Noise",
    "Observer",
    "Opened",
    "Prepare",
    "Roles",
    "Source",
    "Streams",
    "as_given",
    "blamed",
    "check_schedule",
    "cpu_threads",
    "crop_flip",
    "fingerprint",
    "n_bytes",
    "open_model",
    "optimizer_settings",
    "padded",
    "structure",
    "sweep",
    "unwrapped",
]
