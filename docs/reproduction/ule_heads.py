"""ULE on frozen embeddings: does any reading of it help a linear head?

    python docs/reproduction/ule_heads.py --search synthetic
    python docs/reproduction/ule_heads.py --report synthetic
    python docs/reproduction/ule_heads.py --tables --figures

The search trains many heads at once (`train_heads`) and sees
validation rows only: all readings of ULE, and ERM. The report fits what the search has selected
with the package's classifiers on fresh seeds, and only these fits read the test rows. "Worst" is the worse of the
accuracies on aligned and on conflicting rows. Rows that the results file has are skipped. All but the synthetic
data are read from the folder named by SKLEARN_DEBIAS_DATA.
"""

import argparse
import csv
import functools
import itertools
import json
import sys
import time
import warnings
from pathlib import Path

import numpy as np
import torch
from sklearn.preprocessing import StandardScaler
from sklearn.utils import Bunch
from torch import nn
from torch.nn.functional import cross_entropy, one_hot

from sklearn_debias import AFRClassifier, DFRClassifier, ERMClassifier, JTTClassifier, LfFClassifier, ULEClassifier
from sklearn_debias.datasets import colour_mnist, data_folder, make_spurious_embeddings, patch_mnist, read_mnist
from sklearn_debias.losses import SALIENCIES, saliency_cotangent, scale_free

sys.path.insert(0, str(Path(__file__).parent))
import biasadv
from ule_mnist import ControlledULE

HERE = Path(__file__).parent
SEARCH, OUT = HERE / "ule_heads_search.csv", HERE / "ule_heads.csv"
SEARCH_SEEDS = (1000, 1001, 1002)
FINALISTS = 5
RIVAL_DRAWS = 8
CHECKPOINTS = (3, 10, 30, 100)
LONGEST = 100
LONGEST_WARMUP = 50
ERM_DRAWS = 240
BATCH, MOMENTUM = 256, 0.9
FIRST, RATIO = -1.0, -2.0  # scale: a power of ten from the first batch; CE / L_MSE of each step
READING = ("saliency", "magnitude", "size")
SEARCH_COLUMNS = ("data", "seed", "method", "draw", "params", *(f"epoch_{e}" for e in CHECKPOINTS), "seconds")
COLUMNS = (
    "experiment",
    "data",
    "method",
    "epochs",
    "params",
    "seed",
    "val_worst",
    "test_worst",
    "test_conflicting",
    "test_aligned",
    "test_wga",
    "seconds",
)
DIAGNOSIS = HERE / "ule_heads_diagnosis.csv"
DIAGNOSIS_COLUMNS = (
    "data",
    "seed",
    "reading",
    "weight_decay",
    "student",
    "lam",
    "worst",
    "conflicting",
    "aligned",
    "wga",
    "cosine",
    "teacher_core",
    "teacher_shortcut",
    "student_core",
    "student_shortcut",
)
DIAGNOSED = (
    {"saliency": "logit", "magnitude": False, "size": "max"},
    {"saliency": "label_log_prob", "magnitude": True, "size": "max"},
)
FOCUS = 100
PROMISING = (
    {"saliency": "logit", "magnitude": False, "size": "max"},
    {"saliency": "logit", "magnitude": False, "size": "l2"},
    {"saliency": "label_log_prob", "magnitude": False, "size": "max"},
    {"saliency": "label_log_prob", "magnitude": True, "size": "max"},
)
STUDENTS = ("label", "shortcut", "none", "permuted")
LAMS = (1.0, 0.95, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1, 0.05)
RIVALS = {"erm": ERMClassifier, "erm balanced": ERMClassifier, "lff": LfFClassifier, "afr": AFRClassifier}
DFR = "dfr on validation rows"
CANDIDATE = {  # selected on "synthetic axes"
    "saliency": "label_log_prob",
    "magnitude": False,
    "size": "max",
    "lr": 0.018,
    "weight_decay": 1.0,
    "lam": 0.6,
    "scale": RATIO,
    "warmup": 50,
}
NEAR_ZERO = " (start near 0)"
METHODS = (
    "erm",
    "ule",
    "ule lam=1",
    "ule defaults",
    "ule defaults, lam=0.9",
    "ule defaults, lam=1",
    "erm monitored",
    "erm tuned monitored",
    "ule monitored",
    "ule candidate monitored",
    "ule no student monitored",
    f"ule{NEAR_ZERO}",
    f"ule monitored{NEAR_ZERO}",
    f"ule defaults{NEAR_ZERO}",
    "jtt monitored",
    "erm balanced",
    "jtt",
    "lff",
    "afr",
    DFR,
)


# Data: embeddings, standardised by the training rows ------------------------------------------------------


