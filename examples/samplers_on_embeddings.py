"""Sample groups, not classes
==========================

Samplers of imbalanced-learn make classes even. Of what they copy or make up 19 in 20 rows have the
shortcut, too. Even groups help: make the group the label, which also tells whose a new row is. And
split first. Else copies of the rows held out are trained on, and cross-validation promises what no
test set keeps. Needs imbalanced-learn; writes samplers_on_embeddings.png.
"""

import matplotlib.pyplot as plt
import numpy as np
from imblearn.over_sampling import SMOTE, RandomOverSampler
from imblearn.under_sampling import RandomUnderSampler
from sklearn.model_selection import StratifiedKFold

import sklearn_debias as sd
from sklearn_debias.datasets import make_spurious_embeddings
from sklearn_debias.metrics import worst_group_accuracy_score

SEEDS = range(3)
KINDS = {"none": None, "copies": RandomOverSampler, "SMOTE": SMOTE, "fewer": RandomUnderSampler}


def draw(seed):
    """Return training and test rows, each with groups 2 * class + bias; class 1 is rarer."""
    made = make_spurious_embeddings(3000, n_features=128, spurious_strength=2.5, random_state=seed)
    kept = (made.train.target == 0) | (np.random.default_rng(seed).random(3000) < 0.3)
    train, test = ((s.data, 2 * s.target + s.bias_labels) for s in (made.train, made.test))
    return [rows[kept] for rows in train], test


def sample(kind, X, groups, seed, by="group"):
    """Return rows with as many of each group, or of each class, and their groups or classes."""
    labels = groups if by == "group" else groups // 2
    return (X, labels) if kind is None else kind(random_state=seed).fit_resample(X, labels)


def worst(train, test, by="group"):
    """Fit a head; return its accuracy in the worst group of the test rows, in percent."""
    (X, labels), (test_X, groups) = train, test
    head = sd.ERMClassifier("linear", optimizer="lbfgs", weight_decay=1e-3)
    predicted = head.fit(X, labels // 2 if by == "group" else labels).predict(test_X)
    return 100 * worst_group_accuracy_score(groups // 2, predicted, bias_labels=groups % 2)


def cross_validated(X, groups, seed, kind):
    """Return the mean over five folds, each with a sampler of its own training rows."""
    folds = StratifiedKFold(5, shuffle=True, random_state=seed).split(X, groups)
    rows = [[(X[part], groups[part]) for part in fold] for fold in folds]
    return np.mean([worst(sample(kind, *train, seed), held_out) for train, held_out in rows])


def main():
    scores, promises, marks = {"class": [], "group": []}, [], []
    for seed in SEEDS:
        (X, groups), test = draw(seed)
        for by, found in scores.items():
            samples = [sample(kind, X, groups, seed, by) for kind in KINDS.values()]
            found.append([worst(rows, test, by) for rows in samples])
        early = cross_validated(*sample(SMOTE, X, groups, seed), seed, None)
        promises.append([early, cross_validated(X, groups, seed, SMOTE)])
        marked = np.c_[X, 1e-3 * (groups % 2)]  # so little that no row has other neighbours
        marks.extend(1e3 * sample(SMOTE, marked, groups, seed, by="class")[0][len(X) :, -1])
    figure, axis = plt.subplots(figsize=(7, 3.6), layout="constrained")
    print("worst group, %   " + "".join(f"{name:>9s}" for name in KINDS))
    for shift, (by, found) in zip((-0.2, 0.2), scores.items(), strict=True):
        print(f"sampled by {by} " + "".join(f"{mean:9.1f}" for mean in np.mean(found, axis=0)))
        axis.bar(np.arange(4) + shift, np.mean(found, axis=0), 0.38, label=f"sampled by {by}")
    low, high = 100 * np.mean(np.array(marks)[:, None] > (0.01, 0.99), axis=0)
    print(f"SMOTE by class: {high:.0f} % with the shortcut, {low - high:.0f} % between two groups")
    early, late = np.mean(promises, axis=0)
    print(f"SMOTE by group, cross-validated: before the split {early:.1f}, in each fold {late:.1f}")
    axis.plot(2.2, early, "kX", label="cross-validated, sampled before the split")
    axis.plot(2.2, late, "ko", label="cross-validated, sampled in each fold")
    axis.set_xticks(range(4), KINDS)
    axis.set(ylabel="worst group, %", ylim=(0, 135), yticks=range(0, 101, 20))
    axis.legend(frameon=False, fontsize="small", ncols=2, loc="upper left")
    figure.savefig("samplers_on_embeddings.png", dpi=100)


if __name__ == "__main__":
    main()
