"""
See how the activation shapes the decision boundary
===================================================

Which activation function suits the data? Here four networks with the same eight hidden units learn
the same two classes, and only the activation differs. With ``identity`` the network is linear, and
its boundary is a straight line. ``relu`` bends the boundary at corners; ``tanh`` and ``gelu`` draw
smooth curves.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import make_moons
from sklearn.preprocessing import StandardScaler

from sknn_scratch import MLPClassifier

X, y = make_moons(300, noise=0.22, random_state=0)
X = StandardScaler().fit_transform(X)
xx, yy = np.meshgrid(np.linspace(-2.6, 2.6, 200), np.linspace(-2.6, 2.6, 200))
plane = np.column_stack([xx.ravel(), yy.ravel()])

# %%
# ``solver="lbfgs"`` suits small data: each step uses all rows. The titles show the training
# accuracy.
figure, axes = plt.subplots(
    2, 2, figsize=(6.4, 4.9), sharex=True, sharey=True, layout="constrained"
)
for ax, name in zip(axes.flat, ["identity", "relu", "tanh", "gelu"], strict=True):
    model = MLPClassifier(
        (8,), activation=name, solver="lbfgs", alpha=0.1, max_iter=1000, random_state=3
    ).fit(X, y)
    p = model.predict_proba(plane)[:, 1].reshape(xx.shape)
    ax.contourf(xx, yy, p, levels=np.linspace(0, 1, 21), cmap="RdBu_r", vmin=-0.8, vmax=1.8)
    ax.contour(xx, yy, p, levels=[0.5], colors="black", linewidths=2.5)
    ax.scatter(
        *X.T, c=y, cmap="RdBu_r", vmin=-0.2, vmax=1.2, s=16, edgecolor="white", linewidth=0.5
    )
    ax.set(title=f"{name}: {model.score(X, y):.0%}", xticks=[], yticks=[])
figure.suptitle("The activation shapes the boundary", fontweight="bold")
plt.show()
