"""
Seeing backpropagation step by step
===================================

``trace`` runs one forward and one backward pass and keeps all that they compute. The upper half of
the picture goes from left to right: X, z and a of each layer. The lower half goes back: δ of each
layer, and the gradients that come from it. Red is positive, blue is negative.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_iris
from sklearn.preprocessing import scale

from sknn_scratch import MLPClassifier
from sknn_scratch.inspection import trace

X, y = load_iris(return_X_y=True)
X = scale(X)
model = MLPClassifier(
    (6, 5), activation=("tanh", "relu"), alpha=0.0, max_iter=5, n_iter_no_change=9, random_state=1
)
model.partial_fit(X, y, classes=np.unique(y))

# %%
# Twelve rows, four of each class, through a network that has seen the data once.
rows = np.r_[0:4, 50:54, 100:104]
t = trace(model, X[rows], y[rows])
print(t)

# %%
# The arrays obey the equations of backpropagation; these two, for instance, for each layer.
for layer in t.layers:
    assert np.allclose(layer.dJ_dW, layer.x.T @ layer.delta)
    assert np.allclose(layer.dJ_db, layer.delta.sum(axis=0))

# %%
first, second, last = t.layers
forward = [
    ("X", first.x),
    ("z of layer 0", first.z),
    ("a = tanh(z)", first.a),
    ("z of layer 1", second.z),
    ("a = relu(z)", second.a),
    ("z of layer 2", last.z),
    ("softmax(z)", last.a),
]
backward = [
    ("∂J/∂W of 0", first.dJ_dW),
    ("δ of layer 0", first.delta),
    ("∂J/∂W of 1", second.dJ_dW),
    ("δ of layer 1", second.delta),
    ("∂J/∂W of 2", last.dJ_dW),
    ("δ of layer 2", last.delta),
    ("y", t.y),
]
figure, axes = plt.subplots(2, 7, figsize=(11, 5.6), layout="constrained")
for ax, (name, values) in zip(axes.flat, forward + backward, strict=True):
    top = np.abs(values).max()
    ax.imshow(values, cmap="RdBu_r", vmin=-top, vmax=top)
    ax.set_title(name, fontsize=10)
    ax.set(xticks=[], yticks=[])
    ax.set_xlabel(f"{values.shape[0]} × {values.shape[1]}", fontsize=8)
axes[0, 0].set_ylabel("forward  →", fontweight="bold")
axes[1, 0].set_ylabel("←  backward", fontweight="bold")
figure.suptitle(
    "Forward from X to the prediction, back from the error to every gradient", fontweight="bold"
)
plt.show()
