"""Draw ``images/flow.svg``, the data flow through fit and predict.

python docs/draw_flow.py
"""

from pathlib import Path

import matplotlib.pyplot as plt
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

OUT = Path(__file__).parent / "images" / "flow.svg"
ROOMS = {
    "fitting": "#cfe2f3",
    "estimators": "#e8d5ef",
    "core": "#d9ead3",
    "components": "#fce5cd",
}
#: name, (x, y) of the centre, width, two lines of text, room
BOXES = [
    ("resolve", (1.2, 6.6), "resolve names", "_settings.py", "fitting"),
    ("check", (3.5, 6.6), "check", "_validation.py", "fitting"),
    ("encode", (5.8, 6.6), "encode targets", "_targets.py", "fitting"),
    ("start", (8.1, 6.6), "initial weights", "_start.py", "fitting"),
    ("publish", (10.4, 6.6), "set attributes", "_publish.py", "fitting"),
    ("batch", (1.2, 4.2), "gather a batch", "core/data.py", "core"),
    ("forward", (3.5, 4.2), "forward: raw", "core/network.py", "core"),
    ("loss", (5.8, 4.2), "loss and ∂J/∂raw", "losses.py", "components"),
    ("backward", (8.1, 4.2), "backward: ∂J/∂θ", "core/network.py", "core"),
    ("step", (10.4, 4.2), "step: θ += Δ", "optimizers.py", "components"),
    ("pcheck", (1.2, 1.0), "check", "_validation.py", "fitting"),
    ("pforward", (4.25, 1.0), "forward in blocks", "core/inference.py", "core"),
    ("plink", (7.35, 1.0), "link: y_pred", "links.py", "components"),
    ("plabels", (10.4, 1.0), "labels, shape", "_classifier.py", "estimators"),
]
ARROWS = [
    ("resolve", "check"),
    ("check", "encode"),
    ("encode", "start"),
    ("batch", "forward"),
    ("forward", "loss"),
    ("loss", "backward"),
    ("backward", "step"),
    ("pcheck", "pforward"),
    ("pforward", "plink"),
    ("plink", "plabels"),
]
WIDTH, HEIGHT = 2.05, 0.95


def arrow(ax, start, end, bend=0.0):
    """Draw an arrow from point to point."""
    style = {"arrowstyle": "-|>", "mutation_scale": 13, "color": "0.25", "linewidth": 1.3}
    ax.add_patch(FancyArrowPatch(start, end, connectionstyle=f"arc3,rad={bend}", **style))


def main():
    """Draw and save."""
    plt.rcParams |= {"svg.hashsalt": "flow", "svg.fonttype": "path"}
    figure, ax = plt.subplots(figsize=(10, 6.4))
    where = {}
    for name, (x, y), text, file, room in BOXES:
        where[name] = x, y
        corner = x - WIDTH / 2, y - HEIGHT / 2
        style = {"boxstyle": "round,pad=0,rounding_size=0.12", "edgecolor": "0.35"}
        ax.add_patch(FancyBboxPatch(corner, WIDTH, HEIGHT, facecolor=ROOMS[room], **style))
        ax.text(x, y + 0.17, text, ha="center", va="center", fontsize=9, weight="bold")
        ax.text(x, y - 0.2, file, ha="center", va="center", fontsize=8, family="monospace")
    for a, b in ARROWS:
        (xa, y), (xb, _) = where[a], where[b]
        arrow(ax, (xa + WIDTH / 2, y), (xb - WIDTH / 2, y))
    # The loop of epochs and batches, and the ways in and out of it.
    loop = {"boxstyle": "round,pad=0,rounding_size=0.2", "facecolor": "none", "linestyle": "--"}
    ax.add_patch(FancyBboxPatch((0.02, 2.85), 11.6, 2.35, edgecolor="0.45", **loop))
    ax.text(0.2, 4.93, "for each epoch, for each batch", fontsize=10, style="italic", va="center")
    file = {"fontsize": 8.5, "family": "monospace", "ha": "right", "va": "center"}
    ax.text(11.45, 4.93, "training/minibatch.py, training/steps.py", **file)
    arrow(ax, (10.4, 4.2 - HEIGHT / 2), (1.2, 4.2 - HEIGHT / 2), bend=-0.07)
    arrow(ax, (8.1, 6.6 - HEIGHT / 2), (8.1, 5.2))
    arrow(ax, (10.4, 5.2), (10.4, 6.6 - HEIGHT / 2))
    ax.text(0.02, 7.55, "fit(X, y)", fontsize=14, weight="bold", family="monospace", va="center")
    ax.text(0.02, 1.95, "predict(X)", fontsize=14, weight="bold", family="monospace", va="center")
    for k, (room, colour) in enumerate(ROOMS.items()):
        x = 2.6 + 2.35 * k
        style = {"boxstyle": "round,pad=0", "facecolor": colour, "edgecolor": "0.35"}
        ax.add_patch(FancyBboxPatch((x, 7.42), 0.3, 0.26, **style))
        ax.text(x + 0.45, 7.55, f"{room}/", fontsize=10, va="center", family="monospace")
    ax.set(xlim=(-0.1, 11.75), ylim=(0.3, 7.9))
    ax.set_aspect("equal")
    ax.set_axis_off()
    OUT.parent.mkdir(exist_ok=True)
    figure.savefig(OUT, bbox_inches="tight", metadata={"Date": None})


if __name__ == "__main__":
    main()
