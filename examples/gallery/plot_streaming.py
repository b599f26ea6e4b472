"""
A stream with partial_fit
=========================

Data arrives in chunks, and its distribution changes: from chunk 60 on, the boundary between the
classes turns. Each chunk is predicted first, then used for training. The network that keeps
training recovers; the network that was trained once does not.
"""

import warnings

import matplotlib.pyplot as plt
import numpy as np
from sklearn.exceptions import ConvergenceWarning

from sknn_scratch import MLPClassifier

warnings.simplefilter("ignore", ConvergenceWarning)  # max_iter is where fits shall end

rng = np.random.default_rng(0)


def chunk(k, n=100):
    """Return the k-th chunk; after the 60th the boundary turns by a third of a circle."""
    angle = 0.0 if k < 60 else 2 * np.pi / 3
    X = rng.normal(size=(n, 2))
    u, v = X @ [np.cos(angle), np.sin(angle)], X @ [-np.sin(angle), np.cos(angle)]
    return X, (u + 0.7 * np.sin(2 * v) > 0).astype(int)


# %%
stream = [chunk(k) for k in range(140)]
going_on = MLPClassifier((32,), learning_rate_init=0.01, batch_size=20, random_state=0)
X_first, y_first = (np.concatenate(part) for part in zip(*stream[:40], strict=True))
once = MLPClassifier((32,), learning_rate_init=0.01, max_iter=60, tol=1e-3, random_state=0)
once.fit(X_first, y_first)

going_on.partial_fit(*stream[0], classes=[0, 1])
scores = []
for X, y in stream[1:]:
    scores.append((going_on.score(X, y), once.score(X, y)))
    going_on.partial_fit(X, y)

# %%
figure, ax = plt.subplots(figsize=(8, 4.5), layout="constrained")
chunks = np.arange(1, 140)
for values, name, color in zip(
    np.transpose(scores),
    ["keeps training with partial_fit", "trained once, on the first 40 chunks"],
    ["tab:red", "tab:blue"],
    strict=True,
):
    mean = np.convolve(values, np.ones(5) / 5, mode="same")[2:-2]
    ax.plot(chunks, values, ".", color=color, alpha=0.25)
    ax.plot(chunks[2:-2], mean, color=color, linewidth=2.5, label=name)
ax.axvline(60, color="0.5", linestyle="--")
ax.text(62, 0.42, "the world changes")
ax.set(xlabel="chunk of 100 rows", ylabel="accuracy on the next chunk", ylim=(0.25, 1.02))
ax.set_title("partial_fit follows a stream that changes", fontweight="bold")
ax.legend(frameon=False, loc="lower left")
ax.grid(alpha=0.3)
plt.show()