def synthetic(seed, n_classes=2, n_features=50, conflict=0.05, axes=False, **options):
    """make_spurious_embeddings; with axes=True rotated so that each concept has coordinates of its own."""
    bunch = make_spurious_embeddings(
        1000,
        n_validation=1000,
        n_test=4000,
        n_classes=n_classes,
        n_features=n_features,
        conflict_ratio=conflict,
        random_state=seed,
        **options,
    )
    rotation = np.eye(n_features)
    if axes:
        centres = np.concatenate([c[:-1] - c[-1] for c in (bunch.class_centres, *bunch.bias_centres)])
        others = np.random.default_rng(0).normal(size=(n_features, n_features))
        rotation = np.linalg.qr(np.concatenate([centres.T, others], 1))[0]
    parts = (bunch.train, bunch.validation, bunch.test)
    return [part(p.data @ rotation, p.target, p.bias_labels) for p in parts]


def part(data, target, shortcut, conflicting=None):
    """Rows of one set."""
    conflicting = shortcut != target if conflicting is None else conflicting
    return Bunch(data=np.asarray(data, np.float32), target=target, shortcut=shortcut, conflicting=conflicting)


def bar(seed, conflict):
    """BAR through MobileNetV2, split as in biasadv.py."""
    return [part(p.data, p.target, None, p.bias_labels == 1) for p in biasadv.bar(conflict, seed)]


def digits(seed, bias, body, conflict):
    """Coloured or patched MNIST through a small CNN; 3000 images to train on, 2000 unbiased ones for validation.

    body : {"biased", "other"}
        Whether the CNN was trained on these 3000 images, or on Fashion-MNIST in random colours or patches, to
        tell both the garment and the colour or patch.
    """
    source = read_mnist(data_folder())
    rows = np.random.default_rng(seed).permutation(50_000)[:3000]
    draw = {"colour": colour_mnist, "patch": patch_mnist}[bias]
    held_out = slice(50_000, 52_000)
    sets = [
        draw(source.train.data[rows], source.train.target[rows], conflict_ratio=conflict, random_state=seed),
        draw(source.train.data[held_out], source.train.target[held_out], conflict_ratio="unbiased", random_state=77),
        draw(source.test.data, source.test.target, conflict_ratio="unbiased", random_state=78),
    ]
    if body == "biased":
        network = trained_body(sets[0].data, [sets[0].target], epochs=20, seed=seed)
    else:
        network = other_body(bias)
    return [part(embed(network, s.data), s.target, s.bias_labels) for s in sets]


@functools.cache
def other_body(bias):
    """A CNN that has learned garments and colours (or patches) alike, without a bias."""
    pack = np.load(Path(data_folder()) / "fashion_mnist_12k.npz", allow_pickle=False)
    images, target = (pack[k][:10_000] for k in ("x_train", "y_train"))
    draw = {"colour": colour_mnist, "patch": patch_mnist}[bias]
    made = draw(images, target.astype(np.int64), conflict_ratio="unbiased", random_state=5)
    return trained_body(made.data, [made.target, made.bias_labels], epochs=5, seed=5)


def trained_body(images, targets, epochs, seed):
    """Three convolutions and average pooling to 64 features, trained with a linear head for each target."""
    torch.manual_seed(seed)
    layers, channels = [], images.shape[1]
    for width in (16, 32, 64):
        layers += [nn.Conv2d(channels, width, 3, stride=1 if width == 64 else 2, padding=1), nn.ReLU()]
        channels = width
    body, heads = nn.Sequential(*layers, nn.AdaptiveMaxPool2d(1), nn.Flatten()), nn.Linear(64, 10 * len(targets))
    optimizer = torch.optim.Adam([*body.parameters(), *heads.parameters()], 2e-3)
    x, y = torch.from_numpy(images), torch.from_numpy(np.stack(targets, 1))
    for _ in range(epochs):
        for batch in torch.randperm(len(x)).split(BATCH):
            logits = heads(body(x[batch].float() / 255)).reshape(len(batch), 10, len(targets))
            optimizer.zero_grad()
            cross_entropy(logits, y[batch]).backward()
            optimizer.step()
    return body.eval()


@torch.no_grad()
def embed(body, images):
    """Features of images."""
    return torch.cat([body(x.float() / 255) for x in torch.from_numpy(images).split(500)]).numpy()


DATA = {
    "synthetic": functools.partial(synthetic),
    "synthetic axes": functools.partial(synthetic, axes=True),
    "synthetic raw": functools.partial(synthetic),
    "synthetic axes raw": functools.partial(synthetic, axes=True),
    "colour, own body": functools.partial(digits, bias="colour", body="biased", conflict=0.01),
    "colour, other body": functools.partial(digits, bias="colour", body="other", conflict=0.01),
    "patch, own body": functools.partial(digits, bias="patch", body="biased", conflict=0.01),
    "patch, other body": functools.partial(digits, bias="patch", body="other", conflict=0.01),
    "bar 1%": functools.partial(bar, conflict=0.01),
    "bar 5%": functools.partial(bar, conflict=0.05),
}


@functools.lru_cache(maxsize=4)
def load_data(name, seed):
    """Biased training set; unbiased validation and test sets. Standardised, unless the name says raw."""
    sets = DATA[name](seed)
    if name.endswith("raw"):
        return sets
    scaler = StandardScaler().fit(sets[0].data)
    for s in sets:
        s.data = scaler.transform(s.data).astype(np.float32)
    return sets


