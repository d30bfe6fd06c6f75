"""Many linear heads at once, ERM's and ULE's: the search of ule_heads.py.

The formulas are the package's, with the heads stacked; a test of agreement is on the page.
"""

import itertools
import sys
from pathlib import Path

import torch
from torch.nn.functional import cross_entropy, one_hot

from sklearn_debias.losses import SALIENCIES, saliency_cotangent, scale_free

sys.path.insert(0, str(Path(__file__).parent))
from ule_heads_data import BATCH

CHECKPOINTS = (3, 10, 30, 100)
LONGEST = 100
MOMENTUM = 0.9
FIRST, RATIO = -1.0, -2.0  # scale: a power of ten from the first batch; CE / L_MSE of each step


def readings():
    """Readings of the saliency maps, and of the similarity of logits."""
    for saliency, magnitude, size in itertools.product(
        SALIENCIES, (False, True), ("max", "l2", "batch max")
    ):
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
    each = cross_entropy(logits.flatten(0, 1), y.repeat(len(logits)), reduction="none").reshape(
        len(logits), -1
    )
    return (weight * each).mean(1)


def saliency_maps(heads, logits, y, reading):
    """Normalised maps of k heads, one row for whatever N divides by one number."""
    saliency, size = reading["saliency"], reading["size"]
    if saliency == "gram":
        return scale_free((logits @ logits.transpose(1, 2)).flatten(1), norm=size)
    cotangent = saliency_cotangent(logits.flatten(0, 1), y.repeat(len(logits)), saliency).reshape(
        logits.shape
    )
    maps = cotangent @ heads["weight"]
    maps = maps.abs() if reading["magnitude"] else maps
    rows = maps.flatten(1) if size == "batch max" else maps.flatten(0, 1)
    return scale_free(rows, norm="l2" if size == "l2" else "max")


def opposed(teachers, students, x, y, reading):
    """L_MSE of each of k pairs of heads, and the teachers' logits."""
    logits = outputs(teachers, x), outputs(students, x)
    if (
        reading["saliency"] == "logit" and reading["size"] != "batch max"
    ):  # a table of pairs of classes
        norm = reading["size"]
        weights = [
            h["weight"].abs() if reading["magnitude"] else h["weight"] for h in (teachers, students)
        ]
        rows = [scale_free(w.flatten(0, 1), norm=norm).reshape(w.shape) for w in weights]
        squares = [w.square().sum(2) for w in rows]
        table = squares[0][:, :, None] + squares[1][:, None] + 2 * rows[0] @ rows[1].transpose(1, 2)
        chosen = [one_hot(z.argmax(2), z.shape[2]).float() for z in logits]
        share = chosen[0].transpose(1, 2) @ chosen[1] / len(y)
        return (share * table).sum((1, 2)) / x.shape[1], logits[0]
    maps = [
        saliency_maps(h, z, y, reading) for h, z in zip((teachers, students), logits, strict=True)
    ]
    return (maps[0] + maps[1]).square().reshape(len(logits[0]), -1).mean(1), logits[0]


def teacher_losses(teachers, students, used, knobs, x, y, reading):
    """lam CE + (1 - lam) scale L_MSE of each pair, and the scales kept from the first batch."""
    far, logits = opposed(teachers, students, x, y, reading)
    entropy = entropies(logits, y)
    ratio = (entropy / far.clamp(min=1e-12)).detach()
    first = torch.where(used > 0, used, 10 ** ratio.clamp(1e-6, 1e6).log10().round())
    scale = torch.where(
        knobs["scale"] == FIRST, first, torch.where(knobs["scale"] == RATIO, ratio, knobs["scale"])
    )
    return knobs["lam"] * entropy + (1 - knobs["lam"]) * scale * far, first


class Heads:
    """k linear heads that start alike, and SGD with momentum for each."""

    def __init__(self, k, n_classes, d, knobs, generator):
        shapes = {"weight": (n_classes, d), "bias": (n_classes,)}
        start = {
            name: (2 * torch.rand(s, generator=generator) - 1) / d**0.5
            for name, s in shapes.items()
        }
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
    """Train a teacher (and a student) per configuration; return classes of ``rows``, and all.

    student : {"label", "shortcut", "none", "permuted"}
        What the student learns: the label as in ULE, or the shortcut; or "none" for a map of zeros
        in the place of its own, "permuted" for its own with the features in another order.
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
                students.step(
                    lambda h, args=args: (entropies(outputs(h, args[0]), args[1]),), active
                )
            if epoch >= 0 and reading is not None:
                args = (now, used, knobs, x, y, reading)
                (used,) = teachers.step(lambda h, args=args: teacher_losses(h, *args))
            elif epoch >= 0:
                weight = 1.0 if weights is None else weights[:, chosen]
                teachers.step(
                    lambda h, x=x, y=y, weight=weight: (entropies(outputs(h, x), y, weight),)
                )
        if epoch + 1 in CHECKPOINTS:
            found[epoch + 1] = (
                outputs(teachers.values, torch.from_numpy(rows.data)).argmax(2).numpy()
            )
    return found, teachers.values, students.values


def spoken(reading):
    """A reading in words."""
    if reading["saliency"] == "gram":
        return f"gram, {reading['size']}"
    return (
        f"{reading['saliency']}, {'absolute' if reading['magnitude'] else 'signed'}, "
        f"{reading['size']}"
    )
