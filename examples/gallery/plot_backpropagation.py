"""
See every array of one backpropagation step
===========================================

To understand backpropagation, or to check your own code against it, look at the numbers. ``trace``
runs one forward and one backward pass and keeps every array. The upper row of the picture is the
forward pass, from X to the predicted probabilities. The lower row is the backward pass: the errors
δ of each layer and the gradients computed from them. Red is positive, blue is negative.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_iris
from sklearn.preprocessing import scale

from sknn_scratch import MLPClassifier
from sknn_scratch.inspection import trace

X, y = load_iris(return_X_y=True)
X = scale(X)
model = MLPClassifier((6,), activation="tanh", alpha=0.0, random_state=1)
model.partial_fit(X, y, classes=np.unique(y))

# %%
# Trace twelve rows, four of each class, through a network trained for one epoch.
rows = np.r_[0:4, 50:54, 100:104]
t = trace(model, X[rows], y[rows])
print(t)

# %%
# The arrays satisfy the equations of backpropagation. For example, in each layer:
for layer in t.layers:
    assert np.allclose(layer.dJ_dW, layer.x.T @ layer.delta)
    assert np.allclose(layer.dJ_db, layer.delta.sum(axis=0))

# %%
hidden, output = t.layers
forward = {"X": hidden.x, "z, hidden": hidden.z, "a, hidden": hidden.a, "a, output": output.a}
backward = {
    "∂J/∂W, hidden": hidden.dJ_dW,
    "δ, hidden": hidden.delta,
    "∂J/∂W, output": output.dJ_dW,
    "δ, output": output.delta,
}
figure, axes = plt.subplots(2, 4, figsize=(6.4, 4.9), layout="constrained")
for ax, (name, values) in zip(axes.flat, (forward | backward).items(), strict=True):
    top = np.abs(values).max()
    ax.imshow(values, cmap="RdBu_r", vmin=-top, vmax=top, aspect="auto")
    ax.set(xticks=[], yticks=[], title=name, xlabel=f"{values.shape[0]} × {values.shape[1]}")
axes[0, 0].set_ylabel("forward  →", fontweight="bold")
axes[1, 0].set_ylabel("←  backward", fontweight="bold")
figure.suptitle("Every array of a forward and a backward pass", fontweight="bold")
plt.show()
