"""
Lower the final loss with a learning rate schedule
==================================================

A constant learning rate that is large enough to start fast is too large at the end: the loss keeps
oscillating. A schedule multiplies ``learning_rate_init`` by a factor that changes during training.
The upper panel shows the learning rates, the lower one the training loss on noisy data. All three
schedules end at a lower loss than the constant rate.
"""

import warnings

import matplotlib.pyplot as plt
from sklearn.datasets import make_moons
from sklearn.exceptions import ConvergenceWarning

from sknn_scratch import MLPClassifier
from sknn_scratch.components import Cosine, OneCycle, Step

warnings.simplefilter("ignore", ConvergenceWarning)  # max_iter ends each fit on purpose

X, y = make_moons(2000, noise=0.3, random_state=0)

schedules = {
    "constant": "constant",
    "step": Step(every=10, factor=0.3),
    "cosine": Cosine(),
    "one_cycle": OneCycle(),
}

# %%
# Plain stochastic gradient descent with a large learning rate shows the differences best. All fits
# have the same initial weights and the same order of rows.
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
    2, 1, figsize=(6.4, 5.2), sharex=True, height_ratios=[1, 1.7], layout="constrained"
)
for name, model in models.items():
    epochs = [row["epoch"] for row in model.history_]
    top.plot(epochs, [row["learning_rate"] for row in model.history_], linewidth=2.5)
    bottom.plot(epochs, model.loss_curve_, linewidth=2.5, label=f"{name}: {model.loss_:.3f}")
top.set(ylabel="learning rate")
bottom.set(xlabel="epoch", ylabel="training loss", ylim=(0.18, 0.42))
bottom.legend(title="schedule: final loss", frameon=False, ncols=2)
for ax in (top, bottom):
    ax.grid(alpha=0.3)
figure.suptitle("Schedules end at a lower training loss", fontweight="bold")
plt.show()
