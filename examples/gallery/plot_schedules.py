"""
Learning-rate schedules compared
================================

A schedule is a factor on ``learning_rate_init`` during training. The upper panel shows the learning
rates, the lower panel the training loss on noisy data: with large rates the loss fluctuates, and
only rates that decrease reach its minimum.
"""

import warnings

import matplotlib.pyplot as plt
from sklearn.datasets import make_moons
from sklearn.exceptions import ConvergenceWarning

from sknn_scratch import MLPClassifier
from sknn_scratch.components import Cosine, CosLog4, Exponential, OneCycle, Step

warnings.simplefilter("ignore", ConvergenceWarning)  # max_iter is where fits shall end

X, y = make_moons(2000, noise=0.3, random_state=0)

schedules = {
    "constant": "constant",
    "step": Step(every=10, factor=0.3),
    "exponential": Exponential(decay=0.9),
    "cosine": Cosine(),
    "one_cycle": OneCycle(),
    "coslog4": CosLog4(),
}

# %%
# Plain stochastic gradient descent with a large learning rate shows the differences best. All other
# settings are equal: the same initial weights, the same order of rows.
models = {
    name: MLPClassifier(
        (32,),
        solver="sgd",
        learning_rate=schedule,
        learning_rate_init=0.5,
        batch_size=20,
        max_iter=40,
        n_iter_no_change=40,
        random_state=0,
    ).fit(X, y)
    for name, schedule in schedules.items()
}

# %%
figure, (top, bottom) = plt.subplots(
    2, 1, figsize=(8, 6.5), sharex=True, height_ratios=[1, 1.7], layout="constrained"
)
for name, model in models.items():
    epochs = [row["epoch"] for row in model.history_]
    top.plot(epochs, [row["learning_rate"] for row in model.history_], linewidth=2)
    bottom.plot(epochs, model.loss_curve_, linewidth=2, label=f"{name}: {model.loss_:.3f}")
top.set(ylabel="learning rate")
bottom.set(xlabel="epoch", ylabel="training loss", ylim=(0.18, 0.42))
bottom.legend(title="schedule: loss at the end", frameon=False, ncols=2)
for ax in (top, bottom):
    ax.grid(alpha=0.3)
figure.suptitle("Rates that come down end in a lower loss", fontweight="bold")
plt.show()
