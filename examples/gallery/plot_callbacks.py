"""
Find a good learning rate with a range test
===========================================

The learning rate is the first parameter to tune, and one short fit is enough to find its range.
The schedule ``RangeTest`` raises the learning rate in each epoch. Choose a rate 3 to 30 times
smaller than the one at minimum loss, shaded green. The example also uses two callbacks, which run
after each epoch. A custom one prints the progress, and ``StopOnRise`` stops the fit when the loss
rises.
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
figure, ax = plt.subplots(figsize=(6.4, 4.5), layout="constrained")
ax.axvspan(best / 30, best / 3, color="tab:green", alpha=0.15)
ax.plot(rates, test.loss_curve_, "o-", markersize=5, linewidth=2)
ax.text(
    best / 9.5, max(test.loss_curve_) * 0.6, "good\nlearning\nrates", ha="center", color="green"
)
ax.annotate(
    "StopOnRise\nstops the fit",
    (rates[-1], test.loss_curve_[-1]),
    xytext=(-85, 50),
    textcoords="offset points",
    arrowprops={"arrowstyle": "->"},
)
ax.set(xlabel="learning rate", ylabel="training loss", xscale="log")
ax.set_title("One short fit finds the range of the learning rate", fontweight="bold")
ax.grid(alpha=0.3)
plt.show()
