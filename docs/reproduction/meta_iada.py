"""Does Meta-IADA help? Long tails, wrong labels and shifted groups, at equal budgets.

    python docs/reproduction/meta_iada.py --scenarios "cifar lt100" "cifar flip2 40"
    python docs/reproduction/meta_iada.py --tables --figures

Every method gets the same number of configurations. The one with the best accuracy on balanced,
clean validation rows, on a seed of its own, is then fitted on fresh seeds; only those fits see the
test set. Methods without a meta set train on the meta rows as well. Rows that the output file has
are skipped. The data are read from the folder named by SKLEARN_DEBIAS_DATA; embeddings of the CIFAR
pictures are computed once (some minutes) and kept in --cache.
"""

import argparse
import functools
import io
import json
import sys
import tempfile
import time
import warnings
from itertools import pairwise
from pathlib import Path
from unittest.mock import patch

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from sklearn.decomposition import PCA
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import Bunch

import sklearn_debias as sd
from sklearn_debias.datasets import (
    attribute_long_tail,
    balanced_indices,
    binary_colour_mnist,
    data_folder,
    flip_labels,
    glt_split,
    long_tail_indices,
    read_mnist,
)
from sklearn_debias.exceptions import DivergedError
from sklearn_debias.objectives import _meta_iada

sys.path.insert(0, str(Path(__file__).parent))
from biased_data import bar as bar_parts
from tables import append, bold, interval, read_rows, table_head

OUT = Path(__file__).with_suffix(".csv")
SELECTION_SEED = 1000
IDENTITY = ("experiment", "scenario", "method", "params", "seed")
COLUMNS = (
    *IDENTITY,
    "val",
    "test",
    "test_worst",
    "test_tail",
    "share",
    "share_noisy",
    "share_clean",
    "epsilon_noisy",
    "epsilon_clean",
    "seconds",
)
PER_CLASS = 10  # meta rows
N_FEATURES = (
    64  # principal components of the embeddings; as many features as the paper's ResNet-32 has
)
SCENARIOS = {
    "cifar lt100": ("cifar", "lt", 100),
    "cifar lt10": ("cifar", "lt", 10),
    "cifar flip2 20": ("cifar", "flip2", 0.2),
    "cifar flip2 40": ("cifar", "flip2", 0.4),
    "cifar uniform 40": ("cifar", "uniform", 0.4),
    "cifar glt": ("cifar", "glt", 100),
    "fashion lt100": ("fashion", "lt", 100),
    "fashion flip2 40": ("fashion", "flip2", 0.4),
    "bar 5%": ("bar", "shift", 0.05),
    "colour mnist": ("mnist", "shift", None),
}
METHODS = (
    "ce",
    "class-balanced",
    "logit adjustment",
    "ldam-drw",
    "isda",
    "metasaug",
    "mw-net",
    "meta-iada",
    "group dro",
)
META = {
    "metasaug": sd.MetaSAugClassifier,
    "mw-net": sd.MetaWeightNetClassifier,
    "meta-iada": sd.MetaIADAClassifier,
}
ABLATION = {"no G": {"alpha": 0.0}, "no R": {"epsilon": 0.0}, "no F": {"beta": 0.0}}
REACH = (1.0, 0.3, 0.1, 0.03)  # of the diagnosis
MORE = "meta rows in training too"  # a meta-learner that trains on these as the other methods do
LESS = "without the meta rows"
EPOCHS = {"cifar": 30, "fashion": 12, "bar": 30, "mnist": 15}
LR = {"cifar": (1e-3, 1e-1), "fashion": (3e-3, 1e-1), "bar": (1e-3, 1e-1), "mnist": (1e-2, 2e-1)}
NETWORK = {
    "cifar": {"module": "linear"},
    "bar": {"module": "linear"},
    "fashion": {"module": "simple_cnn", "module__width": 8},
    "mnist": {"module": "mlp", "module__hidden": 100},
}
DRAWS = {"cifar": 6, "bar": 6, "fashion": 4, "mnist": 6}
SEEDS = {"cifar": 5, "bar": 5, "fashion": 3, "mnist": 5}


# Data: training and meta rows are drawn anew for each seed; the test set stays as it is
# --------------------


