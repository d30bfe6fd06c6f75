"""What do Meta-IADA's augmented features look like?
=================================================

Meta-IADA draws copies of a sample in feature space, around a point that is moved towards the other
classes (epsilon above 0) or away from them (below 0). Here copies become images: by descent on the
pixels, and as the training image with the nearest features. Two labels in ten are wrong. Whom the
strategies take back are these; the copies stay near their sample. Writes augmented_in_pixels.png.
"""

import matplotlib.pyplot as plt
import numpy as np
import torch
from sklearn.datasets import load_digits
from sklearn.neighbors import NearestNeighbors

from sklearn_debias import MetaIADAClassifier
from sklearn_debias.datasets import balanced_indices, flip_labels

rng = np.random.default_rng(0)
digits = load_digits()
X, y = (digits.images[:, None] / 16).astype(np.float32), digits.target
meta = balanced_indices(y, per_cell=10, random_state=0)
train, true = np.delete(X, meta, axis=0), np.delete(y, meta)
labels = flip_labels(true, 0.2, kind="flip2", random_state=0)
clf = MetaIADAClassifier(lr=2e-3, perturbation_lr=5e-3, max_epochs=6, warmup=3, random_state=0)


def augmented(features, rows):
    """Return copies (rows, 3, d), drawn from N(h + delta, alpha Sigma_y)."""
    miss = clf.predict_proba(train[rows])
    miss[np.arange(len(rows)), labels[rows]] -= 1
    delta = clf.epsilon_[rows, None] * np.sign(miss @ clf.module_.head.weight.detach().numpy())
    sizes, axes = np.linalg.eigh(clf.alpha * clf.covariances_)
    root = np.sqrt(sizes.clip(0))[:, :, None] * axes.swapaxes(1, 2)
    noise = rng.normal(size=(len(rows), 3, features.shape[1]))
    return (features[rows] + delta)[:, None] + noise @ root[labels[rows]]


def by_descent(targets):
    """Return images (rows, columns, 8, 8) with features near the targets, and the errors."""
    goals = torch.from_numpy(targets).float()
    pixels = torch.full((*goals.shape[:2], 8, 8), -1.0, requires_grad=True)
    optimizer = torch.optim.Adam([pixels], lr=0.1)
    for _ in range(200):
        images = pixels.sigmoid()
        found = clf.module_.body(images.reshape(-1, 1, 8, 8)).view_as(goals)
        off = (found - goals).square().sum(2) / goals.square().sum(2)
        variation = images.diff(dim=2).abs().mean() + images.diff(dim=3).abs().mean()
        loss = off.mean() + 0.02 * variation + 0.05 * images.mean()  # smooth strokes, little ink
        (pixels.grad,) = torch.autograd.grad(loss, pixels)
        optimizer.step()
    return images.detach().numpy(), off.detach().numpy()


def main():
    """Print what the copies are, save the figure."""
    torch.set_num_threads(1)  # small networks: threads would wait for each other
    clf.fit(train, labels, X_meta=X[meta], y_meta=y[meta])
    with torch.no_grad():
        features = clf.module_.body(torch.from_numpy(train)).numpy()
    order = np.argsort(clf.epsilon_)
    for few in (order[:200], order[-200:]):
        wrong = (labels[few] != true[few]).mean()
        print(f"epsilon {clf.epsilon_[few].mean():5.2f}: {wrong:4.0%} of the labels are wrong")
    shown = np.concatenate([order[:4], order[-4:]])
    copies = augmented(features, shown)
    images, off = by_descent(np.concatenate([features[shown, None], copies], axis=1))
    print(f"off by {off[:, 0].mean():.1%} for own features, {off[:, 1:].mean():.1%} for copies")
    _, near = NearestNeighbors(n_neighbors=1).fit(features).kneighbors(np.concatenate(copies))
    lines = np.concatenate([train[shown], images, train[near].reshape(8, -1, 8, 8)], axis=1)
    figure, axes = plt.subplots(*lines.shape[:2], figsize=(7, 7.4), layout="constrained")
    for ax, image in zip(axes.flat, np.concatenate(lines), strict=True):
        ax.imshow(image, cmap="gray_r", vmin=0, vmax=1)
        ax.set(xticks=[], yticks=[])
    for row, ax in zip(shown, axes[:, 0], strict=True):
        ax.set_ylabel(f"label {labels[row]}\n$\\epsilon$ {clf.epsilon_[row]:.2f}", fontsize=8)
    figure.suptitle("sample | by descent: its features, three copies | nearest to these copies")
    figure.savefig("augmented_in_pixels.png", dpi=100)


if __name__ == "__main__":
    main()
