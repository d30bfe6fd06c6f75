"""Documentation that all torch classifiers share."""

import inspect
import re
import textwrap
from typing import Any

SHARED_PARAMETERS = """\
    module : str, callable, nn.Module or None, default=None
        The network, mapping (b, ...) to logits (b, classes). A name: "linear", "mlp", "simple_cnn",
        "ule_cnn" (of ULE's Table 1), for 32 pixels or so "cifar_resnet18", "cifar_resnet32",
        "cifar_preact_resnet18", "cifar_wide_resnet28_10" and "cifar_vgg16", or any classifier of
        torchvision, such as "inception_v3" ("resnet18" keeps its 7x7 stem), or "timm:" and a name
        of timm. A class or factory: called with ``module__*``, and with ``n_features``,
        ``in_channels`` and ``n_classes`` where its signature has them. An instance: copied, never
        trained itself; also a classifier of transformers. For rows of tokens it is called with
        ``input_ids`` and ``attention_mask``. None: a linear head for 2-D X; for images "simple_cnn"
        up to 16 pixels, "cifar_resnet18" up to 64, "resnet18" above.
    lr : float, default=1e-3
        Learning rate, > 0.
    max_epochs : int, default=100
        Passes over the training rows, at least 1. With "lbfgs" the iterations that it takes at
        most to the minimum of each phase; a warning tells where they were too few.
    batch_size : int, default=128
        Rows per step, at least 1.
    optimizer : {"adam", "adamw", "sgd", "lbfgs"} or torch optimizer class, default="adam"
        "sgd" has momentum 0.9; torch.optim.SGD, the class, has none. More arguments go into
        ``net_params``, e.g. ``optimizer__momentum``. Those that need a closure are refused.
        "lbfgs" takes linear networks of 2-D X, and heads of frozen bodies, to the minimum of a
        convex loss: the mean cross entropy, weighted or shifted by class, plus ``weight_decay / 2``
        times the squared weights and intercepts. It has no use for ``lr``, ``batch_size`` and
        ``random_state``; other losses and networks are refused, and what asks for batches or epochs
        (``augment``, ``monitor``, ``lr_schedule``, ``checkpoint``, ``callbacks`` ...) is, too.
    weight_decay : float, default=1e-4
        The optimiser's, at least 0.
    lr_schedule : "drops", callable or None, default=None
        A scheduler class of torch or timm, or a partial, ``lr_schedule(optimizer)``; applied to
        every network that looks at X, stepped per epoch, restarted in each phase that does not
        continue the one before. "drops" divides the rate by 10 after 80 % of the epochs, and again
        after 90 %.
    augment : "crop-flip", callable or None, default=None
        Augmentation of each training batch on the device: random crop after padding and horizontal
        flip, or any function of a batch (b, ...).
    normalize : "imagenet", (mean, std) or None, default=None
        Standardise inside the module, so that radii and ranges stay in the units of X.
    image_size : int or (height, width), default=None
        Resize images to this. Needed where image files, or images of Pillow, differ in size.
    freeze : "body" or None, default=None
        Train the head only.
    validation : float, default=None
        Fraction of the rows to hold out, stratified on (y, bias_labels), in (0, 1).
    monitor : str, scorer or None, default=None
        Score on the validation rows that selects the epoch to keep, e.g. "worst_group_accuracy".
        Ties go to the smaller loss of these rows. None keeps the last epoch.
    monitor_every : int, default=1
        Epochs from one score of the validation rows to the next, at least 1; more than 1 needs such
        rows. The last epoch is scored, too, also where a callback ends the fit; the epochs between
        have no score in ``history_``, and are not kept.
    patience : int or None, default=None
        Scores that ``monitor`` waits for a better one, at least 1; then the last phase ends.
        Phases before it are trained in full. None trains for ``max_epochs``.
    amp : bool, default=False
        Train in bfloat16 where torch's autocast does.
    dtype : {"float32", "float64"}, default="float32"
        Of parameters and arithmetic.
    device : str or torch.device, default="auto"
        "auto" takes CUDA where there is one.
    callbacks : list of skorch callbacks, default=None
        Copied for each fit; what they point to (a writer, a trial of a search) is shared, by clones
        too. Those that read the history find ``train_loss``, every term of ``history_`` and, with
        validation rows, their score by its column's name and ``valid_loss`` (of the last phase, in
        the epochs of ``monitor_every``):
        ``EarlyStopping(monitor="train_loss")``. Those that score batches themselves
        (``EpochScoring``) are refused; use ``monitor``.
    net_params : dict, default=None
        Any skorch argument by its dunder name: ``module__hidden``, ``optimizer__betas``,
        ``iterator_train__num_workers`` (any of these selects torch's DataLoader) and so on. They
        are also parameters of their own in ``set_params`` and in grids. ``module__weights`` is a
        file, or the name of torchvision's weights, for a network by name; a network with a
        parameter of its own has its own arguments (``student_module__weights``). ``accelerator`` is
        one of Accelerate's, for fits on several processes: ``docs/guide/several_processes.md``.
    checkpoint : path-like or None, default=None
        Folder that keeps the progress of the fit: after Ctrl-C, a kill or a crash the same call of
        ``fit`` goes on from there, and ends as if it had not been interrupted, bit for bit. Another
        estimator, other rows or another version is refused; more ``max_epochs`` are not, unless the
        schedule depends on them. Clones, those of a search, take a folder each inside of it.
    checkpoint_every : int or str, default=1
        Epochs from one checkpoint to the next, at least 1, or a time: "30s", "10min", "1h". What is
        lost by a kill is at most that much; Ctrl-C and SIGTERM write the last epoch first.
    verbose : int, default=0
        1 prints a line per epoch, with "lbfgs" how each phase ends. A fit that will take more than
        ten minutes says so in its first epoch, whatever this is.
    random_state : int, RandomState instance or None, default=None
        An int makes fits reproducible. The global generators are never touched.
"""

