"""ULE on frozen embeddings: does any reading of it help a head?

    python docs/reproduction/ule_heads.py --search synthetic
    python docs/reproduction/ule_heads.py --report synthetic
    python docs/reproduction/ule_heads_tables.py

The search trains many linear heads at once (ule_heads_training.py) and sees validation rows only:
all readings of ULE, ERM and JTT. The report fits what the search has selected with the package's
classifiers on fresh seeds, and only these fits read the test rows. Heads with a hidden layer are
searched fit by fit (--perceptrons). "Worst" is the worse of the accuracies on aligned and on
conflicting rows. Rows that the results file has are skipped.
"""

import argparse
import functools
import itertools
import json
import sys
import time
import warnings
from pathlib import Path

import numpy as np
import torch
from torch import nn

from sklearn_debias import (
    AFRClassifier,
    DFRClassifier,
    ERMClassifier,
    JTTClassifier,
    LfFClassifier,
    ULEClassifier,
)

sys.path.insert(0, str(Path(__file__).parent))
from tables import append, read_rows
from ule_heads_data import BATCH, DATA, load_data, scores
from ule_heads_training import CHECKPOINTS, FIRST, LONGEST, MOMENTUM, RATIO, readings, train_heads
from ule_mnist import ControlledULE

HERE = Path(__file__).parent
SEARCH, OUT = HERE / "ule_heads_search.csv", HERE / "ule_heads.csv"
SEARCH_SEEDS = (1000, 1001, 1002)
FINALISTS = 5
RIVAL_DRAWS = 8
LONGEST_WARMUP = 50
ERM_DRAWS = 240
READING = ("saliency", "magnitude", "size")
SEARCH_COLUMNS = (
    "data",
    "seed",
    "method",
    "draw",
    "params",
    *(f"epoch_{e}" for e in CHECKPOINTS),
    "seconds",
)
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
FOCUS = 100
PROMISING = (
    {"saliency": "logit", "magnitude": False, "size": "max"},
    {"saliency": "logit", "magnitude": False, "size": "l2"},
    {"saliency": "label_log_prob", "magnitude": False, "size": "max"},
    {"saliency": "label_log_prob", "magnitude": True, "size": "max"},
)
FEW = (  # for the later data sets: the best of BAR 5 %, and the paper's words
    {"saliency": "logit", "magnitude": False, "size": "max"},
    {"saliency": "logit", "magnitude": False, "size": "l2"},
    {"saliency": "logit", "magnitude": True, "size": "l2"},
    {"saliency": "label_log_prob", "magnitude": False, "size": "max"},
    {"saliency": "label_log_prob", "magnitude": True, "size": "max"},
    {"saliency": "label_log_prob", "magnitude": False, "size": "l2"},
    {"saliency": "sum_log_softmax", "magnitude": False, "size": "l2"},
    {"saliency": "gram", "magnitude": False, "size": "l2"},
)
RIVALS = {
    "erm": ERMClassifier,
    "erm balanced": ERMClassifier,
    "lff": LfFClassifier,
    "afr": AFRClassifier,
}
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
PERCEPTRONS = (
    "erm mlp",
    "ule mlp",
    "ule mlp lam=1",
    "ule mlp no student",
    "erm mlp monitored",
    "ule mlp monitored",
    "ule mlp no student monitored",
)
PERCEPTRON_READINGS = (
    {"saliency": "label_log_prob", "magnitude": True, "norm": "max"},
    {"saliency": "label_log_prob", "magnitude": False, "norm": "max"},
    {"saliency": "logit", "magnitude": False, "norm": "max"},
    {"saliency": "sum_log_softmax", "magnitude": False, "norm": "l2"},
)


# Search


def draw(method, i, reading_index=0):
    """Random knobs i of a method, or of a reading."""
    rng = np.random.default_rng([i, reading_index])
    focused = reading_index >= FOCUS
    knobs = {
        "lr": float(f"{10 ** (rng.uniform(-2, -0.5) if focused else rng.uniform(-3.5, -1)):.2g}"),
        "weight_decay": float(
            rng.choice([0.1, 0.3, 1] if focused else [0, 1e-4, 1e-2, 0.1, 0.3, 1])
        ),
    }
    if method == "ule":
        knobs |= {
            "lam": float(
                rng.choice([*([] if focused else [0, 0.1]), 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9])
            ),
            "scale": float(
                rng.choice([FIRST, RATIO, 10] if focused else [FIRST, RATIO, 1, 10, 100, 1000])
            ),
            "warmup": int(LONGEST_WARMUP if focused else rng.choice([0, 5, LONGEST_WARMUP])),
        }
    if method == "jtt":
        knobs |= {
            "identification": int(rng.choice(CHECKPOINTS[:3])),
            "upweight": float(rng.choice([5, 20, 50, 100])),
        }
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
        rows.append(
            dict(
                zip(
                    SEARCH_COLUMNS,
                    (name, seed, method, number, texts[i], *values, seconds),
                    strict=True,
                )
            )
        )
        done[name, str(seed), method, texts[i]] = rows[-1]
    append(path, SEARCH_COLUMNS, rows)
    best = max(w.max() for w in worst.values())
    print(
        name,
        seed,
        method,
        reading,
        len(configs),
        f"best {best:.4f}",
        f"{seconds} s each",
        flush=True,
    )


