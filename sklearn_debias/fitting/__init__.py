"""From the X and y of a user to a finished fit.

Openly internal: rooms above, and methods from elsewhere, build on these names. They may change with
the package. Read them in this order:

* `Given`, `View`: what `fit` was given. `fit_method` makes a `fit` that trains of one that says so.
* `open_inputs`, `Inputs`: the front door for X. `encode_target` is the one for y.
* `read_given`, `TrainingSet`, `Facts`: the rows to train on, and what was seen of the data.
* `Networks`: the networks of all roles. `Fit`: batches and phases, through which `train` goes.
* `Fitted`, `all_or_nothing`: what a fit leaves behind, and how it is taken back.
* `open_model`, `Opened`: a fitted model on some rows, for attacks, maps and reports.
"""

from sklearn_debias.fitting._accelerator import ACCELERATOR, asked_by, without_accelerator
from sklearn_debias.fitting._apart import holds_module
from sklearn_debias.fitting._attack import (
    attack_rows,
    check_ball,
    check_inside,
    clip_tensors,
    kept_inside,
    placed,
    read_clip,
    warn_of_still,
    with_range,
)
from sklearn_debias.fitting._attention_maps import (
    check_attention,
    check_size,
    fitted_attention,
    maps_of,
    one_sided,
    read_maps,
    warn_of_one_sided,
)
from sklearn_debias.fitting._cells import by_environment, describe_groups, warn_of_cells
from sklearn_debias.fitting._changed_rows import rows_blamed
from sklearn_debias.fitting._checkpoint import CLONED, checkpoint_of
from sklearn_debias.fitting._convex import declares_convex
from sklearn_debias.fitting._devices import make_prepare, on_own_terms, pick_device
from sklearn_debias.fitting._docs import fill
from sklearn_debias.fitting._errors import MEMORY_ADVICE, device_failed, let_go, readable_errors
from sklearn_debias.fitting._facts import Facts
from sklearn_debias.fitting._fit import Fit, check_shared
from sklearn_debias.fitting._fit_method import fit_method
from sklearn_debias.fitting._fitted import Attempt, Fitted, all_or_nothing, is_fitted_name
from sklearn_debias.fitting._given import (
    Given,
    View,
    count_rows,
    indexable_rows,
    indexed,
    pair,
    take_rows,
)
from sklearn_debias.fitting._halves import split_by
from sklearn_debias.fitting._hooks import training_set_of
from sklearn_debias.fitting._inputs import Inputs, check_rows, is_dataset, open_inputs
from sklearn_debias.fitting._linear import linear_weights
from sklearn_debias.fitting._logistic import one_against_rest
from sklearn_debias.fitting._mapped import can_stay_mapped, mapped
from sklearn_debias.fitting._memory import check_fits
from sklearn_debias.fitting._meta_set import held_out
from sklearn_debias.fitting._networks import Networks
from sklearn_debias.fitting._observers import CallbackBridge, Monitor
from sklearn_debias.fitting._opened import Opened, open_model
from sklearn_debias.fitting._our_names import OurNames
from sklearn_debias.fitting._params import (
    MODULE,
    NON_NEGATIVE,
    POSITIVE,
    POSITIVE_INT,
    SHARED_CONSTRAINTS,
    NetParams,
    Q,
    check_normalize,
    ignored_parameters,
    is_solved,
    plain_params,
    split_net_params,
)
from sklearn_debias.fitting._plain import plain
from sklearn_debias.fitting._predicting import (
    HEAD_BATCH,
    all_outputs,
    opened,
    predicted,
    rows_to_predict,
)
from sklearn_debias.fitting._probe import is_small, like_probabilities
from sklearn_debias.fitting._processes import ranks_of, seed_alike
from sklearn_debias.fitting._reading import read_given
from sklearn_debias.fitting._requests import bias_for, fit_with_bias
from sklearn_debias.fitting._requirements import check_linear_head
from sklearn_debias.fitting._running import train
from sklearn_debias.fitting._saved import PlainState
from sklearn_debias.fitting._scales import Sweep
from sklearn_debias.fitting._scored import ScoredByRows
from sklearn_debias.fitting._searchable import Searchable, SearchableNet, nested_space, own_space
from sklearn_debias.fitting._standardised import Standardised, parts, rows_at, scaler_of
from sklearn_debias.fitting._stored import StoredNetwork, StoresNetworks, available, materialised
from sklearn_debias.fitting._targets import encode_known, encode_target, plain_bias
from sklearn_debias.fitting._token_limits import look_ahead
from sklearn_debias.fitting._tokens import token_rows
from sklearn_debias.fitting._training_set import TrainingSet
from sklearn_debias.fitting._types import Classifier, Estimator, Model

__all__ = [
    "ACCELERATOR",
    "CLONED",
    "HEAD_BATCH",
    "MEMORY_ADVICE",
    "MODULE",
    "NON_NEGATIVE",
    "POSITIVE",
    "POSITIVE_INT",
    "SHARED_CONSTRAINTS",
    "Attempt",
    "CallbackBridge",
    "Classifier",
    "Estimator",
    "Facts",
    "Fit",
    "Fitted",
    "Given",
    "Inputs",
    "Model",
    "Monitor",
    "NetParams",
    "Networks",
    "Opened",
    "OurNames",
    "PlainState",
    "Q",
    "ScoredByRows",
    "Searchable",
    "SearchableNet",
    "Standardised",
    "StoredNetwork",
    "StoresNetworks",
    "Sweep",
    "TrainingSet",
    "View",
    "all_or_nothing",
    "all_outputs",
    "asked_by",
    "attack_rows",
    "available",
    "bias_for",
    "by_environment",
    "can_stay_mapped",
    "check_attention",
    "check_ball",
    "check_fits",
    "check_inside",
    "check_linear_head",
    "check_normalize",
    "check_rows",
    "check_shared",
    "check_size",
    "checkpoint_of",
    "clip_tensors",
    "count_rows",
    "declares_convex",
    "describe_groups",
    "device_failed",
    "encode_known",
    "encode_target",
    "fill",
    "fit_method",
    "fit_with_bias",
    "fitted_attention",
    "held_out",
    "holds_module",
    "ignored_parameters",
    "indexable_rows",
    "indexed",
    "is_dataset",
    "is_fitted_name",
    "is_small",
    "is_solved",
    "kept_inside",
    "let_go",
    "like_probabilities",
    "linear_weights",
    "look_ahead",
    "make_prepare",
    "mapped",
    "maps_of",
    "materialised",
    "nested_space",
    "on_own_terms",
    "one_against_rest",
    "one_sided",
    "open_inputs",
    "open_model",
    "opened",
    "own_space",
    "pair",
    "parts",
    "pick_device",
    "placed",
    "plain",
    "plain_bias",
    "plain_params",
    "predicted",
    "ranks_of",
    "read_clip",
    "read_given",
    "read_maps",
    "readable_errors",
    "rows_at",
    "rows_blamed",
    "rows_to_predict",
    "scaler_of",
    "seed_alike",
    "split_by",
    "split_net_params",
    "take_rows",
    "token_rows",
    "train",
    "training_set_of",
    "warn_of_cells",
    "warn_of_one_sided",
    "warn_of_still",
    "with_range",
    "without_accelerator",
]