def scores(predicted, rows):
    """Accuracies: worse of aligned and conflicting, conflicting, aligned, worst (class, conflicting or not)."""
    right, group = predicted == rows.target, 2 * rows.target + rows.conflicting
    conflicting, aligned = right[..., rows.conflicting].mean(-1), right[..., ~rows.conflicting].mean(-1)
    cells = np.min([right[..., group == g].mean(-1) for g in np.unique(group)], axis=0)
    return {"worst": np.minimum(conflicting, aligned), "conflicting": conflicting, "aligned": aligned, "wga": cells}


# Search: many heads at once -------------------------------------------------------------------------------


def readings():
    """Readings of the saliency maps, and of the similarity of logits."""
    for saliency, magnitude, size in itertools.product(SALIENCIES, (False, True), ("max", "l2", "batch max")):
        if size != "batch max" or (saliency == "logit" and not magnitude):
            yield {"saliency": saliency, "magnitude": magnitude, "size": size}
    for size in ("max", "l2"):
        yield {"saliency": "gram", "magnitude": False, "size": size}


def outputs(heads, x):
    """Logits of k heads, (k, b, classes)."""
    k, n_classes, d = heads["weight"].shape
    flat = x @ heads["weight"].reshape(k * n_classes, d).T
    return flat.reshape(len(x), k, n_classes).transpose(0, 1) + heads["bias"][:, None]


def entropies(logits, y, weight=1.0):
    """Cross entropy of each of k heads, rows weighted by ``weight`` (k, b)."""
    each = cross_entropy(logits.flatten(0, 1), y.repeat(len(logits)), reduction="none").reshape(len(logits), -1)
    return (weight * each).mean(1)


def saliency_maps(heads, logits, y, reading):
    """Normalised maps of k heads, one row for whatever N divides by one number."""
    saliency, size = reading["saliency"], reading["size"]
    if saliency == "gram":
        return scale_free((logits @ logits.transpose(1, 2)).flatten(1), norm=size)
    cotangent = saliency_cotangent(logits.flatten(0, 1), y.repeat(len(logits)), saliency).reshape(logits.shape)
    maps = cotangent @ heads["weight"]
    maps = maps.abs() if reading["magnitude"] else maps
    rows = maps.flatten(1) if size == "batch max" else maps.flatten(0, 1)
    return scale_free(rows, norm="l2" if size == "l2" else "max")


def opposed(teachers, students, x, y, reading):
    """L_MSE of each of k pairs of heads, and the teachers' logits."""
    logits = outputs(teachers, x), outputs(students, x)
    if reading["saliency"] == "logit" and reading["size"] != "batch max":  # a table of pairs of classes
        norm = reading["size"]
        weights = [h["weight"].abs() if reading["magnitude"] else h["weight"] for h in (teachers, students)]
        rows = [scale_free(w.flatten(0, 1), norm=norm).reshape(w.shape) for w in weights]
        squares = [w.square().sum(2) for w in rows]
        table = squares[0][:, :, None] + squares[1][:, None] + 2 * rows[0] @ rows[1].transpose(1, 2)
        chosen = [one_hot(z.argmax(2), z.shape[2]).float() for z in logits]
        share = chosen[0].transpose(1, 2) @ chosen[1] / len(y)
        return (share * table).sum((1, 2)) / x.shape[1], logits[0]
    maps = [saliency_maps(h, z, y, reading) for h, z in zip((teachers, students), logits, strict=True)]
    return (maps[0] + maps[1]).square().reshape(len(logits[0]), -1).mean(1), logits[0]


def teacher_losses(teachers, students, used, knobs, x, y, reading):
    """lam CE + (1 - lam) scale L_MSE of each pair, and the scales kept from the first batch."""
    far, logits = opposed(teachers, students, x, y, reading)
    entropy = entropies(logits, y)
    ratio = (entropy / far.clamp(min=1e-12)).detach()
    first = torch.where(used > 0, used, 10 ** ratio.clamp(1e-6, 1e6).log10().round())
    scale = torch.where(knobs["scale"] == FIRST, first, torch.where(knobs["scale"] == RATIO, ratio, knobs["scale"]))
    return knobs["lam"] * entropy + (1 - knobs["lam"]) * scale * far, first


class Heads:
    """k linear heads that start alike, and SGD with momentum for each."""

    def __init__(self, k, n_classes, d, knobs, generator):
        shapes = {"weight": (n_classes, d), "bias": (n_classes,)}
        start = {name: (2 * torch.rand(s, generator=generator) - 1) / d**0.5 for name, s in shapes.items()}
        self.values = {name: w.expand(k, *w.shape).clone() for name, w in start.items()}
        self.speed = {name: torch.zeros_like(w) for name, w in self.values.items()}
        self.knobs = knobs

    def step(self, loss, active=1.0):
        """One step of the heads that are active, down a loss of one number for each head."""
        live = {name: w.detach().requires_grad_() for name, w in self.values.items()}
        losses, *kept = loss(live)
        gradients = torch.autograd.grad(losses.sum(), list(live.values()))
        for (name, w), gradient in zip(self.values.items(), gradients, strict=True):
            shape = (-1,) + (1,) * (w.dim() - 1)
            decay, lr = ((active * self.knobs[key]).view(shape) for key in ("weight_decay", "lr"))
            self.speed[name].mul_(MOMENTUM).add_(gradient + decay * w)
            w.sub_(lr * self.speed[name])
        return kept