SHARED_ATTRIBUTES = """\
    classes_ : ndarray of shape (classes,)
        Class labels, sorted.
    module_ : nn.Module
        The network that predicts.
    coef_, intercept_ : ndarray
        Where the network is a linear layer of 2-D X: its weights, of shape (classes, features), or
        (1, features) for two classes, as scikit-learn's linear models have them.
    net_ : skorch.NeuralNet
        The engine that ran the fit, with all networks. That of a model which was loaded has
        ``module_`` and ``history``, and neither the optimiser of the fit nor callbacks.
    history_ : DataFrame
        One row per epoch: the phase, every term of the loss, seconds.
    n_iter_ : int
        Epochs of all phases; with ``optimizer="lbfgs"`` iterations, which are the rows of
        ``history_`` then.
    input_shape_ : tuple of int
        Shape of one row; for tokens (columns, -1), as they have any length.
    n_features_in_ : int
        Features of 2-D X, channels of images, columns of tokens.
    feature_names_in_ : ndarray of str
        Where X was a frame with string column names.
    bias_classes_, aligned_bias_, group_shares_
        Where ``fit`` was given bias labels: the bias values, the one that goes with each class most
        often, the share of each (class, bias value) group.
"""

SHARED_ARGUMENTS = """\
    X : array-like of shape (n, features) or (n, channels, height, width), or n image paths or dicts
        Features, or images: floats in [0, 1] by custom, or uint8, which is scaled to [0, 1].
        Frames, tensors, memory maps, images of Pillow and Datasets are accepted too. Or rows of
        tokens: dicts of ``input_ids`` and, where there are any, ``attention_mask`` and
        ``token_type_ids``; a Dataset of them; or the columns, as a tokenizer or a frame has them.
    y : array-like of shape (n,)
        Class labels of any type.
    bias_labels : array-like of shape (n,) or (n, attributes), default=None
        Bias attribute(s) of each sample, in the order of X: a pandas index that says otherwise is
        an error.
    validation_data : (X, y) or (X, y, bias_labels), default=None
        Rows to score after each epoch, instead of a fraction held out by ``validation``; their bias
        values need not occur in training.
"""

