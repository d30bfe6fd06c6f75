"""Why BiasAdv helps or not: what its attack changes, how saturated its biased net is, and controls.

    python docs/reproduction/biasadv_diagnosis.py --data digits --conflict 0.05
    python docs/reproduction/biasadv_diagnosis.py --figure

All figures are on validation images and on the selection seeds: test sets are not
touched. The parts, in long format in biasadv_diagnosis.csv:

attack      the nets of a plain fit (beta=0), attacked with growing radii
saturation  the same nets after growing numbers of epochs: gradients of the two terms at the input
control     validation accuracy with BiasAdv's attack and with three others of the same radius:
            "colour" may only change the colour of the strokes (the oracle's cue), "noise" is a
            random direction, "self" raises the model's own loss (plain adversarial training)
grid        validation accuracy over radius and lam
length      fewer and more epochs
cnn         a small CNN instead of the perceptron
lff         BiasAdv-LfF with the weights of the adversarial term alone
strong      the strong attack that wins on Coloured MNIST at 1 %, and controls
"""

import argparse
import dataclasses
import sys
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch.func import grad

from sklearn_debias import BiasAdvClassifier
from sklearn_debias.attacks import ascend
from sklearn_debias.core import Net, static
from sklearn_debias.losses import cross_entropy
from sklearn_debias.objectives import BiasAdv
from sklearn_debias.objectives._biasadv import bias_adversarial_loss

sys.path.insert(0, str(Path(__file__).parent))
from biased_data import NETWORKS, accuracies, load_data, mean_norm
from tables import append, read_rows

HERE = Path(__file__).parent
RADII = (0.02, 0.05, 0.1, 0.2, 0.4, 0.8)
CONTROL_RADII = {"digits": (0.05, 0.1, 0.2, 0.4), "colour_mnist": (0.1, 0.4)}
KINDS = ("biasadv", "colour", "self", "noise")
SEEDS = (1000, 1001, 1002)
SETTING = {"digits": {"lr": 5e-3, "max_epochs": 40}, "colour_mnist": {"lr": 5e-3, "max_epochs": 20}}
COLUMNS = (
    "part",
    "data",
    "conflict",
    "variant",
    "relative_epsilon",
    "lam",
    "seed",
    "metric",
    "value",
)


@dataclass(frozen=True)
class Controlled(BiasAdv):
    """BiasAdv with another attack of the same radius."""

    kind: str = static("biasadv")

    def attack(self, nets, x, y, start=None):
        """Perturbed inputs of one kind."""
        model, biased = nets["model"].frozen(), nets["biased"].frozen()
        options = {"ball": self.ball, "n_steps": self.n_steps}
        if self.kind == "noise":
            return (x + self.ball.project(1e6 * self.ball.direction(torch.randn_like(x)))).clamp(
                *self.clip
            )
        if self.kind == "self":
            return ascend(lambda x: cross_entropy(model(x), y), x, clip=self.clip, **options)
        if self.kind == "colour":
            strokes = x.sum(
                1, keepdim=True
            )  # proportional to the grey digit, as x is colour times digit
            strokes = strokes / strokes.flatten(1).norm(dim=1).view(-1, 1, 1, 1)

            def recoloured(shift):
                return x + shift[:, :, None, None] * strokes

            def loss(shift):
                return bias_adversarial_loss(model, biased, recoloured(shift), y, self.lam)

            shift = ascend(loss, x.new_zeros(x.shape[:2]), **options)
            return recoloured(shift).clamp(*self.clip)
        return super().attack(nets, x, y, start)


@dataclass(kw_only=True, eq=False, repr=False)
class ControlledClassifier(BiasAdvClassifier):
    """BiasAdvClassifier with a choice of attack."""

    kind: str = "biasadv"

    def _attacking(self, phases):
        *before, last = super()._attacking(phases)
        *others, attack = last.steps
        fields = {f.name: getattr(attack, f.name) for f in dataclasses.fields(attack)}
        steps = (*others, Controlled(**fields, kind=self.kind))
        return (*before, dataclasses.replace(last, steps=steps))