def permuted(weight):
    """Weights with the features in another, fixed order."""
    return weight[..., torch.randperm(weight.shape[-1], generator=torch.Generator().manual_seed(7))]


SUBSTITUTES = {"none": torch.zeros_like, "permuted": permuted}


def train_heads(train, rows, configs, reading, seed, epochs=LONGEST, weights=None, student="label"):
    """Train a teacher (and a student) per configuration; predicted classes of ``rows`` at each checkpoint, and all.

    student : {"label", "shortcut", "none", "permuted"}
        What the student learns: the label as in ULE, or the shortcut; or "none" for a map of zeros in the place of
        its own, "permuted" for its own with the features in another order.
    """
    taught = torch.from_numpy(train.shortcut if student == "shortcut" else train.target)
    x_all, y_all = torch.from_numpy(train.data), torch.from_numpy(train.target)
    (n, d), k, n_classes = x_all.shape, len(configs), int(y_all.max()) + 1
    knobs = {name: torch.tensor([float(c[name]) for c in configs]) for name in configs[0]}
    generator = torch.Generator().manual_seed(seed)
    teachers, students = (Heads(k, n_classes, d, knobs, generator) for _ in range(2))
    used, warmup = torch.zeros(k), int(max(c.get("warmup", 0) for c in configs))
    found = {}
    for epoch in range(-warmup, epochs):
        for chosen in torch.randperm(n, generator=generator).split(BATCH):
            x, y = x_all[chosen], y_all[chosen]
            now = dict(students.values)
            if reading is not None:
                now = {name: w.clone() for name, w in now.items()}
                if student in SUBSTITUTES:
                    now["weight"] = SUBSTITUTES[student](now["weight"])
                args = (x, taught[chosen])
                active = (epoch >= -knobs["warmup"]).float()
                students.step(lambda h, args=args: (entropies(outputs(h, args[0]), args[1]),), active)
            if epoch >= 0 and reading is not None:
                args = (now, used, knobs, x, y, reading)
                (used,) = teachers.step(lambda h, args=args: teacher_losses(h, *args))
            elif epoch >= 0:
                weight = 1.0 if weights is None else weights[:, chosen]
                teachers.step(lambda h, x=x, y=y, weight=weight: (entropies(outputs(h, x), y, weight),))
        if epoch + 1 in CHECKPOINTS:
            found[epoch + 1] = outputs(teachers.values, torch.from_numpy(rows.data)).argmax(2).numpy()
    return found, teachers.values, students.values


def draw(method, i, reading_index=0):
    """Random knobs i of a method, or of a reading."""
    rng = np.random.default_rng([i, reading_index])
    focused = reading_index >= FOCUS
    knobs = {
        "lr": float(f"{10 ** (rng.uniform(-2, -0.5) if focused else rng.uniform(-3.5, -1)):.2g}"),
        "weight_decay": float(rng.choice([0.1, 0.3, 1] if focused else [0, 1e-4, 1e-2, 0.1, 0.3, 1])),
    }
    if method == "ule":
        knobs |= {
            "lam": float(rng.choice([*([] if focused else [0, 0.1]), 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9])),
            "scale": float(rng.choice([FIRST, RATIO, 10] if focused else [FIRST, RATIO, 1, 10, 100, 1000])),
            "warmup": int(LONGEST_WARMUP if focused else rng.choice([0, 5, LONGEST_WARMUP])),
        }
    if method == "jtt":
        knobs |= {"identification": int(rng.choice(CHECKPOINTS[:3])), "upweight": float(rng.choice([5, 20, 50, 100]))}
    return knobs


def errors_upweighted(train, configs, seed):
    """Weights (k, n) of JTT's second training."""
    found, _, _ = train_heads(train, train, configs, None, seed, epochs=CHECKPOINTS[2])
    wrong = np.stack([found[c["identification"]][i] != train.target for i, c in enumerate(configs)])
    upweight = np.array([c["upweight"] for c in configs])[:, None]
    return torch.from_numpy(np.where(wrong, upweight, 1.0).astype(np.float32))


def run_search(path, done, name, seed, method, reading, numbered, epochs):
    """Validation accuracy of some draws, unless the file has them."""
    texts = [json.dumps((reading or {}) | c) for _, c in numbered]
    if all((name, str(seed), method, t) in done for t in texts):
        return
    configs = [c for _, c in numbered]
    train, validation, _ = load_data(name, seed)
    start = time.process_time()
    weights = errors_upweighted(train, configs, seed) if method == "jtt" else None
    found, _, _ = train_heads(train, validation, configs, reading, seed, epochs, weights)
    worst = {e: scores(p, validation)["worst"] for e, p in found.items()}
    seconds = f"{(time.process_time() - start) / len(configs):.2f}"
    rows = []
    for i, (number, _) in enumerate(numbered):
        values = [f"{worst[e][i]:.4f}" if e in worst else "" for e in CHECKPOINTS]
        rows.append(dict(zip(SEARCH_COLUMNS, (name, seed, method, number, texts[i], *values, seconds), strict=True)))
        done[name, str(seed), method, texts[i]] = rows[-1]
    append(path, SEARCH_COLUMNS, rows)
    best = max(w.max() for w in worst.values())
    print(name, seed, method, reading, len(configs), f"best {best:.4f}", f"{seconds} s each", flush=True)