def load_data(scenario, seed, cache):
    """Training, meta, validation and test sets; `wrong` marks the training rows whose label is."""
    data, kind, level = SCENARIOS[scenario]
    if data == "bar":
        return bar(level, seed)
    if data == "mnist":
        return colour_mnist(seed)
    x, y, n_train = {"cifar": cifar, "fashion": fashion}[data](cache)
    if kind == "glt":
        return generalised(x[:n_train], y[:n_train], clusters(cache), level, seed)
    test = np.arange(n_train, len(y))
    validation = balanced_indices(y[:n_train], per_cell=100, random_state=77)
    rest = np.setdiff1d(np.arange(n_train), validation)
    meta = rest[balanced_indices(y[rest], per_cell=PER_CLASS, random_state=seed)]
    rest = np.setdiff1d(rest, meta)
    if kind == "lt":
        rows = rest[long_tail_indices(y[rest], level, random_state=seed)]
        labels = y[rows]
    else:
        rows = rest[
            balanced_indices(y[rest], per_cell=300 if data == "cifar" else 200, random_state=seed)
        ]
        labels = flip_labels(y[rows], level, kind=kind, random_state=seed)
    parts = {
        name: part(x, y, chosen)
        for name, chosen in (("meta", meta), ("validation", validation), ("test", test))
    }
    return Bunch(
        train=Bunch(data=x[rows], target=labels, wrong=labels != y[rows], bias_labels=None), **parts
    )


def part(x, y, rows, bias_labels=None):
    """Some rows as a set."""
    return Bunch(
        data=x[rows], target=y[rows], bias_labels=None if bias_labels is None else bias_labels[rows]
    )


@functools.cache
def cifar(cache):
    """Return whitened principal components of MobileNetV2's embeddings.

    They are fitted on the 10,000 training pictures, without labels.
    """
    path = Path(cache) / "cifar_mbv2_96.npz"
    if not path.exists():
        embed(path)
    pack = np.load(path, allow_pickle=False)
    order = np.argsort(pack["split"], kind="stable")
    n_train = int((pack["split"] == 0).sum())
    x, y = pack["x"][order].astype(np.float32), pack["y"][order].astype(np.int64)
    reduce = make_pipeline(StandardScaler(), PCA(N_FEATURES, whiten=True, random_state=0)).fit(
        x[:n_train]
    )
    return reduce.transform(x).astype(np.float32), y, n_train


def embed(path, size=96):
    """ImageNet MobileNetV2's features of the CIFAR-10 subset, enlarged to 96 pixels."""
    from torchvision.models import mobilenet_v2

    net = mobilenet_v2(num_classes=1001)
    weights = torch.load(data_folder() / "mobilenet_v2_imagenet_fp16.pt", weights_only=True)
    net.load_state_dict({k: v.float() if v.is_floating_point() else v for k, v in weights.items()})
    net.eval()
    for layer in net.modules():
        if isinstance(layer, torch.nn.Conv2d) and layer.stride == (
            2,
            2,
        ):  # these weights were made with this padding
            layer.padding = (0, 0)
            layer.register_forward_pre_hook(lambda _, given: (F.pad(given[0], (0, 1, 0, 1)),))
    pack = np.load(data_folder() / "cifar10_jpeg_12k.npz", allow_pickle=False)
    files, off = pack["data"].tobytes(), pack["off"]
    pictures = [Image.open(io.BytesIO(files[a:b])).convert("RGB") for a, b in pairwise(off)]
    images, found = np.stack([np.asarray(p) for p in pictures]), []
    with torch.inference_mode():
        for start in range(0, len(images), 64):
            x = torch.from_numpy(images[start : start + 64]).permute(0, 3, 1, 2).float() / 127.5 - 1
            x = F.interpolate(x, size=(size, size), mode="bilinear", align_corners=False)
            found.append(net.features(x).mean((2, 3)).half().numpy())
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez(path, x=np.concatenate(found), y=pack["y"], split=pack["split"])


@functools.cache
def fashion(_):
    """Fashion-MNIST's first 10,000 and 2,000 images, mean-pooled to 14x14."""
    pack = read_mnist(data_folder() / "fashion_mnist_12k.npz")
    x, y = (np.concatenate([pack.train[k], pack.test[k]]) for k in ("data", "target"))
    return pooled(x), y, len(pack.train.target)


