"""
Use a different activation in each layer
========================================

Choose an activation for each layer when one alone does not fit the data. ``activation`` takes one
name for all hidden layers, or one name per layer. The target here has a corner on the left and
waves on the right. ``relu`` fits corners, ``tanh`` fits curves, and a network with one layer of
each has the smallest error.
"""

import warnings

import matplotlib.pyplot as plt
import numpy as np
from sklearn.exceptions import ConvergenceWarning

from sknn_scratch import MLPRegressor

warnings.simplefilter("ignore", ConvergenceWarning)  # max_iter ends each fit on purpose

x = np.linspace(-3, 3, 301)
X, y = x[:, None], np.where(x < 0, np.abs(x + 1.5) - 1.5, np.sin(3 * x))


def best(layers):
    """Return the best of six fits, which differ in their initial weights, and its error."""
    fits = []
    for seed in range(6):
        model = MLPRegressor(
            hidden_layer_sizes=(16, 16),
            activation=layers,
            solver="lbfgs",
            alpha=0.0,
            max_iter=400,
            random_state=seed,
        ).fit(X, y)
        fits.append((float(np.sqrt(np.mean((model.predict(X) - y) ** 2))), seed, model))
    error, _, model = min(fits)
    return model, error


# %%
pairs = [("relu", "relu"), ("tanh", "tanh"), ("relu", "tanh")]
figure, axes = plt.subplots(
    4, 1, figsize=(6.4, 5), sharex=True, height_ratios=[2, 1, 1, 1], layout="constrained"
)
axes[0].plot(x, y, color="0.3", linewidth=3)
axes[0].set_ylabel("target")
for ax, layers, color in zip(axes[1:], pairs, ["tab:blue", "tab:orange", "tab:red"], strict=True):
    model, error = best(layers)
    ax.fill_between(x, model.predict(X) - y, color=color)
    ax.set(ylim=(-0.06, 0.12), yticks=[-0.05, 0, 0.05])
    ax.text(-2.9, 0.07, f"{layers[0]}, then {layers[1]}: RMSE {error:.3f}")
axes[2].set_ylabel("error")
axes[3].set_xlabel("x")
figure.suptitle("A relu layer and a tanh layer fit best", fontweight="bold")
plt.show()
