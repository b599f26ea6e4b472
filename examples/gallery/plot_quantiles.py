"""
Predict intervals with quantile regression
==========================================

A single prediction does not tell how far the true value may be from it. The loss ``Quantile`` with
several levels predicts one column per level, from one network and in increasing order. The
intervals widen where the data scatter more, without any information about where that is.
"""

import matplotlib.pyplot as plt
import numpy as np

from sknn_scratch import MLPRegressor
from sknn_scratch.components import Quantile

rng = np.random.default_rng(0)


def draw(n):
    """Return a noisy sine whose noise grows with x."""
    x = rng.uniform(0, 10, n)
    return x[:, None], np.sin(x) + rng.normal(0, 0.05 + 0.09 * x)


X, y = draw(2000)
X_new, y_new = draw(2000)

# %%
levels = (0.05, 0.25, 0.5, 0.75, 0.95)
model = MLPRegressor(
    loss=Quantile(levels),
    hidden_layer_sizes=(64, 64),
    activation="silu",
    learning_rate="cosine",
    solver="nadam",
    learning_rate_init=0.01,
    batch_size=100,
    max_iter=80,
    n_iter_no_change=80,
    random_state=0,
).fit((X - 5) / 3, y)

# %%
x = np.linspace(0, 10, 400)[:, None]
low, q25, median, q75, high = model.predict((x - 5) / 3).T
bounds = model.predict((X_new - 5) / 3)
inside = np.mean((bounds[:, 0] <= y_new) & (y_new <= bounds[:, -1]))

figure, ax = plt.subplots(figsize=(6.4, 4.5), layout="constrained")
ax.plot(X[:, 0], y, ".", color="0.6", markersize=3)
ax.fill_between(x[:, 0], low, high, color="tab:blue", alpha=0.25, label="5% to 95%")
ax.fill_between(x[:, 0], q25, q75, color="tab:blue", alpha=0.4, label="25% to 75%")
ax.plot(x[:, 0], median, color="tab:blue", linewidth=3, label="median")
ax.set(xlabel="x", ylabel="y")
ax.set_title(f"The 90% interval contains {inside:.0%} of new points", fontweight="bold")
ax.legend(frameon=False, loc="lower left")
plt.show()