META_PARAMETERS = """\
    meta_size : int, default=10
        Rows of each class that ``fit`` takes out of the training rows where it is given no meta
        set, at least 1: at most a fifth of a class (one row of two to four), evenly over the bias
        values where bias labels are given; a class of a single row keeps it.
    meta_interval : int, default=1
        Look ahead on every `meta_interval`-th batch, at least 1.
"""

META_ARGUMENTS = """\
    X_meta, y_meta : array-like of m rows, default=None
        A small balanced set of clean rows that are not among the training rows: what the method
        learns to serve. In a Pipeline, ``transform_input=["X_meta"]`` sends it through the earlier
        steps. None holds rows out of X, see ``meta_size``; what is scored afterwards is never used.
        As one pair, ``X_meta=(X_meta, y_meta)``, it may have as many rows as X.
"""

ATTACK_PARAMETERS = """\
    epsilon : float, default=8/255
        Radius of the attack in training, in the units of X (of [0, 1] for uint8 images), at least
        0.
    step_size : float or None, default=None
        Length of one of its steps, > 0. None is 2.5 epsilon / n_steps, at most epsilon: 2/255 by
        default.
    n_steps : int, default=10
        Its steps, at least 1.
    norm : {"linf", "l2"}, default="linf"
        Norm of the radius. In L2 another radius is wanted: 0.5 is usual on CIFAR-10.
    clip : "auto", (low, high) or None, default="auto"
        Valid range of X, as numbers or one per channel. "auto" is (0, 1) for images, and None for
        2-D X.
    attack_mode : {"train", "eval"}, default="train"
        Mode of the model under attack. "train" normalises by the statistics of the attacked batch
        and draws dropout anew at each step. BatchNorm's running statistics are those of the batches
        the loss sees, either way.
    awp : float, default=0
        Adversarial weight perturbation: take the loss at weights moved against the model by this
        share of each layer's norm. 0 is none; 0.01 is usual on CIFAR-10.
"""

EXTRA_ARGUMENTS = """\
    X_extra, y_extra : array-like of m rows, default=None
        More training rows, generated ones for instance: every epoch visits them, too. They never
        serve as validation rows. Where m may equal n, or the rows of a training fold, pass both as
        one pair, ``X_extra=(X_extra, y_extra)``: cross-validation would slice them else.
"""

SHARED = {
    "attack_parameters": ATTACK_PARAMETERS,
    "extra_arguments": EXTRA_ARGUMENTS,
    "meta_parameters": META_PARAMETERS,
    "meta_arguments": META_ARGUMENTS,
    "shared_parameters": SHARED_PARAMETERS,
    "shared_attributes": SHARED_ATTRIBUTES,
    "shared_arguments": SHARED_ARGUMENTS,
}


def fill(doc: str, owner: Any = None) -> str:
    """Return ``doc`` without its margin, shared text filled in, with the defaults of ``owner``."""
    doc = inspect.cleandoc(doc)  # what Python 3.13 compiles has lost the margin already
    for name, text in SHARED.items():
        doc = doc.replace(f"{{{name}}}", textwrap.dedent(text).rstrip())
    for name in ("lr", "max_epochs", "optimizer", "weight_decay", "lr_schedule"):
        value = getattr(owner, name, None)
        if value is not None:
            shown = _shown(value)
            doc = re.sub(rf"^({name} : .*default=).*$", rf"\g<1>{shown}", doc, flags=re.MULTILINE)
    return doc


def _shown(value: Any) -> str:
    if isinstance(value, type):
        return value.__name__
    return f'"{value}"' if isinstance(value, str) else f"{value:g}"
