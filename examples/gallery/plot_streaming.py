"""
Adapt to a changing data stream
===============================

Data often change after a model was trained. This stream comes in chunks, and at chunk 60 the
boundary between the two classes turns. Each chunk first tests the networks. The one that then
calls ``partial_fit`` with it recovers, the one trained once does not.
"""

import warnings

import matplotlib.pyplot as plt
import numpy as np
from sklearn.exceptions import ConvergenceWarning

from sknn_scratch import MLPClassifier

warnings.simplefilter("ignore", ConvergenceWarning)  # max_iter ends each fit on purpose

rng = np.random.default_rng(0)


def chunk(k, n=100):
    """Return the k-th chunk; after the 60th the boundary turns by a third of a circle."""
    angle = 0.0 if k < 60 else 2 * np.pi / 3
    X = rng.normal(size=(n, 2))
    u, v = X @ [np.cos(angle), np.sin(angle)], X @ [-np.sin(angle), np.cos(angle)]
    return X, (u + 0.7 * np.sin(2 * v) > 0).astype(int)


# %%
stream = [chunk(k) for k in range(140)]
updated = MLPClassifier((32,), learning_rate_init=0.01, batch_size=20, random_state=0)
X_first, y_first = (np.concatenate(part) for part in zip(*stream[:40], strict=True))
once = MLPClassifier((32,), learning_rate_init=0.01, max_iter=60, tol=1e-3, random_state=0)
once.fit(X_first, y_first)

updated.partial_fit(*stream[0], classes=[0, 1])
scores = []
for X, y in stream[1:]:
    scores.append((updated.score(X, y), once.score(X, y)))
    updated.partial_fit(X, y)

# %%
figure, ax = plt.subplots(figsize=(6.4, 4.5), layout="constrained")
chunks = np.arange(1, 140)
for values, name, color in zip(
    np.transpose(scores),
    ["updated with partial_fit", "trained once"],
    ["tab:red", "tab:blue"],
    strict=True,
):
    mean = np.convolve(values, np.ones(5) / 5, mode="same")[2:-2]
    ax.plot(chunks, values, ".", color=color, alpha=0.25)
    ax.plot(chunks[2:-2], mean, color=color, linewidth=3, label=name)
ax.axvline(60, color="0.5", linestyle="--")
ax.text(62, 0.62, "boundary turns")
ax.set(xlabel="chunk (100 rows each)", ylabel="accuracy on new chunk", ylim=(0, 1.04))
ax.set_title("partial_fit adapts when the data change", fontweight="bold")
ax.legend(frameon=False, loc="lower left")
ax.grid(alpha=0.3)
plt.show()
