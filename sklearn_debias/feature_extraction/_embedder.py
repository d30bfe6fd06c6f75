"""Images, image files or datasets as embeddings of a network."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import KW_ONLY, dataclass
from numbers import Integral
from typing import Any, ClassVar

import numpy as np
import torch
from sklearn.base import (
    BaseEstimator,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
    _fit_context,
)
from sklearn.utils import Tags
from sklearn.utils._param_validation import HasMethods, Interval, Options, StrOptions
from sklearn.utils.validation import check_is_fitted
from torch import nn
from tqdm.auto import tqdm

from sklearn_debias.content import fingerprint, name_of, outer_values
from sklearn_debias.core import Net
from sklearn_debias.core.internal import is_tokens
from sklearn_debias.exceptions import warn
from sklearn_debias.feature_extraction._cache import open_cache
from sklearn_debias.feature_extraction._embedding import Embedding, differ, is_constant
from sklearn_debias.feature_extraction._network import build_features, run
from sklearn_debias.feature_extraction._storage import allocate, cache_folder
from sklearn_debias.feature_extraction._stored import StoredFeatures
from sklearn_debias.fitting import (
    MODULE,
    Facts,
    Fitted,
    OurNames,
    all_or_nothing,
    available,
    holds_module,
    make_prepare,
    on_own_terms,
    open_inputs,
    pick_device,
    plain_params,
    readable_errors,
)
from sklearn_debias.training import Streams, inference_rows, n_bytes

LONG = 512  # tokens of a row that takes much room
SIZE = [Interval(Integral, 1, None, closed="left"), str]


@dataclass(kw_only=False, eq=False, repr=False)
class Embedder(OurNames, ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    """Embed images or rows of features by a network that is not trained.

    The embedding of a row is what the network's last linear layer takes in, or the output of any
    layer. It does not depend on the other rows, and it is computed once: a cache on disk keeps it
    by the content of the row and of the network, for other folds, candidates of a search, processes
    and sessions.

    Parameters
    ----------
    module : str, callable, nn.Module or None, default=None
        The network. A name, as classifiers have it: "linear", "mlp", "simple_cnn",
        "cifar_resnet18", "cifar_wide_resnet28_10", any classifier of torchvision, or "timm:" and a
        name of timm. A class or factory: called with ``n_features``, ``in_channels`` and
        ``n_classes`` where its signature has them. An instance: copied, never changed; also a
        network of transformers, with or without a head. None: for 2-D X the features as they are;
        for images "simple_cnn" up to 16 pixels, "cifar_resnet18" up to 64, "resnet18" above.
    weights : str, path-like or None, default=None
        None keeps those of an instance, and draws those of a name, class or factory from
        ``random_state``: the features of an untrained network. "DEFAULT" or another name of
        torchvision's weights for ``module``, downloaded once. Or a file with a state_dict, of
        ``torch.save`` or of safetensors; the head may be that of another task.
    layer : str or None, default=None
        Name of the layer whose output is taken (where it runs more than once, its last), "" for the
        output of the network. None takes what the body of a module with ``.body`` and ``.head``
        gives, what the last linear layer takes in where the network ends in one, and else the
        output of the network.
    pool : {"avg", "flatten"}, default="avg"
        How activations become vectors: (b, c, h, w), or (b, h, w, c) where the network has its
        channels last, by their average over all places; (b, tokens, d) by their average over the
        tokens, of text those that the mask shows; or flattened.
    normalize : "auto", "imagenet", (mean, std) or None, default="auto"
        Standardise the channels inside of the network. "auto" does so for torchvision's weights,
        with their own mean and std, and for none else. Images are expected in [0, 1]; uint8 is
        scaled to it.
    image_size : int or (height, width), default=None
        Resize images to this. None leaves them as they are: weights trained at 224 pixels see small
        images as they come.
    batch_size : int or None, default=None
        Rows that go through the network together; None takes 32, or 8 where they are large, on CUDA
        256.
    device : str or torch.device, default="auto"
        "auto" takes CUDA where there is one.
    dtype : {"float32", "float64"}, default="float32"
        Of the arithmetic and of the embeddings.
    cache_dir : "auto", path-like or None, default="auto"
        Folder of the cache; None for no cache. "auto" takes the folder in the environment variable
        SKLEARN_DEBIAS_CACHE, else ~/.cache/sklearn_debias. Folders that are made are the user's
        alone.
    cache_size : int or str, default="2GB"
        Bytes that the cache may take. What was not used for longest goes first.
    max_memory : int or str, default="1GB"
        Embeddings that take more bytes are returned as a memory map of a temporary file, which is
        removed with the array. An OSError says so where there is no room for the file.
    verbose : int, default=0
        1 prints the progress every second, and a summary.
    random_state : int, RandomState instance or None, default=0
        Seed of random weights. With None each fit has other ones, so that the cache never knows a
        row. The global generators are never touched.

    Attributes
    ----------
    module_ : nn.Module
        Maps (b, ...) to embeddings (b, d), normalisation and pooling included.
    input_shape_ : tuple of int
        Shape of one row.
    n_features_in_ : int
        Features of 2-D X, channels of images.
    feature_names_in_ : ndarray of str
        Where X was a frame with string column names.

    Notes
    -----
    The network counts by its architecture, tensors, plain attributes and the code of your classes
    and functions; also the versions of torch and of installed packages, and ``layer``, ``pool``,
    ``normalize``, ``image_size``, ``batch_size``, ``dtype`` and the kind of device. Image files
    count by their bytes.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_debias.feature_extraction import Embedder
    >>> images = np.random.default_rng(0).random((5, 3, 8, 8))
    >>> embedder = Embedder("simple_cnn", cache_dir=None).fit(images)
    >>> embedder.transform(images).shape
    (5, 128)
    """

    module: Any = None
    _: KW_ONLY
    weights: Any = None
    layer: str | None = None
    pool: str = "avg"
    normalize: Any = "auto"
    image_size: Any = None
    batch_size: int | None = None
    device: Any = "auto"
    dtype: str = "float32"
    cache_dir: Any = "auto"
    cache_size: int | str = "2GB"
    max_memory: int | str = "1GB"
    verbose: int = 0
    random_state: Any = 0

    _parameter_constraints: ClassVar[dict] = {
        "module": MODULE,
        "weights": [str, HasMethods("__fspath__"), None],
        "layer": [str, None],
        "pool": [StrOptions({"avg", "flatten"})],
        "normalize": [StrOptions({"auto", "imagenet"}), tuple, list, None],
        "image_size": [Interval(Integral, 1, None, closed="left"), tuple, list, None],
        "batch_size": [Interval(Integral, 1, None, closed="left"), None],
        "device": [str, Options(type, {torch.device}), torch.device],
        "dtype": [StrOptions({"float32", "float64"})],
        "cache_dir": [str, HasMethods("__fspath__"), None],
        "cache_size": SIZE,
        "max_memory": SIZE,
        "verbose": ["verbose"],
        "random_state": ["random_state"],
    }

    _predicts_with: ClassVar[tuple[str, ...]] = ("module_", "_n_features_out", "_name")

    def _to_store(self, held: dict[str, Any]) -> dict[str, Any]:
        held = super()._to_store(held)
        if "module_" not in held or holds_module(held["_fitted"].params["module"]):
            return held
        return {**held, "module_": StoredFeatures.of(held["module_"])}

    def _restore(self, values: dict[str, Any]) -> None:
        super()._restore(values)
        if "_fitted" in values:
            self._fitted = available(values["_fitted"])[1]
        if isinstance(values.get("module_"), StoredFeatures):
            self.module_ = values["module_"].build(self._fitted)

    def _validate_params(self) -> None:
        plain_params(self)  # before scikit-learn compares what is no number
        super()._validate_params()

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: Any, y: Any = None) -> "Embedder":
        """Build the network and try it on two rows; nothing is trained.

        Parameters
        ----------
        X : array-like of shape (n, features) or (n, channels, height, width), or n image paths
            Features, or images: floats in [0, 1] by custom, or uint8. Frames, tensors, memory maps,
            Datasets and rows of tokens are accepted too, as in the ``fit`` of the classifiers.
        y : ignored

        Returns
        -------
        self
        """
        with all_or_nothing(self):
            for name in ("cache_size", "max_memory"):
                n_bytes(getattr(self, name), name)
            with self._terms(small=False):
                self._build(X)
        return self

    def _build(self, X: Any) -> None:
        params = self.get_params(deep=False)
        device = pick_device(self.device)
        inputs = open_inputs(X, dtype=self.dtype, image_size=self.image_size, owner=self)
        facts = Facts.of(inputs)
        streams = Streams(self.random_state)
        self._fitted = Fitted(params, facts, streams)
        self.__dict__.update(facts.attributes())
        few = np.array([0, min(1, len(inputs) - 1)])
        two = inputs.source.take(few)
        on_cpu = make_prepare(self._fitted, torch.device("cpu"))(two)
        noise = streams.noise("initialisation", "model")
        self.module_ = build_features(
            params,
            inputs.shape,
            on_cpu,
            noise,
            look=lambda limits: inputs.limited(limits).source.take(few),
        )
        before = outer_values(self.module_)  # what the pass below changes decides no embedding
        with torch.inference_mode():
            seen = make_prepare(self._fitted, device)(two)
            out = run(self._network(device), seen)
        self._n_features_out = out.shape[1]
        self._name = None
        # What hands the rows on has nothing to save, and would write X to the disk.
        hands_on = torch.equal(out, seen.flatten(1))
        if cache_folder(self.cache_dir, strict=True) is not None and not hands_on:
            self._name = name_of(
                self.module_,
                params["dtype"],
                params["image_size"],
                self.input_shape_,
                before=before,
            )

    def transform(self, X: Any) -> np.ndarray:
        """Embed the rows of X.

        Parameters
        ----------
        X : array-like
            As in ``fit``.

        Returns
        -------
        ndarray of shape (n, d)
            Of ``dtype``; a memory map where it takes more than ``max_memory``.
        """
        check_is_fitted(self)
        source = self._fitted.open(self, X).source
        params = self._fitted.params
        device = pick_device(params["device"])
        rows = params["batch_size"] or inference_rows(device, self.input_shape_)
        name = self._name and fingerprint(self._name, device.type, rows)
        small = len(self.input_shape_) == 1
        memory, disk = (n_bytes(params[size], size) for size in ("max_memory", "cache_size"))
        shape = (len(source), self._n_features_out)
        dtype = params["dtype"]
        cached = open_cache(params["cache_dir"], name, shape, dtype, disk)
        bar = tqdm(total=len(source), desc="Embedder", unit="row", disable=not params["verbose"])
        with self._terms(small=small, batch_size=rows), cached as cache, bar:
            out = allocate(shape, dtype, memory)
            Embedding(
                source,
                self._network(device),
                make_prepare(self._fitted, device),
                rows,
                cache,
                shape=self.input_shape_ if params["image_size"] is None else None,
                row_bytes=4 * _size(self.input_shape_),
                report=lambda done, computed: (
                    bar.set_postfix_str(f"{computed} new") or bar.update(done - bar.n)
                ),
            ).fill(out)
        if is_constant(out) and differ(source):
            warn(
                f"The embeddings of all {len(out)} rows of X are equal: they tell nothing apart. "
                f"Check `module`, `weights` and `layer`, and the range of X."
            )
        return out

    @contextmanager
    def _terms(self, *, small: bool, batch_size: int | None = None) -> Iterator[None]:
        with (
            on_own_terms(small=small),
            readable_errors(self, batch_size=batch_size, advice="Lower `batch_size`"),
        ):
            yield

    def _network(self, device: torch.device) -> nn.Module:
        """Return a twin of ``module_`` that shares its tensors; other threads see no hook of it."""
        twin = Net(self.module_).frozen().module.to(device)
        if device.type == "cuda" and len(self.input_shape_) == 3:
            return twin.to(memory_format=torch.channels_last)
        return twin

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = [self.dtype]
        return tags


def _size(shape: tuple[int, ...]) -> int:
    """Return about how many values a row holds."""
    return shape[0] * LONG if is_tokens(shape) else math.prod(shape)
