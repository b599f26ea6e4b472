"""
Resume an interrupted fit from a checkpoint
===========================================

A crash need not cost hours of training. The callback ``Checkpoint`` regularly writes the complete
state of a fit to one file: weights, optimizer state, random generators and counters. ``resume``
continues from that file, and ends with exactly the weights of a fit without interruption.
"""

import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits

from sknn_scratch import MLPClassifier
from sknn_scratch.components import Checkpoint
from sknn_scratch.contracts import Callback

X, y = load_digits(return_X_y=True)
X = X / 16


class PowerCut(Callback):
    """Raise an error after some epochs."""

    epoch: int = 25

    def on_epoch_end(self, memory, run):
        if run.epoch == self.epoch:
            raise RuntimeError("power failure")


def network(**params):
    """Return the same estimator each time."""
    common = {"learning_rate": "cosine", "max_iter": 60, "n_iter_no_change": 60, "random_state": 0}
    return MLPClassifier((64,), solver="nadam", dropout=0.2, **common, **params)


# %%
# Fit three times: without interruption, with a crash after epoch 25, and resumed from the last
# checkpoint, which was written after epoch 20.
whole = network().fit(X, y)
with tempfile.TemporaryDirectory() as folder:
    file = str(Path(folder) / "run.npz")
    try:
        network(callbacks=[Checkpoint(file, every=10), PowerCut()]).fit(X, y)
    except RuntimeError as error:
        print("crash:", error)
    resumed = network().resume(file, X, y)
print("same weights:", np.array_equal(resumed.theta_, whole.theta_))

# %%
figure, ax = plt.subplots(figsize=(6.4, 4.5), layout="constrained")
epochs = np.arange(1, 61)
ax.plot(epochs, whole.loss_curve_, color="0.8", linewidth=8, label="not interrupted")
ax.plot(
    epochs[:25], whole.loss_curve_[:25], color="tab:blue", linewidth=2.5, label="before the crash"
)
ax.plot(
    epochs[20:], resumed.loss_curve_[20:], "--", color="tab:red", linewidth=2.5, label="resumed"
)
ax.axvline(20, color="tab:red", linewidth=1, zorder=0)
ax.axvline(25, color="tab:blue", linewidth=1, zorder=0)
ax.text(19.5, whole.loss_curve_[0], "checkpoint", ha="right", va="top", color="tab:red")
ax.text(25.5, whole.loss_curve_[0], "crash", va="top", color="tab:blue")
ax.set(xlabel="epoch", ylabel="training loss")
ax.set_title("A resumed fit ends with the same weights", fontweight="bold")
ax.legend(frameon=False, loc="upper right", bbox_to_anchor=(1, 0.9))
ax.grid(alpha=0.3)
plt.show()
