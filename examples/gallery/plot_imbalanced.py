"""
Find a rare class with class weights
====================================

With rare events, such as fraud or failures, a network can be accurate and still miss most of them.
Here one point in twenty is red. ``class_weight="balanced"`` gives both classes the same total
weight in the loss. The network then finds almost all red points, with more false alarms.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.metrics import precision_score, recall_score

from sknn_scratch import MLPClassifier

rng = np.random.default_rng(4)


def draw(n):
    """Return a wide cloud of points, and a small cloud on its edge with a twentieth of them."""
    y = (rng.random(n) < 0.05).astype(int)
    X = rng.normal(0, 1, (n, 2))
    X[y == 1] = rng.normal([1.4, 1.0], 0.45, (y.sum(), 2))
    return X, y


X, y = draw(1500)
X_new, y_new = draw(5000)
xx, yy = np.meshgrid(np.linspace(-3.4, 3.4, 200), np.linspace(-3.4, 3.4, 200))
plane = np.column_stack([xx.ravel(), yy.ravel()])

# %%
figure, axes = plt.subplots(1, 2, figsize=(6.4, 4.5), sharey=True, layout="constrained")
for ax, weight in zip(axes, [None, "balanced"], strict=True):
    model = MLPClassifier(
        (32,),
        class_weight=weight,
        activation="tanh",
        solver="lbfgs",
        alpha=1.0,
        max_iter=2000,
        random_state=0,
    ).fit(X, y)
    predicted = model.predict(X_new)
    recall, precision = recall_score(y_new, predicted), precision_score(y_new, predicted)
    p = model.predict_proba(plane)[:, 1].reshape(xx.shape)
    ax.contourf(xx, yy, p, levels=[0.5, 1], colors=["tab:red"], alpha=0.2)
    ax.contour(xx, yy, p, levels=[0.5], colors="tab:red", linewidths=2)
    for label, color in [(0, "0.65"), (1, "tab:red")]:
        ax.plot(*X[y == label].T, ".", color=color, markersize=5)
    ax.set_title(f"class_weight={weight!r}\nrecall {recall:.0%}\nprecision {precision:.0%}")
    ax.set(xticks=[], yticks=[], xlim=(-3.2, 3.2), ylim=(-3.2, 3.2))
figure.suptitle("Class weights raise the recall of a rare class", fontweight="bold")
plt.show()
