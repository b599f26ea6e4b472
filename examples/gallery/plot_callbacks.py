"""
Callbacks and progress: a learning-rate range test
==================================================

Callbacks run after each epoch and can stop training. Here a custom callback prints every fifth
epoch, and ``StopOnRise`` ends the fit when the loss diverges. With the schedule ``RangeTest``,
whose learning rate grows during training, one short fit shows which learning rates are good.
"""

import matplotlib.pyplot as plt
from sklearn.datasets import load_digits

from sknn_scratch import MLPClassifier
from sknn_scratch.components import RangeTest, StopOnRise
from sknn_scratch.contracts import Callback


class PrintEvery(Callback):
    """Print epoch, learning rate and loss every few epochs."""

    epochs: int = 10

    def on_epoch_end(self, memory, run):
        if run.epoch % self.epochs == 0:
            rate = run.history[-1]["learning_rate"]
            print(f"epoch {run.epoch:3d}   learning rate {rate:.1e}   loss {run.loss:.3f}")


X, y = load_digits(return_X_y=True)
test = MLPClassifier(
    (64,),
    solver="sgd",
    momentum=0.9,
    learning_rate=RangeTest(low=1e-5),
    learning_rate_init=30.0,
    callbacks=[PrintEvery(5), StopOnRise(3.0)],
    max_iter=60,
    n_iter_no_change=60,
    batch_size=50,
    random_state=0,
).fit(X / 16, y)

# %%
rates = [row["learning_rate"] for row in test.history_]
best = rates[min(range(len(rates)), key=test.loss_curve_.__getitem__)]
figure, ax = plt.subplots(figsize=(8, 4.5), layout="constrained")
ax.axvspan(best / 30, best / 3, color="tab:green", alpha=0.15)
ax.plot(rates, test.loss_curve_, "o-", markersize=4)
ax.text(best / 9.5, max(test.loss_curve_) * 0.55, "good rates", ha="center", color="tab:green")
ax.annotate(
    "StopOnRise ends the fit",
    (rates[-1], test.loss_curve_[-1]),
    xytext=(-150, 60),
    textcoords="offset points",
    arrowprops={"arrowstyle": "->"},
)
ax.set(xlabel="learning rate", ylabel="training loss", xscale="log")
ax.set_title("One short fit shows where the learning rate becomes too large", fontweight="bold")
ax.grid(alpha=0.3)
plt.show()
