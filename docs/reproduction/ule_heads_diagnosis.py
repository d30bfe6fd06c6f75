"""Why ULE does what it does to linear heads: accuracy and weights over lam, for several students.

    python docs/reproduction/ule_heads_diagnosis.py --data "synthetic axes"
    python docs/reproduction/ule_heads_diagnosis.py --figures

Validation rows and the search seeds of ule_heads.py only. Students: "label" as in ULE; "shortcut"
is taught the shortcut's label instead; "none" has a map of zeros; "permuted" has the features of
its map in another order.
"""

import argparse
import itertools
import sys
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).parent))
from tables import append, read_rows
from ule_heads import SEARCH_SEEDS
from ule_heads_data import DATA, load_data, scores
from ule_heads_training import FIRST, LONGEST, spoken, train_heads

HERE = Path(__file__).parent
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
STUDENTS = ("label", "shortcut", "none", "permuted")
LAMS = (1.0, 0.95, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1, 0.05)


def diagnose(path, name, seeds=SEARCH_SEEDS):
    """Measure accuracy and weights over lam for several students, on validation rows only."""
    done = {tuple(r[k] for k in DIAGNOSIS_COLUMNS[:6]) for r in read_rows(path)}
    for seed, reading, decay, student in itertools.product(seeds, DIAGNOSED, (1e-4, 0.3), STUDENTS):
        words = (
            f"{reading['saliency']}, {'absolute' if reading['magnitude'] else 'signed'}, "
            f"{reading['size']}"
        )
        key = (name, str(seed), words, str(decay), student)
        if (*key, str(LAMS[0])) in done:
            continue
        train, validation, _ = load_data(name, seed)
        configs = [
            {"lr": 0.03, "weight_decay": decay, "lam": lam, "scale": FIRST, "warmup": 0}
            for lam in LAMS
        ]
        found, teachers, students = train_heads(
            train, validation, configs, reading, seed, student=student
        )
        measured = scores(found[LONGEST], validation)
        weights = [centred(heads["weight"]) for heads in (teachers, students)]
        measured["cosine"] = torch.cosine_similarity(*weights, dim=1).numpy()
        if name.startswith(
            "synthetic axes"
        ):  # two classes: coordinate 0 is the core's, 1 the shortcut's
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
    """Flatten what tells classes apart: weights (k, classes, d) minus their mean over classes."""
    return (weight - weight.mean(1, keepdim=True)).flatten(1)


def figures(path):
    """Write ule_heads_why.png."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    rows = read_rows(path)
    reading = spoken(DIAGNOSED[1])
    figure, panels = plt.subplots(1, 3, figsize=(12, 3.8), layout="constrained")
    looks = dict(zip(STUDENTS, ("C3", "C0", "0.6", "C1"), strict=True))
    for student, colour in looks.items():
        for seed in SEARCH_SEEDS:
            chosen = [
                r
                for r in rows
                if key_of(r) == ("synthetic axes", str(seed), reading, "0.0001", student)
            ]
            lams, worst = ([float(r[c]) for r in chosen] for c in ("lam", "worst"))
            first = seed == SEARCH_SEEDS[0]
            label = {"label": "as in ULE", "shortcut": "taught the shortcut"}.get(student, student)
            panels[0].plot(lams, worst, ".-", color=colour, lw=1, label=label if first else None)
    for panel, student in zip(panels[1:], ("label", "shortcut"), strict=True):
        for column, colour in (("core", "C2"), ("shortcut", "C3")):
            for role, style in (("teacher", ".-"), ("student", ":")):
                for seed in SEARCH_SEEDS:
                    chosen = [
                        r
                        for r in rows
                        if key_of(r) == ("synthetic axes", str(seed), reading, "0.0001", student)
                    ]
                    lams, share = (
                        [float(r[c]) for r in chosen] for c in ("lam", f"{role}_{column}")
                    )
                    label = f"{role}, {column}" if seed == SEARCH_SEEDS[0] else None
                    panel.plot(lams, share, style, color=colour, lw=1, label=label)
        panel.set_ylabel("share of the squared weights")
        panel.set_title(
            "student as in ULE" if student == "label" else "student taught the shortcut",
            fontsize=10,
        )
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
    parser.add_argument("--data", choices=tuple(DATA), nargs="+", default=())
    parser.add_argument("--out", default=str(DIAGNOSIS))
    parser.add_argument("--figures", action="store_true", help="write the picture of the results")
    args = parser.parse_args()
    torch.set_num_threads(1)
    for name in args.data:
        diagnose(args.out, name)
    if args.figures:
        figures(args.out)


if __name__ == "__main__":
    main()
