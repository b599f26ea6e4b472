"""
Prevent overfitting on noisy labels
===================================

A wide network memorises wrong labels, and its predictions on new data get worse. Here a fifth of
the labels is random. Without regularisation the validation loss rises after a few epochs. The L2
penalty ``alpha`` prevents that, and ``dropout`` slows it down. Early stopping ends the fit and
keeps the weights of the best epoch.
"""

import warnings

import matplotlib.pyplot as plt
from sklearn.datasets import make_classification
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split

from sknn_scratch import MLPClassifier

warnings.simplefilter("ignore", ConvergenceWarning)  # max_iter ends each fit on purpose

X, y = make_classification(
    1200, 20, n_informative=6, n_clusters_per_class=3, class_sep=1.5, flip_y=0.2, random_state=1
)
X_train, X_val, y_train, y_val = train_test_split(X, y, test_size=0.5, random_state=0)

# %%
# ``fit`` scores ``X_val`` and ``y_val`` after each epoch. With ``early_stopping``, training stops
# when that score no longer improves. ``scoring="loss"`` uses the validation loss as the score.
common = {
    "hidden_layer_sizes": (100,),
    "learning_rate_init": 0.005,
    "batch_size": 32,
    "max_iter": 100,
    "n_iter_no_change": 100,
    "random_state": 0,
}
methods = {
    "none": {},
    "alpha=3": {"alpha": 3.0},
    "dropout=0.5": {"dropout": 0.5},
    "early stopping": {"early_stopping": True, "scoring": "loss", "n_iter_no_change": 15},
}
models = {
    name: MLPClassifier(**common | method).fit(X_train, y_train, X_val=X_val, y_val=y_val)
    for name, method in methods.items()
}

# %%
figure, ax = plt.subplots(figsize=(6.4, 4.5), layout="constrained")
for name, model in models.items():
    curve = model.validation_loss_curve_
    is_stopped = name == "early stopping"
    (line,) = ax.plot(
        range(1, len(curve) + 1),
        curve,
        linewidth=4 if is_stopped else 2.5,
        zorder=3 if is_stopped else 2,
        label=f"{name}: {model.score(X_val, y_val):.3f}",
    )
    if is_stopped:
        best = model.best_n_iter_
        ax.plot(best, curve[best - 1], "*", markersize=18, color=line.get_color(), zorder=4)
        ax.annotate(
            "weights kept",
            (best, curve[best - 1]),
            xytext=(14, -26),
            textcoords="offset points",
        )
ax.set(xlabel="epoch", ylabel="validation loss", ylim=(0.25, 2.1))
ax.set_title("Regularisation keeps the validation loss low", fontweight="bold")
ax.legend(frameon=False, loc="upper left", title="regularisation: validation accuracy")
ax.grid(alpha=0.3)
plt.show()