def append(path, columns, rows):
    """Add rows to a results file."""
    new = not Path(path).exists()
    with open(path, "a", newline="") as file:
        writer = csv.DictWriter(file, columns, restval="")
        if new:
            writer.writeheader()
        writer.writerows(rows)


def search(path, name, n_draws, epochs):
    """Random draws on the first search seed, then the best of each method on two more.

    The draws from FOCUS on were added for the readings that had found something on "synthetic axes": strong L2,
    a long head start of the student, and larger learning rates.
    """
    done = {(r["data"], r["seed"], r["method"], r["params"]): r for r in biasadv.read_rows(path)}
    jobs = [(m, None, 0, ERM_DRAWS) for m in ("erm", "jtt")]
    jobs += [("ule", reading, 1 + j, n_draws) for j, reading in enumerate(readings())]
    jobs += [("erm", None, FOCUS, ERM_DRAWS // 4)]
    jobs += [("ule", reading, FOCUS + 1 + j, 2 * n_draws) for j, reading in enumerate(PROMISING)]
    for method, reading, j, n in jobs:
        drawn = [(i, draw(method, i, j)) for i in range(n)]
        run_search(path, done, name, SEARCH_SEEDS[0], method, reading, drawn, epochs)
    for method in ("erm", "jtt", "ule"):
        found = ranked(done.values(), name, method, SEARCH_SEEDS[:1])
        finalists = list(dict.fromkeys(text for _, _, text in found))[:FINALISTS]
        for seed, text in itertools.product(SEARCH_SEEDS[1:], finalists):
            params = json.loads(text)
            reading = {k: params.pop(k) for k in READING if k in params} or None
            run_search(path, done, name, seed, method, reading, [("", params)], epochs)


def ranked(rows, name, method, seeds):
    """(mean validation accuracy over the seeds, epochs, params) of what has run on all of them, the best first."""
    found = {}
    for row in rows:
        if row["data"] == name and row["method"] == method and int(row["seed"]) in seeds:
            for epochs in CHECKPOINTS:
                if row[f"epoch_{epochs}"]:
                    found.setdefault((epochs, row["params"]), {})[row["seed"]] = float(row[f"epoch_{epochs}"])
    complete = [(np.mean(list(v.values())), *k) for k, v in found.items() if len(v) == len(seeds)]
    return sorted(complete, key=lambda found: -found[0])


# Diagnosis: what the opposition does to the weights -------------------------------------------------------


def diagnose(path, name, seeds=SEARCH_SEEDS):
    """Accuracy and weights over lam, for several students; validation rows and search seeds only."""
    done = {tuple(r[k] for k in DIAGNOSIS_COLUMNS[:6]) for r in biasadv.read_rows(path)}
    for seed, reading, decay, student in itertools.product(seeds, DIAGNOSED, (1e-4, 0.3), STUDENTS):
        words = f"{reading['saliency']}, {'absolute' if reading['magnitude'] else 'signed'}, {reading['size']}"
        key = (name, str(seed), words, str(decay), student)
        if (*key, str(LAMS[0])) in done:
            continue
        train, validation, _ = load_data(name, seed)
        configs = [{"lr": 0.03, "weight_decay": decay, "lam": lam, "scale": FIRST, "warmup": 0} for lam in LAMS]
        found, teachers, students = train_heads(train, validation, configs, reading, seed, student=student)
        measured = scores(found[LONGEST], validation)
        weights = [centred(heads["weight"]) for heads in (teachers, students)]
        measured["cosine"] = torch.cosine_similarity(*weights, dim=1).numpy()
        if name.startswith("synthetic axes"):  # two classes: coordinate 0 is the core's, 1 the shortcut's
            for role, w in zip(("teacher", "student"), weights, strict=True):
                energy = w.reshape(len(w), 2, -1).square().sum(1)
                share = (energy / energy.sum(1, keepdim=True)).numpy()
                measured |= {f"{role}_core": share[:, 0], f"{role}_shortcut": share[:, 1]}
        rows = []
        for i, lam in enumerate(LAMS):
            values = {k: f"{v[i]:.4f}" for k, v in measured.items()}
            rows.append(dict(zip(DIAGNOSIS_COLUMNS, (*key, lam), strict=False)) | values)
        append(path, DIAGNOSIS_COLUMNS, rows)
        print(*key, *(f"{v:.2f}" for v in measured["worst"]), flush=True)


def centred(weight):
    """What tells the classes apart, flattened: weights (k, classes, d) minus their mean over the classes."""
    return (weight - weight.mean(1, keepdim=True)).flatten(1)


# Report: the package's classifiers on fresh seeds ---------------------------------------------------------


def usual_head(n_features, n_classes):
    """A head that starts as torch starts it: U(-1, 1) / sqrt(d), not near zero as "linear" does."""
    return nn.Linear(n_features, n_classes)


def make(method, epochs, params, seed):
    """Unfitted classifier of a configuration."""
    params = dict(params)
    if method == DFR:
        return DFRClassifier(n_resamples=10, random_state=seed)
    shared = {"module": "linear", "batch_size": BATCH, "max_epochs": epochs, "random_state": seed, "device": "cpu"}
    momentum = {"optimizer": "sgd", "net_params": {"optimizer__momentum": MOMENTUM}}
    if method == "jtt":
        jtt = {"identification_epochs": params.pop("identification"), "upweight_by": "weight"}
        return JTTClassifier(**shared, **momentum, **jtt, **params)
    if method in RIVALS:
        return RIVALS[method](**shared, **momentum, **params)
    if method.startswith("ule") and not method.endswith(NEAR_ZERO):
        shared["module"] = usual_head
    if method.startswith("ule no student"):
        return ControlledULE(**shared, **ule_params(params))
    return ULEClassifier(**shared, **ule_params(params))


def ule_params(params):
    """Parameters of ULEClassifier for a configuration of the search."""
    params = dict(params)
    if "size" in params:
        size, saliency = params.pop("size"), params.pop("saliency")
        params["norm"] = "l2" if size == "l2" else "max"
        params["normalize_by"] = "batch" if size == "batch max" else "sample"
        params |= {"similarity": "gram"} if saliency == "gram" else {"saliency": saliency}
        params["scale"] = {FIRST: "auto", RATIO: "ratio"}.get(params["scale"], params["scale"])
        params["student_warmup"] = params.pop("warmup")
    return params


def run_fit(path, done, experiment, name, method, epochs, params, seed):
    """Fit once and append a row, unless the file has it; only the report sees test rows."""
    text = json.dumps(params)
    key = (experiment, name, method, str(epochs), text, str(seed))
    if key in done:
        return done[key]
    train, validation, test = load_data(name, seed)
    start = time.process_time()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        estimator = make(method.replace(" monitored", "").replace(" tuned", ""), epochs, params, seed)
        watched = {}
        if "monitored" in method:
            estimator.set_params(monitor="worst_group_accuracy")
            watched = {"validation_data": (validation.data, validation.target, validation.conflicting.astype(int))}
        rows = train
        if method == DFR:
            rows, watched = validation, {"bias_labels": validation.conflicting.astype(int)}
        estimator.fit(rows.data, rows.target, **watched)
    row = dict(zip(COLUMNS, key, strict=False)) | {"seconds": f"{time.process_time() - start:.1f}"}
    row["val_worst"] = f"{scores(estimator.predict(validation.data), validation)['worst']:.4f}"
    if experiment == "report":
        found = scores(estimator.predict(test.data), test)
        row |= {f"test_{k}": f"{v:.4f}" for k, v in found.items()}
    append(path, COLUMNS, [row])
    done[key] = row
    print(*row.values(), flush=True)
    return row


def draw_rival(method, i, longest):
    """Random configuration i of LfF or AFR, and its epochs."""
    rng = np.random.default_rng([i, 1])
    params = {
        "lr": float(f"{10 ** rng.uniform(-3.5, -1):.2g}"),
        "weight_decay": float(rng.choice([0, 1e-4, 0.01, 0.1])),
    }
    epochs = int(rng.choice([e for e in CHECKPOINTS[1:] if e <= longest]))
    if method == "afr":
        params |= {"gamma": float(rng.choice([1, 4, 8, 16])), "lam": float(rng.choice([0, 0.1, 1]))}
        params |= {"reweighting_epochs": int(rng.choice([100, 300]))}
    return epochs, params


def report(search_path, path, name, seeds, methods, longest):
    """Fit what validation has selected on fresh seeds."""
    found, done = biasadv.read_rows(search_path), {tuple(r[k] for k in COLUMNS[:6]): r for r in biasadv.read_rows(path)}
    chosen = {m: ranked(found, name, m, SEARCH_SEEDS)[0][1:] for m in ("erm", "jtt", "ule")}
    chosen = {m: (epochs, json.loads(text)) for m, (epochs, text) in chosen.items()}
    chosen["erm balanced"] = (chosen["erm"][0], chosen["erm"][1] | {"balance": "class"})
    epochs, params = chosen["ule"]
    chosen["ule lam=1"] = (epochs, params | {"lam": 1.0})
    chosen |= {f"{m} monitored": (longest, chosen[m][1]) for m in ("erm", "ule", "jtt")}
    chosen["ule no student monitored"] = chosen["ule monitored"]
    chosen |= {"ule defaults": (300, {}), DFR: ("", {})}
    chosen |= {f"ule defaults, lam={lam:g}": (300, {"lam": lam}) for lam in (0.9, 1.0)}
    chosen |= {f"{m}{NEAR_ZERO}": chosen[m] for m in ("ule", "ule monitored", "ule defaults")}
    chosen["ule candidate monitored"] = (longest, CANDIDATE)
    for method in ("lff", "afr", "erm tuned monitored"):
        if method in methods:
            drawn = [draw_rival(method, i, longest) for i in range(RIVAL_DRAWS)]
            if method.startswith("erm"):  # tuned as it is judged, with large steps and strong L2 among the draws
                drawn = [(longest, draw("erm", i, FOCUS * (i % 2))) for i in range(2 * RIVAL_DRAWS)]
            rows = [run_fit(path, done, "search", name, method, *d, SEARCH_SEEDS[0]) for d in drawn]
            chosen[method] = drawn[int(np.argmax([float(row["val_worst"]) for row in rows]))]
    for seed, method in itertools.product(seeds, [m for m in METHODS if m in methods]):
        run_fit(path, done, "report", name, method, *chosen[method], seed)


# Tables and figures ---------------------------------------------------------------------------------------


def values(rows, name, method, column):
    """{seed: percent} of the report."""
    found = [r for r in rows if (r["experiment"], r["data"], r["method"]) == ("report", name, method)]
    return {r["seed"]: 100 * float(r[column]) for r in found}


def gains(rows, name, method, column="test_worst", base=None):
    """Method minus ERM, in points, for each seed; a monitored one minus a monitored ERM."""
    base = base or ("erm monitored" if "monitored" in method else "erm")
    ours, theirs = (values(rows, name, m, column) for m in (method, base))
    return [ours[seed] - theirs[seed] for seed in ours if seed in theirs]


def bold(mean, half):
    """A difference and its interval, bold where that excludes 0."""
    mark = "**" if abs(mean) > half else ""
    return f"{mark}{mean:+.1f} [{mean - half:+.1f}, {mean + half:+.1f}]{mark}"


def tables(search_path, path):
    """Markdown tables: accuracies, what was selected, and the best draw of each reading."""
    rows, found = biasadv.read_rows(path), biasadv.read_rows(search_path)
    names = [n for n in DATA if any(r["data"] == n and r["experiment"] == "report" for r in rows)]
    columns = ("val_worst", "test_worst", "test_wga", "test_conflicting", "test_aligned")
    heads = (
        "validation",
        "test worst",
        "test worst cell",
        "conflicting",
        "aligned",
        "worst, minus ERM",
        "won",
        "CPU s",
    )
    out = biasadv.table_head("data", "method", *heads)
    for name, method in itertools.product(names, METHODS):
        cells = [list(values(rows, name, method, c).values()) for c in columns]
        if len(cells[0]) < 2:
            continue
        gained = gains(rows, name, method)
        ahead = ["", ""] if method in ("erm", "erm monitored") else [bold(*biasadv.interval(gained)), won(gained)]
        seconds = np.mean(list(values(rows, name, method, "seconds").values())) / 100
        text = ["{:.1f} ± {:.1f}".format(*biasadv.interval(c)) for c in cells]
        out.append(f"| {' | '.join((name, method, *text, *ahead))} | {seconds:.1f} |")
    out += ["", *biasadv.table_head("data", "method", "epochs", "selected", "its validation, three seeds")]
    for name, method in itertools.product(names, ("erm", "jtt", "ule")):
        best, epochs, text = ranked(found, name, method, SEARCH_SEEDS)[0]
        out.append(f"| {name} | {method} | {epochs} | {plain(text)} | {100 * best:.1f} |")
    out += ["", *biasadv.table_head("reading", *(n for n in DATA if any(r["data"] == n for r in found)))]
    best = best_of_readings(found)
    searched = [n for n in DATA if any(n == key[0] for key in best)]
    for reading in ("erm", "jtt", *map(spoken, readings())):
        cells = [f"{100 * best[n, reading]:.1f}" if (n, reading) in best else "" for n in searched]
        out.append(f"| {reading} | {' | '.join(cells)} |")
    return "\n".join(out)


def won(gained):
    """How often a method was ahead."""
    return f"{sum(g > 0 for g in gained)} of {len(gained)}"


def plain(text):
    """Parameters as a person writes them."""
    return (
        text.strip("{}").replace('"', "").replace("scale: -1.0", "scale: auto").replace("scale: -2.0", "scale: ratio")
    )


def spoken(reading):
    """A reading in words."""
    if reading["saliency"] == "gram":
        return f"gram, {reading['size']}"
    return f"{reading['saliency']}, {'absolute' if reading['magnitude'] else 'signed'}, {reading['size']}"


def best_of_readings(found):
    """Best validation accuracy, on the first search seed, of ERM, JTT and each reading."""
    best = {}
    for row in found:
        if row["seed"] == str(SEARCH_SEEDS[0]):
            params = json.loads(row["params"])
            reading = spoken(params) if row["method"] == "ule" else row["method"]
            top = max(float(row[f"epoch_{e}"]) for e in CHECKPOINTS if row[f"epoch_{e}"])
            best[row["data"], reading] = max(top, best.get((row["data"], reading), 0))
    return best


def figures(path, diagnosis_path):
    """Write ule_heads_gains.png and ule_heads_why.png."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    rows = biasadv.read_rows(path)
    names = [n for n in DATA if any(r["data"] == n and r["experiment"] == "report" for r in rows)]
    shown = {
        "ule": "C3",
        "ule monitored": "C1",
        "ule candidate monitored": "k",
        "ule no student monitored": "0.6",
        "jtt": "C0",
        "lff": "C2",
        "afr": "C4",
    }
    figure, axes = plt.subplots(figsize=(8, 0.8 + 1.1 * len(names)), layout="constrained")
    for i, name in enumerate(names):
        for j, (method, colour) in enumerate(shown.items()):
            gained = gains(rows, name, method)
            if len(gained) > 1:
                mean, half = biasadv.interval(gained)
                height = -i - 0.12 * j
                axes.plot(gained, [height] * len(gained), ".", color=colour, alpha=0.4, ms=4)
                axes.errorbar(mean, height, xerr=half, fmt="o", color=colour, ms=5, label="" if i else method)
    axes.axvline(0, color="0.5", lw=0.8)
    axes.set_yticks([-i - 0.3 for i in range(len(names))], names)
    axes.set_xlabel("worse of aligned and conflicting test accuracy, minus ERM (points)")
    axes.legend(frameon=False, loc="upper left", bbox_to_anchor=(1, 1))
    figure.savefig(HERE / "ule_heads_gains.png", dpi=110)

    rows = biasadv.read_rows(diagnosis_path)
    reading = spoken(DIAGNOSED[1])
    figure, panels = plt.subplots(1, 3, figsize=(12, 3.8), layout="constrained")
    looks = dict(zip(STUDENTS, ("C3", "C0", "0.6", "C1"), strict=True))
    for student, colour in looks.items():
        for seed in SEARCH_SEEDS:
            chosen = [r for r in rows if key_of(r) == ("synthetic axes", str(seed), reading, "0.0001", student)]
            lams, worst = ([float(r[c]) for r in chosen] for c in ("lam", "worst"))
            first = seed == SEARCH_SEEDS[0]
            label = {"label": "as in ULE", "shortcut": "taught the shortcut"}.get(student, student)
            panels[0].plot(lams, worst, ".-", color=colour, lw=1, label=label if first else None)
    for panel, student in zip(panels[1:], ("label", "shortcut"), strict=True):
        for column, colour in (("core", "C2"), ("shortcut", "C3")):
            for role, style in (("teacher", ".-"), ("student", ":")):
                for seed in SEARCH_SEEDS:
                    chosen = [r for r in rows if key_of(r) == ("synthetic axes", str(seed), reading, "0.0001", student)]
                    lams, share = ([float(r[c]) for r in chosen] for c in ("lam", f"{role}_{column}"))
                    label = f"{role}, {column}" if seed == SEARCH_SEEDS[0] else None
                    panel.plot(lams, share, style, color=colour, lw=1, label=label)
        panel.set_ylabel("share of the squared weights")
        panel.set_title("student as in ULE" if student == "label" else "student taught the shortcut", fontsize=10)
    panels[0].set_ylabel("worse of aligned and conflicting, validation")
    panels[0].set_title("the student", fontsize=10)
    for panel in panels:
        panel.set_xlabel("lam (1 is ERM)")
        panel.invert_xaxis()
        panel.legend(frameon=False, fontsize=8)
    figure.savefig(HERE / "ule_heads_why.png", dpi=110)


def key_of(row):
    """What a curve of the diagnosis is."""
    return tuple(row[k] for k in DIAGNOSIS_COLUMNS[:5])


def main():
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--search", choices=tuple(DATA), nargs="+", default=())
    parser.add_argument("--report", choices=tuple(DATA), nargs="+", default=())
    parser.add_argument("--diagnose", choices=tuple(DATA), nargs="+", default=())
    parser.add_argument("--methods", choices=METHODS, nargs="+", default=METHODS)
    parser.add_argument("--draws", type=int, default=40, help="configurations of each reading")
    parser.add_argument("--epochs", type=int, choices=CHECKPOINTS, default=LONGEST)
    parser.add_argument("--seeds", type=int, default=10, help="number of fresh seeds")
    parser.add_argument("--search-out", default=str(SEARCH))
    parser.add_argument("--diagnosis-out", default=str(DIAGNOSIS))
    parser.add_argument("--out", default=str(OUT))
    parser.add_argument("--tables", action="store_true", help="print the tables of the results")
    parser.add_argument("--figures", action="store_true", help="write the pictures of the results")
    args = parser.parse_args()
    if args.tables:
        print(tables(args.search_out, args.out))
    if args.figures:
        figures(args.out, args.diagnosis_out)
    torch.set_num_threads(1)
    for name in args.search:
        search(args.search_out, name, args.draws, args.epochs)
    for name in args.diagnose:
        diagnose(args.diagnosis_out, name)
    for name in args.report:
        report(args.search_out, args.out, name, range(args.seeds), args.methods, args.epochs)


if __name__ == "__main__":
    main()
