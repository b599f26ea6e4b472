"""
A different activation in each layer
====================================

``activation`` takes one name for all hidden layers, or one for each. The function to learn here has
a corner on the left and a wave on the right: ``relu`` makes corners everywhere, ``tanh`` rounds
them off, and a layer of each comes closest.
"""

import warnings

import matplotlib.pyplot as plt
import numpy as np
from sklearn.exceptions import ConvergenceWarning

from sknn_scratch import MLPRegressor

warnings.simplefilter("ignore", ConvergenceWarning)  # max_iter is where fits shall end

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
figure, axes = plt.subplots(
    2, 3, figsize=(10, 5.6), sharex=True, sharey="row", layout="constrained"
)
for (top, bottom), layers in zip(
    axes.T, [("relu", "relu"), ("tanh", "tanh"), ("relu", "tanh")], strict=True
):
    model, error = best(layers)
    top.plot(x, y, color="0.75", linewidth=6, label="to learn")
    top.plot(x, model.predict(X), color="tab:red", linewidth=1.5, label="learned")
    top.set_title(f"{layers[0]}, then {layers[1]}")
    bottom.plot(x, model.predict(X) - y, color="tab:red")
    bottom.set(xlabel="x", title=f"root mean square {error:.3f}")
    top.grid(alpha=0.3)
    bottom.grid(alpha=0.3)
axes[0, 0].legend(frameon=False)
axes[1, 0].set_ylabel("error")
figure.suptitle("A layer of corners and a layer of curves come closest", fontweight="bold")
plt.show()
