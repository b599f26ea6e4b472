"""Draw ``images/readme.png``, the picture at the top of the README.

python docs/draw_readme.py
"""

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits, make_moons

from sknn_scratch import MLPClassifier, MLPRegressor
from sknn_scratch.components import Quantile

OUT = Path(__file__).parent / "images" / "readme.png"


def boundary(ax):
    """Draw two moons and what separates them."""
    X, y = make_moons(300, noise=0.2, random_state=0)
    model = MLPClassifier((16,), activation="gelu", solver="lbfgs", alpha=0.3, random_state=1)
    model.set_params(max_iter=2000).fit(X, y)
    xx, yy = np.meshgrid(np.linspace(-1.8, 2.8, 240), np.linspace(-1.4, 1.9, 240))
    p = model.predict_proba(np.column_stack([xx.ravel(), yy.ravel()]))[:, 1].reshape(xx.shape)
    ax.contourf(xx, yy, p, levels=np.linspace(0, 1, 21), cmap="RdBu_r", alpha=0.6)
    ax.contour(xx, yy, p, levels=[0.5], colors="black", linewidths=2)
    ax.scatter(*X.T, c=y, cmap="RdBu_r", s=12, edgecolor="white", linewidth=0.4)
    ax.set_title("classes")


def bands(ax):
    """Draw noisy points and five quantiles of them."""
    rng = np.random.default_rng(0)
    x = rng.uniform(0, 10, 1500)
    y = np.sin(x) + rng.normal(0, 0.05 + 0.08 * x)
    model = MLPRegressor(
        loss=Quantile((0.05, 0.25, 0.5, 0.75, 0.95)),
        hidden_layer_sizes=(64, 64),
        activation="silu",
        solver="nadam",
        learning_rate="cosine",
        learning_rate_init=0.01,
        batch_size=100,
        max_iter=60,
        random_state=0,
    )
    for _ in range(60):  # passes over the data: max_iter calls are one run of the cosine
        model.partial_fit((x[:, None] - 5) / 3, y)
    grid = np.linspace(0, 10, 300)
    low, q25, median, q75, high = model.predict((grid[:, None] - 5) / 3).T
    ax.plot(x, y, ".", color="0.6", markersize=2)
    ax.fill_between(grid, low, high, color="tab:blue", alpha=0.25, linewidth=0)
    ax.fill_between(grid, q25, q75, color="tab:blue", alpha=0.4, linewidth=0)
    ax.plot(grid, median, color="tab:blue", linewidth=2.5)
    ax.set_title("quantiles")


def labels(ax):
    """Draw the probabilities of three overlapping labels as red, green and blue."""
    rng = np.random.default_rng(0)
    centers = np.array([[-0.5, -0.35], [0.5, -0.35], [0.0, 0.5]])
    X = rng.uniform(-2, 2, (2500, 2))
    Y = (np.linalg.norm(X[:, None] - centers, axis=2) < 0.95).astype(int)
    model = MLPClassifier((48,), activation="tanh", solver="lbfgs", alpha=0.1, max_iter=5000)
    model.set_params(random_state=0, tol=1e-3).fit(X, Y)
    side = np.linspace(-1.7, 1.7, 240)
    plane = np.stack(np.meshgrid(side, side), axis=-1).reshape(-1, 2)
    ax.imshow(model.predict_proba(plane).reshape(240, 240, 3), origin="lower")
    ax.set_title("several labels")


def weights(axes):
    """Draw what nine hidden units look for in a digit."""
    X, y = load_digits(return_X_y=True)
    model = MLPClassifier((9,), activation="tanh", solver="lbfgs", alpha=30.0, random_state=1)
    model.set_params(max_iter=2000).fit(X / 16, y)
    top = np.abs(model.coefs_[0]).max()
    for k, ax in enumerate(axes.flat):
        image = model.coefs_[0][:, k].reshape(8, 8)
        ax.imshow(image, cmap="RdBu_r", vmin=-top, vmax=top)


def main():
    """Draw and save."""
    figure = plt.figure(figsize=(12, 3.4), layout="constrained")
    left, right = figure.subfigures(1, 2, width_ratios=[3, 1])
    panels = left.subplots(1, 3)
    for draw, ax in zip([boundary, bands, labels], panels, strict=True):
        draw(ax)
        ax.set(xticks=[], yticks=[])
        ax.set_box_aspect(1)
    small = right.subplots(3, 3)
    weights(small)
    for ax in small.flat:
        ax.set(xticks=[], yticks=[])
    small[0, 1].set_title("weights of digits")
    OUT.parent.mkdir(exist_ok=True)
    figure.savefig(OUT, dpi=110)


if __name__ == "__main__":
    main()