def pooled(images):
    """Half the height and width, in [0, 1]."""
    n, channels, height, width = images.shape
    return (
        images.reshape(n, channels, height // 2, 2, width // 2, 2).mean((3, 5), dtype=np.float32)
        / 255
    )


@functools.cache
def clusters(cache):
    """Attributes of the training pictures: clusters within each class."""
    x, y, n_train = cifar(cache)
    return attribute_long_tail(x[:n_train], y[:n_train], random_state=0)


def generalised(x, y, attributes, ratio, seed):
    """Draw long tails of classes and attributes for training, balanced rows elsewhere.

    There are 4 meta rows of each class and attribute.
    """
    sealed = glt_split(y, attributes, per_cell=20, random_state=2026).test
    rest = np.setdiff1d(np.arange(len(y)), sealed)
    split = glt_split(
        y[rest], attributes[rest], imbalance_ratio=ratio, n_max=500, per_cell=20, random_state=seed
    )
    left = rest[split.rest]
    meta = left[balanced_indices(y[left], attributes[left], per_cell=4, random_state=seed)]
    rows = {
        "train": rest[split.train],
        "meta": meta,
        "validation": rest[split.test],
        "test": sealed,
    }
    sets = Bunch(**{name: part(x, y, chosen, attributes) for name, chosen in rows.items()})
    sets.train.wrong = np.zeros(len(sets.train.target), dtype=bool)
    return sets


def bar(conflict, seed):
    """Read BAR's embeddings as in biased_data.py, with 3 meta rows per class and bias.

    The principal components are fitted on the training rows.
    """
    train, validation, test = bar_parts(conflict, seed)
    reduce = make_pipeline(StandardScaler(), PCA(N_FEATURES, whiten=True, random_state=0)).fit(
        train.data
    )
    for rows in (train, validation, test):
        rows.data = reduce.transform(rows.data).astype(np.float32)
    return held_out(train, validation, test, per_cell=3, seed=seed)


@functools.cache
def _grey():
    return read_mnist(data_folder()).train


def colour_mnist(seed):
    """Draw LISA's binary Coloured MNIST at 14x14, with 25 meta rows a cell.

    There are 3000 training, 2000 validation and 4000 test images.
    """
    source = _grey()
    order = np.concatenate(
        [np.random.default_rng(seed).permutation(30_000)[:6000], np.arange(30_000, 36_000)]
    )
    images, digits = source.data[order], source.target[order]
    made = binary_colour_mnist(images, digits, random_state=seed).train
    sealed = binary_colour_mnist(images, digits, random_state=2026)
    sets = [
        Bunch(data=pooled(s.data[:n]), target=s.target[:n], bias_labels=s.bias_labels[:n])
        for s, n in ((made, 3000), (sealed.validation, 2000), (sealed.test, 4000))
    ]
    return held_out(*sets, per_cell=25, seed=seed)


def held_out(train, validation, test, *, per_cell, seed):
    """A meta set, as many rows of every class and bias label, taken out of the training rows."""
    meta = balanced_indices(train.target, train.bias_labels, per_cell=per_cell, random_state=seed)
    kept = np.setdiff1d(np.arange(len(train.target)), meta)
    sets = {"train": part(train.data, train.target, kept, train.bias_labels)}
    sets["meta"] = part(train.data, train.target, meta, train.bias_labels)
    sets["train"].wrong = np.zeros(len(kept), dtype=bool)
    return Bunch(**sets, validation=validation, test=test)


# Methods: draw i has the learning rate and weight decay of draw i of every other method
# ------------------------


def draw(method, data, i):
    """Configuration i of a method, as a dict."""
    rng = np.random.default_rng([i, 1])
    low, high = np.log(LR[data])
    lr = np.exp(
        low + (high - low) * (i + rng.random()) / DRAWS[data]
    )  # one of each slice of the range
    shared = {"lr": float(f"{lr:.2g}"), "weight_decay": float(rng.choice([1e-4, 1e-3, 1e-2]))}
    rng = np.random.default_rng([i, 2])
    warmup, strength = float(rng.choice([0.5, 0.8])), float(rng.choice([0.1, 0.25, 0.5, 1.0]))
    own = {
        "class-balanced": {"beta": float(rng.choice([0.9, 0.99, 0.999, 1.0]))},
        "logit adjustment": {"tau": float(rng.choice([0.5, 1.0, 1.5, 2.0]))},
        "ldam-drw": {"max_margin": float(rng.choice([0.1, 0.3, 0.5]))},
        "isda": {"strength": strength},
        "metasaug": {"strength": strength, "warmup": warmup},
        "mw-net": {"weight_lr": float(rng.choice([1e-3, 1e-2]))},
        "meta-iada": {
            "alpha": strength,
            "warmup": warmup,
            "perturbation_lr": float(rng.choice([1e-3, 1e-2])),
        },
        "group dro": {"step_size": float(rng.choice([0.01, 0.1]))},
    }
    if NETWORK[data]["module"] == "linear":  # the strategy's unit is that of the features
        own["meta-iada"]["scale"] = (3.0, 10.0, 1.0, 1.0, 10.0, 3.0)[i]
    return shared | own.get(method, {})


def make(method, data, config, seed):
    """Unfitted estimator of a configuration; SGD with momentum 0.9 for all."""
    network, config = dict(NETWORK[data]), dict(config)
    scale = config.pop("scale", None)
    shared = {
        "module": network.pop("module"),
        "max_epochs": EPOCHS[data],
        "batch_size": 100,
        "device": "cpu",
    }
    shared |= {
        "net_params": {**network, "optimizer__momentum": 0.9},
        "optimizer": "sgd",
        "random_state": seed,
    }
    if scale is not None:  # the same function's logits then move as fast
        config["lr"] /= scale**2
        shared["normalize"] = ([0.0], [1 / scale])
    losses = {
        "class-balanced": {"loss": "cross_entropy"},
        "logit adjustment": {"loss": "logit_adjustment"},
        "ldam-drw": {"loss": "ldam", "beta": 0.9999, "deferred": 0.8},
    }
    if method in losses:
        return sd.LongTailClassifier(**losses[method], **config, **shared)
    others = {
        "ce": sd.ERMClassifier,
        "isda": sd.ISDAClassifier,
        "group dro": sd.GroupDROClassifier,
        **META,
    }
    if method in ("metasaug", "meta-iada"):
        shared["virtual_step"] = "head"
    if method == "meta-iada":
        shared["reach"] = 1.0  # the paper's, and the default when the page was measured
    return others[method](**config, **shared)


def fit(method, variant, data, config, parts, seed):
    """Fitted estimator; the meta rows are for training where there is no meta set."""
    train, meta = parts.train, parts.meta
    rows = [train] if variant == LESS or (method in META and variant != MORE) else [train, meta]
    x, y = (np.concatenate([r[k] for r in rows]) for k in ("data", "target"))
    given = {"X_meta": meta.data, "y_meta": meta.target} if method in META else {}
    if method == "group dro":
        given = {"bias_labels": np.concatenate([r.bias_labels for r in rows])}
    return make(method, data, {**config, **ABLATION.get(variant, {})}, seed).fit(x, y, **given)


def scores(estimator, rows):
    """Return mean and least accuracy of the classes or groups, and the last three classes' mean."""
    right, group = estimator.predict(rows.data) == rows.target, rows.target
    if rows.bias_labels is not None:
        group = np.unique(np.c_[rows.target, rows.bias_labels], axis=0, return_inverse=True)[1]
    found = [right[group == g].mean() for g in np.unique(group)]
    tail = [right[rows.target == c].mean() for c in np.unique(rows.target)[-3:]]
    return np.mean(found), np.min(found), np.mean(tail)


def strategy(estimator, train):
    """Return the shares of adversarial samples in the last epoch, and the mean strategies.

    The shares are by class, and for wrong and right labels.
    """
    epsilon = estimator.epsilon_[: len(train.target)]
    shares = [
        float(f"{(epsilon[train.target == c] > 0).mean():.4f}") for c in np.unique(train.target)
    ]
    row = {"share": json.dumps(shares)}
    for name, rows in (("noisy", train.wrong), ("clean", ~train.wrong)):
        if rows.any():
            row |= {
                f"share_{name}": (epsilon[rows] > 0).mean(),
                f"epsilon_{name}": epsilon[rows].mean(),
            }
    return row


# Running
# --------------------------------------------------------------------------------------------------


def run_fit(args, done, experiment, scenario, method, config, seed, variant=""):
    """Fit once and append a row, unless the file has it."""
    name = f"{method}, {variant}" if variant else method
    row = dict(zip(IDENTITY, (experiment, scenario, name, json.dumps(config), seed), strict=True))
    key = tuple(map(str, row.values()))
    if key in done:
        return done[key]
    parts = load_data(scenario, seed, args.cache)
    start = time.process_time()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            estimator = fit(method, variant, SCENARIOS[scenario][0], config, parts, seed)
    except DivergedError:
        row["val"] = 0.0
    else:
        row["seconds"] = time.process_time() - start
        row["val"] = scores(estimator, parts.validation)[0]
        if experiment == "report":
            row |= dict(zip(COLUMNS[6:9], scores(estimator, parts.test), strict=True))
        if hasattr(estimator, "epsilon_"):
            row |= strategy(estimator, parts.train)
    row = {k: f"{v:.4f}" if isinstance(v, float) else v for k, v in row.items()}
    append(args.out, COLUMNS, [row])
    done[key] = {k: str(v) for k, v in row.items()}
    print(*row.values(), flush=True)
    return done[key]


def compare(args, done, scenario, methods):
    """Search, select, and fit the selected configurations on fresh seeds, seed by seed."""
    data, kind, _ = SCENARIOS[scenario]
    chosen = {}
    for method in methods:
        configs = [draw(method, data, i) for i in range(DRAWS[data])]
        found = [
            run_fit(args, done, "search", scenario, method, c, SELECTION_SEED)["val"]
            for c in configs
        ]
        chosen[method] = configs[int(np.argmax(np.array(found, dtype=float)))]
    for seed in range(SEEDS[data]):
        for method in methods:
            run_fit(args, done, "report", scenario, method, chosen[method], seed)
        if kind == "lt" and "meta-iada" in methods:
            for variant in (*ABLATION, MORE):
                run_fit(
                    args, done, "report", scenario, "meta-iada", chosen["meta-iada"], seed, variant
                )
        if kind == "lt" and "logit adjustment" in methods:
            run_fit(
                args,
                done,
                "report",
                scenario,
                "logit adjustment",
                chosen["logit adjustment"],
                seed,
                LESS,
            )


# Tables and figures
# ---------------------------------------------------------------------------------------


def values(rows, scenario, method, column):
    """{seed: value} of the fresh seeds of a method; shares and accuracies in percent."""
    wanted = [
        r
        for r in rows
        if (r["experiment"], r["scenario"], r["method"]) == ("report", scenario, method)
    ]
    factor = 1 if column == "seconds" or column.startswith("epsilon") else 100
    return {r["seed"]: factor * float(r[column]) for r in wanted if r[column]}


def cell(found, pattern="{:.1f} ± {:.1f}"):
    """Mean and half-width, or nothing."""
    found = list(found.values())
    return pattern.format(*interval(found)) if len(found) > 1 else ""


def paired(rows, scenario, method, base, column="test"):
    """Differences of two methods, (mean, half-width, seeds won, seeds), or None."""
    ours, theirs = (values(rows, scenario, name, column) for name in (method, base))
    found = [ours[seed] - theirs[seed] for seed in ours if seed in theirs]
    return (
        (*interval(found), sum(d > 0 for d in found), len(found))
        if len(found) > 1 and method != base
        else None
    )


def gain(found):
    """A difference with its interval, bold where that excludes 0."""
    if found is None:
        return ""
    mean, half, won, n = found
    return f"{bold(mean, half)}, {won} of {n}"


def reported(rows):
    """{scenario: its methods}."""
    found = {}
    for name in SCENARIOS:
        methods = dict.fromkeys(
            r["method"] for r in rows if (r["experiment"], r["scenario"]) == ("report", name)
        )
        if methods:
            found[name] = sorted(
                methods, key=lambda m: ("," in m, METHODS.index(m.partition(",")[0]))
            )
    return found


def tables(path):
    """Markdown tables of a results file: accuracies and differences, strategies, searches."""
    rows = read_rows(path)
    heads = (
        "minus CE, seeds won",
        "minus logit adjustment, seeds won",
        "Meta-IADA minus it, seeds won",
        "CPU s",
    )
    out = table_head("scenario", "method", "test", "worst", "last 3 classes", *heads)
    for scenario, methods in reported(rows).items():
        few = SCENARIOS[scenario][0] in ("bar", "mnist")
        for method in methods:
            cells = [
                cell(values(rows, scenario, method, k)) for k in ("test", "test_worst", "test_tail")
            ]
            cells[2] = "" if few else cells[2]
            cells += [
                gain(paired(rows, scenario, method, base)) for base in ("ce", "logit adjustment")
            ]
            cells.append(
                ""
                if method.startswith("meta-iada")
                else gain(paired(rows, scenario, "meta-iada", method))
            )
            seconds = np.mean(list(values(rows, scenario, method, "seconds").values()))
            out.append(f"| {' | '.join((scenario, method, *cells))} | {seconds:.1f} |")
    out += ["", *table_head("scenario", "Meta-IADA", "test, minus the whole", "seeds won")]
    for scenario, methods in reported(rows).items():
        for method in (m for m in methods if m.startswith("meta-iada, ")):
            text = gain(paired(rows, scenario, method, "meta-iada"))
            out.append(
                f"| {scenario} | {method.removeprefix('meta-iada, ')} | "
                f"{' | '.join(text.rsplit(', ', 1))} |"
            )
    heads = (
        "wrong labels",
        "right labels",
        "mean epsilon, wrong",
        "mean epsilon, right",
        "by class",
    )
    out += ["", *table_head("scenario", "adversarial, %: all", *heads)]
    for scenario in reported(rows):
        mine = [
            r
            for r in rows
            if (r["experiment"], r["scenario"], r["method"]) == ("report", scenario, "meta-iada")
        ]
        if not mine:
            continue
        by_class = 100 * np.mean([json.loads(r["share"]) for r in mine], axis=0)
        noisy = [
            cell(values(rows, scenario, "meta-iada", f"share_{k}")) for k in ("noisy", "clean")
        ]
        strengths = [
            cell(values(rows, scenario, "meta-iada", f"epsilon_{k}"), "{:+.2f} ± {:.2f}")
            for k in ("noisy", "clean")
        ]
        whole = "" if noisy[0] else noisy[1]
        noisy[1] = noisy[1] if noisy[0] else ""
        cells = (scenario, whole, *noisy, *strengths, " ".join(f"{v:.0f}" for v in by_class))
        out.append(f"| {' | '.join(cells)} |")
    out += [
        "",
        *table_head(
            "scenario", "method", "selected", "its validation", "median", "worst", "diverged"
        ),
    ]
    for scenario, methods in reported(rows).items():
        for method in (m for m in methods if m in METHODS):
            found = [
                r
                for r in rows
                if (r["experiment"], r["scenario"], r["method"]) == ("search", scenario, method)
            ]
            val = [100 * float(r["val"]) for r in found]
            best = found[int(np.argmax(val))]["params"].strip("{}").replace('"', "")
            cells = [f"{v:.1f}" for v in (max(val), np.median(val), min(val))]
            out.append(
                f"| {' | '.join((scenario, method, best, *cells))} | {sum(v == 0 for v in val)} of "
                f"{len(val)} |"
            )
    out += [
        "",
        *table_head("scenario", "Meta-IADA, strategies", "validation", "minus the same in full"),
    ]
    diagnosis = [
        r | {"experiment": "report", "test": r["val"]}
        for r in rows
        if r["experiment"] == "diagnosis"
    ]
    for scenario, method in dict.fromkeys((r["scenario"], r["method"]) for r in diagnosis):
        cells = (
            scenario,
            method.rpartition(" ")[2],
            cell(values(diagnosis, scenario, method, "test")),
        )
        out.append(
            f"| {' | '.join(cells)} | "
            f"{gain(paired(diagnosis, scenario, method, 'meta-iada, strategies x 1'))} |"
        )
    return "\n".join(out)


def figures(path):
    """Write meta_iada.png: differences to logit adjustment, and who is adversarial."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    rows = read_rows(path)
    found = reported(rows)
    figure, (left, right) = plt.subplots(
        1, 2, figsize=(12, 0.5 * len(found) + 2), layout="constrained", width_ratios=[3, 2.6]
    )
    shown = [m for m in METHODS if m != "ce"]
    for i, scenario in enumerate(found):
        for k, method in enumerate(shown):
            gains = paired(rows, scenario, method, "ce")
            if gains is None:
                continue
            at = -i + 0.36 - 0.72 * k / (len(shown) - 1)
            label = (
                method
                if scenario == next(iter(found)) or (method == "group dro" and "bar" in scenario)
                else None
            )
            marker = "D" if method == "meta-iada" else "o"
            left.errorbar(
                gains[0], at, xerr=gains[1], fmt=marker, color=f"C{k}", ms=4, lw=1.2, label=label
            )
        if i:
            left.axhline(-i + 0.5, color="0.85", lw=0.8)
    left.axvline(0, color="black", lw=0.8)
    left.set_yticks([-i for i in range(len(found))], list(found))
    left.set_xlabel("test accuracy minus cross entropy's, points, with 95 % interval")
    left.legend(frameon=False, fontsize=8, loc="center left", bbox_to_anchor=(1, 0.5))
    for scenario in (s for s in found if SCENARIOS[s][1] == "lt"):
        mine = [
            r
            for r in rows
            if (r["experiment"], r["scenario"], r["method"]) == ("report", scenario, "meta-iada")
        ]
        shares = 100 * np.array([json.loads(r["share"]) for r in mine])
        right.plot(range(10), shares.mean(0), "o-", label=scenario, ms=4)
    noisy = [s for s in found if SCENARIOS[s][1] in ("flip2", "uniform")]
    for k, (name, colour) in enumerate((("noisy", "C3"), ("clean", "0.6"))):
        for i, scenario in enumerate(noisy):
            share = list(values(rows, scenario, "meta-iada", f"share_{name}").values())
            label = None if i else f"{'wrong' if k == 0 else 'right'} labels"
            right.bar(11.3 + 2.6 * i + 0.6 * k, np.mean(share), 0.55, color=colour, label=label)
            right.plot([11.3 + 2.6 * i + 0.6 * k] * len(share), share, "k.", ms=3)
    names = [s.replace(" ", "\n") for s in noisy]
    right.set_xticks(
        [*range(10), *(11.6 + 2.6 * i for i in range(len(noisy)))],
        ["head", *[""] * 8, "tail", *names],
        fontsize=7,
    )
    right.set(ylabel="adversarial samples (epsilon above 0), %", ylim=(0, 100))
    right.legend(frameon=False, fontsize=8)
    figure.savefig(Path(__file__).with_suffix(".png"), dpi=110)


def diagnose(args, done, scenario="fashion lt100", seeds=range(1000, 1006)):
    """Measure Meta-IADA's selected configuration on validation rows with smaller strategies."""
    wanted = ("search", scenario, "meta-iada")
    found = [r for r in done.values() if (r["experiment"], r["scenario"], r["method"]) == wanted]
    config = json.loads(max(found, key=lambda r: float(r["val"]))["params"])
    for reach in REACH:

        def perturbation(*given, reach=reach, whole=_meta_iada.perturbation):
            return reach * whole(*given)

        with patch.object(_meta_iada, "perturbation", perturbation):
            for seed in seeds:
                run_fit(
                    args,
                    done,
                    "diagnosis",
                    scenario,
                    "meta-iada",
                    config,
                    seed,
                    f"strategies x {reach:g}",
                )


def main():
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--scenarios", nargs="+", choices=tuple(SCENARIOS), default=tuple(SCENARIOS)
    )
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=METHODS)
    parser.add_argument("--cache", default=str(Path(tempfile.gettempdir()) / "meta_iada"))
    parser.add_argument("--out", default=str(OUT))
    parser.add_argument(
        "--diagnosis", action="store_true", help="smaller strategies, on validation rows"
    )
    parser.add_argument("--tables", action="store_true", help="print the tables of a results file")
    parser.add_argument(
        "--figures", action="store_true", help="write the picture of a results file"
    )
    args = parser.parse_args()
    if args.tables:
        print(tables(args.out))
    if args.figures:
        figures(args.out)
    if args.tables or args.figures:
        return
    torch.set_num_threads(1)
    done = {tuple(row[k] for k in IDENTITY): row for row in read_rows(args.out)}
    if args.diagnosis:
        diagnose(args, done)
        return
    for scenario in args.scenarios:
        shifted = scenario in ("cifar glt", "bar 5%", "colour mnist")
        compare(args, done, scenario, [m for m in args.methods if shifted or m != "group dro"])


if __name__ == "__main__":
    main()
