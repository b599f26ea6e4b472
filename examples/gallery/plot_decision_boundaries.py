"""
Decision boundaries of activations
==================================

The same data, the same eight hidden units, six activation functions. With ``identity`` the network
is linear and can only draw a straight line. ``relu`` and ``leaky_relu`` bend it at corners; the
smooth functions draw curves.
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
# L-BFGS suits small data like this: it looks at all rows in each step.
figure, axes = plt.subplots(2, 3, figsize=(9, 6.2), sharex=True, sharey=True, layout="constrained")
for ax, name in zip(
    axes.flat, ["identity", "relu", "leaky_relu", "tanh", "logistic", "gelu"], strict=True
):
    model = MLPClassifier(
        (8,), activation=name, solver="lbfgs", alpha=0.1, max_iter=1000, random_state=3
    ).fit(X, y)
    p = model.predict_proba(plane)[:, 1].reshape(xx.shape)
    ax.contourf(xx, yy, p, levels=np.linspace(0, 1, 21), cmap="RdBu_r", alpha=0.5)
    ax.contour(xx, yy, p, levels=[0.5], colors="black", linewidths=2)
    ax.scatter(*X.T, c=y, cmap="RdBu_r", s=14, edgecolor="white", linewidth=0.5)
    ax.set(title=f"{name}: {model.score(X, y):.0%}", xticks=[], yticks=[])
figure.suptitle("The activation decides how the boundary may bend", fontweight="bold")
plt.show()
