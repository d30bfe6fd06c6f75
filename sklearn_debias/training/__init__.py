"""The run of the phases: skorch net, batches, random streams. Only this room knows skorch."""

from sklearn_debias.training._attributes import (
    IN_PLACE,
    OF_EVERY_MODULE,
    plain_attributes,
    with_extra_state,
)
from sklearn_debias.training._augment import crop_flip
from sklearn_debias.training._blame import blamed, diverged, is_of_device, is_of_memory
from sklearn_debias.training._by_role import ByRole
from sklearn_debias.training._callbacks import check_callbacks, own_callbacks
from sklearn_debias.training._engine import Engine
from sklearn_debias.training._feed import SAME, Epochs, Feed
from sklearn_debias.training._forecast import Forecast
from sklearn_debias.training._joined import JoinedSource, of_width
from sklearn_debias.training._joint_norm import JointNorm
from sklearn_debias.training._lbfgs import Minimum, minimum
from sklearn_debias.training._leftovers import came_of_autograd, forget_backward
from sklearn_debias.training._linear_loss import LinearLoss
from sklearn_debias.training._loaded import engine_of
from sklearn_debias.training._observer import Keeper, Observer
from sklearn_debias.training._optimizers import check_kind, takes
from sklearn_debias.training._pixels import LEVELS, as_seen, span, white
from sklearn_debias.training._prepare import Prepare, filled, inference_rows, padded, resized
from sklearn_debias.training._progress import Progress
from sklearn_debias.training._ranks import Ranks, content_of
from sklearn_debias.training._roles import Roles, is_fixed
from sklearn_debias.training._shared_epochs import SharedEpochs
from sklearn_debias.training._sizes import n_bytes
from sklearn_debias.training._solved import run_solved
from sklearn_debias.training._sources import (
    ArraySource,
    DatasetSource,
    ImageSource,
    MappedSource,
    PictureSource,
    Source,
    as_given,
    check_whole,
    is_memory_map,
    is_picture,
)
from sklearn_debias.training._step_checks import check_state, check_step, check_visits
from sklearn_debias.training._streams import Noise, Streams
from sklearn_debias.training._surroundings import undisturbed
from sklearn_debias.training._threads import cpu_threads
from sklearn_debias.training._tokens import (
    TOKEN_ADVICE,
    TokenSource,
    check_known,
    is_token_row,
    read_row,
    row_in,
)

__all__ = [
    "IN_PLACE",
    "LEVELS",
    "OF_EVERY_MODULE",
    "SAME",
    "TOKEN_ADVICE",
    "ArraySource",
    "ByRole",
    "DatasetSource",
    "Engine",
    "Epochs",
    "Feed",
    "Forecast",
    "ImageSource",
    "JoinedSource",
    "JointNorm",
    "Keeper",
    "LinearLoss",
    "MappedSource",
    "Minimum",
    "Noise",
    "Observer",
    "PictureSource",
    "Prepare",
    "Progress",
    "Ranks",
    "Roles",
    "SharedEpochs",
    "Source",
    "Streams",
    "TokenSource",
    "as_given",
    "as_seen",
    "blamed",
    "came_of_autograd",
    "check_callbacks",
    "check_kind",
    "check_known",
    "check_state",
    "check_step",
    "check_visits",
    "check_whole",
    "content_of",
    "cpu_threads",
    "crop_flip",
    "diverged",
    "engine_of",
    "filled",
    "forget_backward",
    "inference_rows",
    "is_fixed",
    "is_memory_map",
    "is_of_device",
    "is_of_memory",
    "is_picture",
    "is_token_row",
    "minimum",
    "n_bytes",
    "of_width",
    "own_callbacks",
    "padded",
    "plain_attributes",
    "read_row",
    "resized",
    "row_in",
    "run_solved",
    "span",
    "takes",
    "undisturbed",
    "white",
    "with_extra_state",
]
