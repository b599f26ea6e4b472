"""Draw ``images/cards/*.png``, one picture for each card of the landing page.

python docs/draw_cards.py
"""

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits, make_moons

from sknn_scratch import MLPClassifier
from sknn_scratch.components import Gelu, LeakyRelu, Relu, Silu, Tanh

OUT = Path(__file__).parent / "images" / "cards"
BLUE, RED, GREY = "#0072b2", "#d55e00", "#777777"


def replace(figure):
    """Draw two moons and the decision boundary between them."""
    ax = figure.subplots()
    X, y = make_moons(300, noise=0.2, random_state=0)
    model = MLPClassifier((16,), activation="gelu", solver="lbfgs", alpha=0.3, random_state=1)
    model.set_params(max_iter=2000).fit(X, y)
    xx, yy = np.meshgrid(np.linspace(-1.8, 2.8, 240), np.linspace(-1.4, 1.9, 240))
    p = model.predict_proba(np.column_stack([xx.ravel(), yy.ravel()]))[:, 1].reshape(xx.shape)
    ax.contourf(xx, yy, p, levels=np.linspace(0, 1, 21), cmap="RdBu_r", vmin=-0.8, vmax=1.8)
    ax.contour(xx, yy, p, levels=[0.5], colors="black", linewidths=2)
    ax.scatter(
        *X.T, c=y, cmap="RdBu_r", vmin=-0.2, vmax=1.2, s=12, edgecolor="white", linewidth=0.4
    )
    ax.set(xticks=[], yticks=[])


def tables(figure):
    """Draw a table with numeric, categorical and datetime columns and missing values."""
    ax = figure.subplots()
    head = ["age", "income", "city", "since"]
    cells = [
        ["25", "31,400", "Lyon", "2019-05-02"],
        ["47", "", "Porto", "2021-11-17"],
        ["", "52,900", "Lyon", ""],
        ["33", "28,100", "", "2023-02-08"],
        ["61", "", "Delft", "2017-09-30"],
    ]
    table = ax.table(cells, colLabels=head, loc="center", cellLoc="center", bbox=[0, 0, 1, 1])
    table.auto_set_font_size(value=False)
    table.set_fontsize(12)
    table.auto_set_column_width(range(len(head)))
    for (row, column), cell in table.get_celld().items():
        empty = row > 0 and not cells[row - 1][column]
        cell.set(edgecolor="#cccccc", facecolor="#fbe3d3" if empty else "white")
        if row == 0:
            cell.set(facecolor="#d6e6f2")
            cell.set_text_props(weight="bold")
    ax.axis("off")


def components(figure):
    """Draw built-in activations and one that a user wrote."""
    ax = figure.subplots()
    z = np.linspace(-4, 4, 400)
    for activation in Relu(), LeakyRelu(), Gelu(), Silu(), Tanh():
        ax.plot(z, activation.forward(z, np.empty_like(z)), color=GREY, alpha=0.6)
    ax.plot(z, z + np.sin(1.5 * z) ** 2 / 1.5, color=RED, linewidth=3)
    ax.text(0.7, 3.1, "yours", color=RED, ha="right", fontsize=14, weight="bold")
    ax.text(3.9, -0.6, "built in", color=GREY, ha="right", fontsize=12)
    ax.set(xlim=(-4, 4), ylim=(-2, 4.5), xticks=[], yticks=[])


def production(figure):
    """Draw the ways from a fitted model to files, servers and clusters."""
    ax = figure.subplots()
    box = {"boxstyle": "round,pad=0.5", "edgecolor": "none", "facecolor": "#d6e6f2"}
    ax.text(0.16, 0.5, "fitted\nmodel", ha="center", va="center", fontsize=14, bbox=box)
    for y, target in zip((0.86, 0.62, 0.38, 0.14), TARGETS, strict=True):
        arrow = {"arrowstyle": "->", "color": GREY, "linewidth": 1.5, "shrinkA": 30, "shrinkB": 4}
        ax.annotate("", (0.48, y), (0.16, 0.5), arrowprops=arrow)
        ax.text(0.5, y, target, va="center", fontsize=13, bbox=box | {"facecolor": "#fbe3d3"})
    ax.set(xlim=(0, 1), ylim=(0, 1))
    ax.axis("off")


TARGETS = "safe file (skops)", "server (ONNX)", "disk-sized data", "Dask cluster"


def equations(figure):
    """Draw the weights of eight hidden units of a network that reads digits."""
    X, y = load_digits(return_X_y=True)
    model = MLPClassifier((8,), activation="tanh", solver="lbfgs", alpha=30.0, random_state=1)
    model.set_params(max_iter=2000).fit(X / 16, y)
    top = np.abs(model.coefs_[0]).max()
    for k, ax in enumerate(figure.subplots(2, 4).flat):
        image = model.coefs_[0][:, k].reshape(8, 8)
        ax.imshow(image, cmap="RdBu_r", vmin=-top, vmax=top)
        ax.set(xticks=[], yticks=[])


def main():
    """Draw and save."""
    OUT.mkdir(parents=True, exist_ok=True)
    for draw in replace, tables, components, production, equations:
        figure = plt.figure(figsize=(4, 2.4), layout="constrained")
        draw(figure)
        figure.savefig(OUT / f"{draw.__name__}.png", dpi=110)
        plt.close(figure)


if __name__ == "__main__":
    main()
