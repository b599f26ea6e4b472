"""
Regularisation and early stopping on noisy data
===============================================

A fifth of the labels is wrong. A wide network memorises them: its loss on validation data first
decreases, then increases. The L2 penalty ``alpha`` and ``dropout`` slow that down, and early
stopping keeps the weights of the best epoch.
"""

import warnings

import matplotlib.pyplot as plt
from sklearn.datasets import make_classification
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split

from sknn_scratch import MLPClassifier

warnings.simplefilter("ignore", ConvergenceWarning)  # max_iter is where fits shall end

X, y = make_classification(
    1200, 20, n_informative=6, n_clusters_per_class=3, class_sep=1.5, flip_y=0.2, random_state=1
)
X_train, X_val, y_train, y_val = train_test_split(X, y, test_size=0.5, random_state=0)

# %%
# ``X_val`` and ``y_val`` are scored after each epoch. With ``early_stopping`` they also decide when
# to stop, here by the loss; without it they are only looked at.
common = {
    "hidden_layer_sizes": (100,),
    "learning_rate_init": 0.005,
    "batch_size": 32,
    "max_iter": 100,
    "n_iter_no_change": 100,
    "random_state": 0,
}
ways = {
    "no brake": {},
    "alpha=3": {"alpha": 3.0},
    "dropout=0.5": {"dropout": 0.5},
    "early stopping": {"early_stopping": True, "scoring": "loss", "n_iter_no_change": 15},
}
models = {
    name: MLPClassifier(**common | way).fit(X_train, y_train, X_val=X_val, y_val=y_val)
    for name, way in ways.items()
}

# %%
figure, ax = plt.subplots(figsize=(8, 4.5), layout="constrained")
for name, model in models.items():
    curve = model.validation_loss_curve_
    is_stopped = name == "early stopping"
    (line,) = ax.plot(
        range(1, len(curve) + 1),
        curve,
        linewidth=4 if is_stopped else 2,
        zorder=3 if is_stopped else 2,
        label=f"{name}: accuracy {model.score(X_val, y_val):.3f}",
    )
    if is_stopped:
        best = model.best_n_iter_
        ax.plot(best, curve[best - 1], "*", markersize=18, color=line.get_color(), zorder=4)
        ax.annotate(
            "the weights that are kept",
            (best, curve[best - 1]),
            xytext=(12, -30),
            textcoords="offset points",
        )
ax.set(xlabel="epoch", ylabel="loss on validation data", ylim=(0.25, 1.6))
ax.set_title("Without regularisation, noise is memorised", fontweight="bold")
ax.legend(frameon=False, loc="upper left")
ax.grid(alpha=0.3)
plt.show()