def fit(
    data,
    train,
    seed,
    *,
    module=None,
    epochs=None,
    kind="biasadv",
    relative=0.1,
    **params,
):
    """Fitted BiasAdv on top of ERM; ``beta=0`` leaves the attack out."""
    shared = {**NETWORKS[data], **SETTING[data]}
    if module is not None:
        shared |= module
    if epochs is not None:
        shared["max_epochs"] = epochs
    torch.manual_seed(seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        estimator = ControlledClassifier(
            base="erm",
            kind=kind,
            epsilon=float(relative * mean_norm(train.data)),
            clip=(0, 1),
            random_state=seed,
            **shared,
            **params,
        )
        return estimator.fit(train.data, train.target)


def nets_of(estimator):
    """Both nets, as objectives take them."""
    for module in (estimator.module_, estimator.biased_module_):
        module.eval()
    return {"model": Net(estimator.module_), "biased": Net(estimator.biased_module_)}


def scores(estimator, data, validation):
    """Accuracies on validation images: of the cells, of conflicting and of aligned rows."""
    found = accuracies(data, validation, estimator.predict(validation.data))
    return {f"val_{name}": value for name, value in found.items()}


def attack_part(data, conflict, seed, emit):
    """What the attack changes, as its radius grows."""
    train, validation, _ = load_data(data, conflict, seed)
    nets = nets_of(fit(data, train, seed, beta=0))
    x, y = torch.from_numpy(validation.data[:449]), torch.from_numpy(validation.target[:449])
    bias = validation.bias_labels[:449]
    strokes = x.sum(1, keepdim=True).flatten(2)
    strokes = strokes / strokes.norm(dim=2, keepdim=True)
    colours = (x.flatten(2) * strokes).sum(2)  # colour times a length that differs by image
    unit = colours / colours.norm(dim=1, keepdim=True)
    palette = torch.stack([unit[bias == k].mean(0) for k in range(10)])
    for lam in (0.0, 0.5):
        for relative in RADII:
            ball = {"epsilon": float(relative * mean_norm(train.data)), "clip": (0, 1)}
            x_adv = BiasAdv(lam=lam, **ball).attack(nets, x, y)
            change = (x_adv - x).flatten(2)
            energy = (change**2).sum((1, 2)).clamp(min=1e-12)
            colour = ((change * strokes).sum(2) ** 2).sum(1)
            new = (x_adv.flatten(2) * strokes).sum(2)
            nearest = (torch.cdist(new / new.norm(dim=1, keepdim=True), palette)).argmin(1).numpy()
            with torch.no_grad():
                biased, model = (nets[r](x_adv).argmax(1).numpy() for r in ("biased", "model"))
                plain = nets["biased"](x).argmax(1).numpy()
            for metric, value in {
                "share of the change that is colour": (colour / energy).mean().item(),
                "share of the change off the strokes": (
                    ((change**2) * (strokes < 1e-3)).sum((1, 2)) / energy
                )
                .mean()
                .item(),
                "images with another nearest colour": (nearest != bias).mean(),
                "biased net predicts the colour, on x": (plain == bias).mean(),
                "biased net predicts the colour, on x_adv": (biased == bias).mean(),
                "biased net is right, on x": (plain == y.numpy()).mean(),
                "biased net is right, on x_adv": (biased == y.numpy()).mean(),
                "model is right, on x_adv": (model == y.numpy()).mean(),
            }.items():
                emit("attack", data, conflict, "biasadv", relative, lam, seed, metric, value)


def saturation_part(data, conflict, seed, emit):
    """Measure the gradients of the attack's two terms as the nets train.

    They are taken at aligned and at conflicting training inputs.
    """
    train, _, _ = load_data(data, conflict, seed)
    x, y = torch.from_numpy(train.data), torch.from_numpy(train.target)
    conflicting = torch.from_numpy(train.bias_labels != train.target)
    for epochs in (1, 3, 10, SETTING[data]["max_epochs"]):
        nets = nets_of(fit(data, train, seed, beta=0, epochs=epochs))
        size = {}
        for role, net in nets.items():
            frozen = net.frozen()
            gradient = grad(lambda x, net=frozen: cross_entropy(net(x), y).sum())(x)
            size[role] = gradient.flatten(1).norm(dim=1)
        with torch.no_grad():
            sure = nets["biased"](x).softmax(1).gather(1, y[:, None])[:, 0]
        for name, rows in (("aligned", ~conflicting), ("conflicting", conflicting)):
            for metric, value in {
                f"median probability of the label, biased net, {name}": sure[rows].median().item(),
                f"median gradient of L(biased), {name}": size["biased"][rows].median().item(),
                f"median gradient of L(model), {name}": size["model"][rows].median().item(),
                f"rows where L(biased) has the larger gradient at lam .5, {name}": (
                    (size["biased"] > 0.5 * size["model"])[rows].float().mean().item()
                ),
            }.items():
                emit("saturation", data, conflict, f"epoch {epochs}", "", "", seed, metric, value)


def control_part(data, conflict, seed, emit):
    """Validation accuracy with BiasAdv's attack, with others of its radius, and with none."""
    train, validation, _ = load_data(data, conflict, seed)
    for kind in ("none", *KINDS):
        for relative in CONTROL_RADII[data] if kind != "none" else ("",):
            beta, size = (0, 0.1) if kind == "none" else (0.5, relative)
            name = "biasadv" if kind == "none" else kind
            estimator = fit(data, train, seed, kind=name, relative=size, beta=beta, lam=0.25)
            for metric, value in scores(estimator, data, validation).items():
                emit("control", data, conflict, kind, relative, 0.25, seed, metric, value)


def grid_part(data, conflict, seed, emit):
    """Radius against lam, beta 1: where the attack helps and where it harms."""
    train, validation, _ = load_data(data, conflict, seed)
    for lam in (0.0, 0.5, 1.0):
        for relative in (0.06, 0.2, 0.6):
            estimator = fit(data, train, seed, relative=relative, beta=1.0, lam=lam)
            for metric, value in scores(estimator, data, validation).items():
                emit("grid", data, conflict, "biasadv", relative, lam, seed, metric, value)


def length_part(data, conflict, seed, emit):
    """The same with fewer and more epochs, batches of 128."""
    train, validation, _ = load_data(data, conflict, seed)
    longest = SETTING[data]["max_epochs"]
    for epochs in (longest // 4, longest, 3 * longest):
        for kind, beta in (("none", 0), ("biasadv", 0.25)):
            network = NETWORKS[data] | {"batch_size": 128}
            estimator = fit(
                data,
                train,
                seed,
                module=network,
                epochs=epochs,
                relative=0.064,
                beta=beta,
                lam=0.25,
            )
            for metric, value in scores(estimator, data, validation).items():
                emit(
                    "length",
                    data,
                    conflict,
                    f"{kind}, {epochs} epochs",
                    0.064,
                    0.25,
                    seed,
                    metric,
                    value,
                )


def lff_part(data, conflict, seed, emit):
    """Compare LfF alone, with BiasAdv's second term at radius 0 (x_adv = x), and attacked."""
    train, validation, _ = load_data(data, conflict, seed)
    for variant, relative, beta in (
        ("lff", "", 0.0),
        ("radius 0", 0.0, 0.5),
        ("biasadv-lff", 0.1, 0.5),
    ):
        estimator = BiasAdvClassifier(
            base="lff",
            epsilon=float((relative or 0.0) * mean_norm(train.data)),
            lam=0.25,
            beta=beta,
            random_state=seed,
            device="cpu",
            **NETWORKS[data],
            **SETTING[data],
        ).fit(train.data, train.target)
        values = scores(estimator, data, validation)
        easy = train.bias_labels == train.target
        values["weight W, aligned"] = estimator.sample_difficulty_[easy].mean()
        values["weight W, conflicting"] = estimator.sample_difficulty_[~easy].mean()
        for metric, value in values.items():
            emit("lff", data, conflict, variant, relative, 0.25, seed, metric, value)


def strong_part(data, conflict, seed, emit):
    """The configuration selected on Coloured MNIST at 1 %, with each attack, and for longer."""
    train, validation, _ = load_data(data, conflict, seed)
    rates = {"lr": 0.00691, "weight_decay": 1e-3}
    for epochs, kinds in ((5, ("none", *KINDS)), (20, ("none", "biasadv"))):
        for kind in kinds:
            name, beta = ("biasadv", 0.0) if kind == "none" else (kind, 1.0)
            options = {"relative": 0.639, "beta": beta, "lam": 1.0}
            estimator = fit(data, train, seed, module=rates, epochs=epochs, kind=name, **options)
            for metric, value in scores(estimator, data, validation).items():
                emit(
                    "strong",
                    data,
                    conflict,
                    f"{kind}, {epochs} epochs",
                    0.639,
                    1.0,
                    seed,
                    metric,
                    value,
                )


def network_part(data, conflict, seed, emit):
    """The same with a small CNN."""
    train, validation, _ = load_data(data, conflict, seed)
    cnn = {"module": "simple_cnn", "net_params": {"module__width": 8}}
    cnn["max_epochs"] = {"digits": 40, "colour_mnist": 15}[data]
    for kind, relative, beta in (
        ("none", "", 0),
        ("biasadv", 0.05, 0.5),
        ("biasadv", 0.2, 0.5),
        ("colour", 0.4, 0.5),
    ):
        size = {"relative": relative} if relative else {}
        estimator = fit(
            data,
            train,
            seed,
            module=cnn,
            kind=kind.replace("none", "biasadv"),
            beta=beta,
            lam=0.25,
            **size,
        )
        for metric, value in scores(estimator, data, validation).items():
            emit("cnn", data, conflict, kind, relative, 0.25, seed, metric, value)


PARTS = {
    "attack": attack_part,
    "saturation": saturation_part,
    "grid": grid_part,
    "control": control_part,
    "length": length_part,
    "cnn": network_part,
    "lff": lff_part,
    "strong": strong_part,
}


def run(path, data, conflict, parts, seeds):
    """Append the rows of the parts that the file does not have yet."""
    have = {(r["part"], r["data"], float(r["conflict"]), r["seed"]) for r in read_rows(path)}
    for seed in seeds:
        for part in parts:
            if (part, data, conflict, str(seed)) in have:
                continue
            rows = []

            def emit(*row, rows=rows):
                value = f"{float(row[-1]):.4g}"
                rows.append(dict(zip(COLUMNS, (*row[:-1], value), strict=True)))

            PARTS[part](data, conflict, seed, emit)
            append(path, COLUMNS, rows)
            print(part, data, conflict, seed, flush=True)


def mean_of(rows, **where):
    """Mean of the values of the rows that agree with ``where``, over seeds."""
    values = [float(r["value"]) for r in rows if all(str(r[k]) == str(v) for k, v in where.items())]
    return np.mean(values) if values else np.nan


def attack_figure(rows):
    """What the attack changes, and accuracy against its radius."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    data = [
        d
        for d in ("digits", "colour_mnist")
        if any(r["data"] == d and r["part"] == "control" for r in rows)
    ]
    figure, axes = plt.subplots(
        2,
        len(data),
        figsize=(4.6 * len(data), 6.2),
        layout="constrained",
        squeeze=False,
        sharex=True,
    )
    for column, name in zip(axes.T, data, strict=True):
        here = [r for r in rows if r["data"] == name and float(r["conflict"]) == 0.05]
        for metric, style in (
            ("biased net is right, on x_adv", "o-"),
            ("images with another nearest colour", "s--"),
            ("share of the change that is colour", "^:"),
            ("model is right, on x_adv", "x-"),
        ):
            values = [
                mean_of(here, part="attack", lam=0.5, relative_epsilon=r, metric=metric)
                for r in RADII
            ]
            column[0].plot(RADII, values, style, label=metric)
        column[0].set(
            title=f"{name}, 5 % conflicting: the attack (lam .5)", ylim=(-0.03, 1.03), xscale="log"
        )
        for kind, style, label in (
            ("biasadv", "o-", "BiasAdv's attack"),
            ("colour", "s--", "may change colour only (oracle)"),
            ("self", "x-", "raises the model's own loss"),
            ("noise", "^:", "random direction"),
        ):
            radii = [
                r
                for r in CONTROL_RADII[name]
                if not np.isnan(mean_of(here, part="control", variant=kind, relative_epsilon=r))
            ]
            values = [
                100
                * mean_of(here, part="control", variant=kind, relative_epsilon=r, metric="val_mean")
                for r in radii
            ]
            column[1].plot(radii, values, style, label=label)
        plain = 100 * mean_of(here, part="control", variant="none", metric="val_mean")
        column[1].axhline(plain, color="black", lw=0.8, label="no attack (ERM)")
        column[1].set(
            xlabel="radius / mean L2 norm of an image", title="unbiased validation accuracy, %"
        )
    for axis in axes.flat:
        axis.set_xticks(RADII, RADII)
        axis.minorticks_off()
    for axis in axes[:, 0]:
        axis.legend(fontsize=7)
    figure.savefig(HERE / "biasadv_attack.png", dpi=110)


def main():
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", choices=("digits", "colour_mnist"))
    parser.add_argument("--conflict", type=float, default=0.05)
    parser.add_argument("--parts", nargs="+", default=tuple(PARTS))
    parser.add_argument("--seeds", type=int, nargs="+", default=SEEDS)
    parser.add_argument("--out", default=str(HERE / "biasadv_diagnosis.csv"))
    parser.add_argument("--figure", action="store_true", help="draw the figure from the file")
    args = parser.parse_args()
    if args.figure:
        attack_figure(read_rows(args.out))
        return
    torch.set_num_threads(1)
    run(args.out, args.data, args.conflict, args.parts, args.seeds)


if __name__ == "__main__":
    main()
