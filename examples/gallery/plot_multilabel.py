"""
Multilabel classification
=========================

Each point lies in none, some or all of three circles. For a matrix of 0 and 1 as target,
``MLPClassifier`` has one logistic output for each label. The picture mixes the three probabilities
as red, green and blue: where circles overlap, colours add up.
"""

import matplotlib.pyplot as plt
import numpy as np

from sknn_scratch import MLPClassifier

rng = np.random.default_rng(0)
centers = np.array([[-0.5, -0.35], [0.5, -0.35], [0.0, 0.5]])
X = rng.uniform(-2, 2, (2500, 2))
Y = (np.linalg.norm(X[:, None] - centers, axis=2) < 0.95).astype(int)
Y[:3]

# %%
model = MLPClassifier(
    (48,),
    activation="tanh",
    solver="nadam",
    learning_rate="cosine",
    learning_rate_init=0.03,
    batch_size=100,
    max_iter=60,
    n_iter_no_change=60,
    random_state=0,
).fit(X, Y)

# %%
side = np.linspace(-2, 2, 250)
plane = np.stack(np.meshgrid(side, side), axis=-1)
p = model.predict_proba(plane.reshape(-1, 2)).reshape(250, 250, 3)
figure, ax = plt.subplots(figsize=(5.6, 5.6), layout="constrained")
ax.imshow(p, origin="lower", extent=(-2, 2, -2, 2))
for center, name in zip(centers, ["label 0", "label 1", "label 2"], strict=True):
    ax.add_patch(plt.Circle(center, 0.95, fill=False, color="white", linestyle="--", linewidth=1.5))
    ax.text(*(center * 3.1 + [0, 0.05]), name, color="white", ha="center")
ax.set(xticks=[], yticks=[])
ax.set_title(f"Three labels, {model.score(X, Y):.0%} of rows right in all", fontweight="bold")
plt.show()
