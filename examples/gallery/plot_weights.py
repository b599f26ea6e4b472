"""
See what the first layer has learned
====================================

Plot the weights of the first layer to check what a network reacts to. Each hidden unit has one
weight for each of the 64 pixels of a digit, so its weights form an image. Ink on red pixels raises
the output of the unit, ink on blue pixels lowers it. The L2 penalty ``alpha`` keeps the weights of
uninformative pixels near zero, such as those in the corners.
"""

import matplotlib.pyplot as plt
from sklearn.datasets import load_digits

from sknn_scratch import MLPClassifier
from sknn_scratch.inspection import WeightsDisplay

X, y = load_digits(return_X_y=True)
model = MLPClassifier(
    (12,), activation="tanh", solver="lbfgs", alpha=30.0, max_iter=2000, random_state=0
)
model.fit(X / 16, y)

# %%
display = WeightsDisplay.from_estimator(model)
display.figure_.set_size_inches(6.4, 4.9)
display.ax_.set_title("Each hidden unit detects a pattern of pixels", fontweight="bold")
plt.show()
