"""
A different activation in each layer
====================================

``activation`` takes one name for all hidden layers, or one for each. The function to learn here has
a corner on the left and a wave on the right: ``relu`` makes corners everywhere, ``tanh`` rounds
them off, and a layer of each comes closest to both.
"""

import warnings

import matplotlib.pyplot as plt
import numpy as np
from sklearn.exceptions import ConvergenceWarning

from sknn_scratch import MLPRegressor

warnings.simplefilter("ignore", ConvergenceWarning)  # max_iter is where fits shall end

x = np.linspace(-3, 3, 301)
X, y = x[:, None], np.where(x < 0, np.abs(x + 1.5) - 1.5, np.sin(3 * x))

# %%
figure, axes = plt.subplots(1, 3, figsize=(10, 3.8), sharey=True, layout="constrained")
for ax, layers in zip(axes, [("relu", "relu"), ("tanh", "tanh"), ("tanh", "relu")], strict=True):
    model = MLPRegressor(
        hidden_layer_sizes=(10, 10),
        activation=layers,
        solver="lbfgs",
        alpha=0.0,
        max_iter=400,
        random_state=2,
    ).fit(X, y)
    error = np.sqrt(np.mean((model.predict(X) - y) ** 2))
    ax.plot(x, y, color="0.75", linewidth=6, label="to learn")
    ax.plot(x, model.predict(X), color="tab:red", linewidth=1.5, label="learned")
    ax.set(title=f"{layers[0]}, then {layers[1]}\nerror {error:.3f}", xlabel="x")
    ax.grid(alpha=0.3)
axes[0].legend(frameon=False)
plt.show()
