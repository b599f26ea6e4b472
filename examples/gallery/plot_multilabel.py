"""
Predict more than one label per sample
======================================

In multilabel classification a sample may have no label, one or more: topics of a text, objects in
an image. Pass ``y`` as a matrix of 0 and 1, and ``MLPClassifier`` predicts one probability per
label. Here the labels are three overlapping circles. The picture shows the three probabilities as
red, green and blue, so colours mix where circles overlap.
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
figure, ax = plt.subplots(figsize=(6.4, 4.9), layout="constrained")
ax.imshow(p, origin="lower", extent=(-2, 2, -2, 2))
for center, (x, y), name in zip(
    centers, [(-1.4, -1.5), (1.4, -1.5), (0, 1.6)], ["label 0", "label 1", "label 2"], strict=True
):
    ax.add_patch(plt.Circle(center, 0.95, fill=False, color="white", linestyle="--", linewidth=1.5))
    ax.text(x, y, name, color="white", ha="center", fontsize="large")
ax.set(xticks=[], yticks=[])
ax.set_title(f"All three labels correct in {model.score(X, Y):.0%} of rows", fontweight="bold")
plt.show()
