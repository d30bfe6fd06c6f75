"""What do Meta-IADA's augmented features look like?
=================================================

Meta-IADA draws copies of a sample in feature space, around a point that is moved towards the other
classes (epsilon above 0) or away from them (below 0). Here such copies are shown as images: of each
the training image with the nearest features. Two labels in ten are wrong. Whom the strategies take
back are these; the copies themselves stay close to their sample. Writes augmented_in_pixels.png.
"""

import matplotlib.pyplot as plt
import numpy as np
import torch
from sklearn.datasets import load_digits
from sklearn.neighbors import NearestNeighbors

from sklearn_debias import MetaIADAClassifier
from sklearn_debias.datasets import balanced_indices, flip_labels

N_COPIES, N_SHOWN = 5, 4
rng = np.random.default_rng(0)
digits = load_digits()
X, y = (digits.images[:, None] / 16).astype(np.float32), digits.target
meta = balanced_indices(y, per_cell=10, random_state=0)
rows = np.setdiff1d(np.arange(len(y)), meta)
train, true = X[rows], y[rows]
labels = flip_labels(true, 0.2, kind="flip2", random_state=0)
clf = MetaIADAClassifier("simple_cnn", max_epochs=12, warmup=0.5, lr=1e-3, random_state=0)


def augmented(features, rows, moved=True):
    """Return copies (rows, N_COPIES, d): N(h + delta, alpha Sigma_y), the means moved or not."""
    weight = clf.module_.head.weight.detach().numpy()
    miss = clf.predict_proba(train[rows])
    miss[np.arange(len(rows)), labels[rows]] -= 1
    delta = moved * clf.epsilon_[rows, None] * np.sign(miss @ weight)
    spread = [
        rng.multivariate_normal(np.zeros(len(s)), clf.alpha * s, N_COPIES, check_valid="ignore")
        for s in clf.covariances_[labels[rows]]
    ]
    return (features[rows] + delta)[:, None] + np.array(spread)


def draw(shown, nearest):
    """Draw each sample, and the images that are nearest to its copies."""
    figure, axes = plt.subplots(len(shown), N_COPIES + 1, figsize=(6, 8), layout="constrained")
    for row, line, found in zip(shown, axes, nearest, strict=True):
        for ax, image in zip(line, [train[row], *train[found]], strict=True):
            ax.imshow(image[0], cmap="gray_r")
            ax.set(xticks=[], yticks=[])
        line[0].set_ylabel(f"label {labels[row]}\n$\\epsilon$ {clf.epsilon_[row]:.2f}", fontsize=8)
    axes[0, 0].set_title("sample", fontsize=9)
    axes[0, 1].set_title("nearest to its copies", fontsize=9, loc="left")
    figure.savefig("augmented_in_pixels.png", dpi=100)


def main():
    """Print what the copies are, save the figure."""
    torch.set_num_threads(1)  # small networks: threads would wait for each other
    clf.fit(train, labels, X_meta=X[meta], y_meta=y[meta])
    with torch.no_grad():
        features = clf.module_.body(torch.from_numpy(train)).numpy()
    index = NearestNeighbors().fit(features)
    order = np.argsort(clf.epsilon_)
    groups = {"most anti-adversarial": order[:200], "most adversarial": order[-200:]}
    print(f"{'':24s}{'epsilon':>9s}{'wrong labels':>14s}{'copies near label':>26s}{'unmoved':>9s}")
    for name, few in groups.items():
        own = []
        for moved in (True, False):
            copies = augmented(features, few, moved).reshape(-1, features.shape[1])
            near = index.kneighbors(copies, 1, return_distance=False).reshape(len(few), -1)
            own.append(100 * (true[near] == labels[few, None]).mean())
        wrong = 100 * (labels[few] != true[few]).mean()
        epsilon = clf.epsilon_[few].mean()
        print(f"{name:24s}{epsilon:9.2f}{wrong:12.0f} %{own[0]:24.0f} %{own[1]:7.0f} %")
    shown = np.concatenate([order[:N_SHOWN], order[-N_SHOWN:]])
    copies = augmented(features, shown).reshape(-1, features.shape[1])
    draw(shown, index.kneighbors(copies, 1, return_distance=False).reshape(len(shown), -1))
    print("Saved augmented_in_pixels.png")


if __name__ == "__main__":
    main()