def search(path, name, n_draws, epochs, few=False):
    """Random draws on the first search seed, then the best of each method on two more.

    The draws from FOCUS on were added for the readings that had found something on "synthetic
    axes": strong L2, a long head start of the student, and larger learning rates. With few=True the
    readings are those of FEW, and ERM and JTT have as many draws as all of them together.
    """
    done = {(r["data"], r["seed"], r["method"], r["params"]): r for r in read_rows(path)}
    tried = [(j, reading) for j, reading in enumerate(readings()) if reading in FEW or not few]
    focused, alone = (n_draws // 2, n_draws * len(FEW)) if few else (2 * n_draws, ERM_DRAWS)
    jobs = [("erm", None, 0, alone), ("jtt", None, 0, alone + few * focused * len(PROMISING))]
    jobs += [("ule", reading, 1 + j, n_draws) for j, reading in tried]
    jobs += [("erm", None, FOCUS, focused * len(PROMISING) if few else alone // 4)]
    jobs += [("ule", reading, FOCUS + 1 + j, focused) for j, reading in enumerate(PROMISING)]
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
    """Rank what ran on all seeds: (mean validation accuracy, epochs, params), the best first."""
    found = {}
    for row in rows:
        if row["data"] == name and row["method"] == method and int(row["seed"]) in seeds:
            for epochs in CHECKPOINTS:
                if row[f"epoch_{epochs}"]:
                    found.setdefault((epochs, row["params"]), {})[row["seed"]] = float(
                        row[f"epoch_{epochs}"]
                    )
    complete = [(np.mean(list(v.values())), *k) for k, v in found.items() if len(v) == len(seeds)]
    return sorted(complete, key=lambda found: -found[0])


# Report: the package's classifiers on fresh seeds


def usual_head(n_features, n_classes):
    """A head that starts as torch starts it: U(-1, 1) / sqrt(d), not near zero as "linear" does."""
    return nn.Linear(n_features, n_classes)


def make(method, epochs, params, seed):
    """Unfitted classifier of a configuration."""
    params = dict(params)
    if method == DFR:
        return DFRClassifier(n_resamples=10, random_state=seed)
    module = params.pop("module", "linear")
    shared = {
        "module": module,
        "batch_size": BATCH,
        "max_epochs": epochs,
        "random_state": seed,
        "device": "cpu",
    }
    momentum = {"optimizer": "sgd", "net_params": {"optimizer__momentum": MOMENTUM}}
    if method == "jtt":
        jtt = {"identification_epochs": params.pop("identification"), "upweight_by": "weight"}
        return JTTClassifier(**shared, **momentum, **jtt, **params)
    if method in RIVALS:
        return RIVALS[method](**shared, **momentum, **params)
    if module == "linear" and not method.endswith(NEAR_ZERO):
        shared["module"] = usual_head
    if method.startswith("ule no student"):
        return ControlledULE(**shared, **ule_params(params))
    return ULEClassifier(**shared, **ule_params(params))


def bare(method):
    """A method's name without what its fit is told besides."""
    return functools.reduce(
        lambda name, word: name.replace(word, ""), (" monitored", " tuned", " mlp"), method
    )


def ule_params(params):
    """Parameters of ULEClassifier for a configuration of the search."""
    params = dict(params)
    if "size" in params:
        size, saliency = params.pop("size"), params.pop("saliency")
        params["norm"] = "l2" if size == "l2" else "max"
        params["normalize_by"] = "batch" if size == "batch max" else "sample"
        params |= (
            {"similarity": "gram", "where": "output"}
            if saliency == "gram"
            else {"saliency": saliency}
        )
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
        estimator = make(bare(method), epochs, params, seed)
        watched = {}
        if "monitored" in method:
            estimator.set_params(monitor="worst_group_accuracy")
            watched = {
                "validation_data": (
                    validation.data,
                    validation.target,
                    validation.conflicting.astype(int),
                )
            }
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
    found, done = (
        read_rows(search_path),
        {tuple(r[k] for k in COLUMNS[:6]): r for r in read_rows(path)},
    )
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
            if method.startswith(
                "erm"
            ):  # tuned as it is judged, with large steps and strong L2 among the draws
                drawn = [(longest, draw("erm", i, FOCUS * (i % 2))) for i in range(2 * RIVAL_DRAWS)]
            rows = [run_fit(path, done, "search", name, method, *d, SEARCH_SEEDS[0]) for d in drawn]
            chosen[method] = drawn[int(np.argmax([float(row["val_worst"]) for row in rows]))]
    for seed, method in itertools.product(seeds, [m for m in METHODS if m in methods]):
        run_fit(path, done, "report", name, method, *chosen[method], seed)


def draw_perceptron(method, i, longest):
    """Random configuration i of ERM or ULE with a hidden layer, and its epochs."""
    rng = np.random.default_rng([i, 2])
    params = {
        "module": "mlp",
        "lr": float(f"{10 ** rng.uniform(-3, -0.5):.2g}"),
        "weight_decay": float(rng.choice([0, 1e-4, 0.01, 0.1])),
    }
    epochs = int(rng.choice([e for e in CHECKPOINTS if e <= longest]))
    if method.startswith("ule"):
        params |= {"where": ("input", "features")[i % 2]} | PERCEPTRON_READINGS[
            i // 2 % len(PERCEPTRON_READINGS)
        ]
        params |= {"lam": float(rng.choice([0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9]))}
        params |= {"scale": ("auto", "ratio", 1.0, 10.0, 100.0, 1000.0)[rng.integers(6)]}
        params |= {"student_warmup": int(rng.choice([0, 5, 20]))}
    return epochs, params


def report_perceptrons(path, name, seeds, n_draws, longest):
    """Search ERM and ULE with a perceptron as head, one fit at a time, and fit what is selected."""
    done = {tuple(r[k] for k in COLUMNS[:6]): r for r in read_rows(path)}
    chosen = {}
    for method in PERCEPTRONS[:2]:
        scored = [(draw_perceptron(method, i, longest), []) for i in range(n_draws)]
        for i, seed in enumerate(SEARCH_SEEDS):
            for drawn, found in scored:
                found.append(
                    float(run_fit(path, done, "search", name, method, *drawn, seed)["val_worst"])
                )
            scored = sorted(scored, key=lambda s: -np.mean(s[1]))[: FINALISTS if i == 0 else None]
        chosen[method] = scored[0][0]
    chosen["ule mlp no student"] = chosen["ule mlp"]
    chosen["ule mlp lam=1"] = (chosen["ule mlp"][0], chosen["ule mlp"][1] | {"lam": 1.0})
    chosen |= {m: (longest, chosen[m.removesuffix(" monitored")][1]) for m in PERCEPTRONS[4:]}
    for seed, method in itertools.product(seeds, PERCEPTRONS):
        run_fit(path, done, "report", name, method, *chosen[method], seed)


def main():
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--search", choices=tuple(DATA), nargs="+", default=())
    parser.add_argument("--report", choices=tuple(DATA), nargs="+", default=())
    parser.add_argument(
        "--perceptrons", choices=tuple(DATA), nargs="+", default=(), help="search and report"
    )
    parser.add_argument("--methods", choices=METHODS, nargs="+", default=METHODS)
    parser.add_argument("--draws", type=int, default=40, help="configurations of each reading")
    parser.add_argument("--epochs", type=int, choices=CHECKPOINTS, default=LONGEST)
    parser.add_argument("--seeds", type=int, default=10, help="number of fresh seeds")
    parser.add_argument(
        "--few", action="store_true", help="search few readings, ERM and JTT with as many draws"
    )
    parser.add_argument("--search-out", default=str(SEARCH))
    parser.add_argument("--out", default=str(OUT))
    args = parser.parse_args()
    torch.set_num_threads(1)
    for name in args.search:
        search(args.search_out, name, args.draws, args.epochs, args.few)
    for name in args.perceptrons:
        report_perceptrons(args.out, name, range(args.seeds), args.draws, args.epochs)
    for name in args.report:
        report(args.search_out, args.out, name, range(args.seeds), args.methods, args.epochs)


if __name__ == "__main__":
    main()
