"""
Choose the dropout rate
=======================

Use ``dropout`` when a network fits its training data much better than new data. In each training
step it leaves out a random part of the hidden units, so the network memorises less. Here 15 % of
the training labels were replaced by random ones. The loss on new data falls up to a dropout rate
of about a half, and rises when too few units remain.
"""

import warnings

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import log_loss
from sklearn.model_selection import train_test_split

from sknn_scratch import MLPClassifier

warnings.simplefilter("ignore", ConvergenceWarning)  # max_iter ends each fit on purpose

X, y = load_digits(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(X / 16, y, train_size=400, random_state=0)
rng = np.random.default_rng(0)
wrong = rng.random(400) < 0.15
y_train[wrong] = rng.integers(0, 10, wrong.sum())

# %%
rates = [0.0, 0.15, 0.3, 0.45, 0.6, 0.75, 0.85]
losses = np.empty((2, len(rates), 2))
for k, rate in enumerate(rates):
    for seed in range(2):
        model = MLPClassifier(
            (100, 100),
            dropout=rate,
            alpha=0.0,
            learning_rate_init=0.003,
            batch_size=25,
            max_iter=40,
            n_iter_no_change=40,
            random_state=seed,
        ).fit(X_train, y_train)
        losses[0, k, seed] = log_loss(y_train, model.predict_proba(X_train))
        losses[1, k, seed] = log_loss(y_test, model.predict_proba(X_test))

# %%
figure, ax = plt.subplots(figsize=(6.4, 4.5), layout="constrained")
for values, name, color in zip(
    losses, ["training data", "new data"], ["tab:blue", "tab:red"], strict=True
):
    mean = values.mean(axis=1)
    ax.plot(rates, values, ".", color=color, alpha=0.4)
    ax.plot(rates, mean, "o-", color=color, linewidth=3, label=name)
best = int(losses[1].mean(axis=1).argmin())
ax.axvline(rates[best], color="0.6", linestyle="--", zorder=0)
ax.set(xlabel="dropout rate", ylabel="log loss", ylim=(0, None))
ax.set_title(f"New data: the best dropout rate is {rates[best]}", fontweight="bold")
ax.legend(frameon=False)
ax.grid(alpha=0.3)
plt.show()
