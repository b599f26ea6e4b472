"""
First-layer weights on digits
=============================

Each hidden unit has a weight for each of the 64 pixels, so its weights are an image of what it
looks for: red pixels excite it, blue ones calm it down. A penalty on the weights makes the images
smooth: strokes, gaps and edges of digits.
"""

import matplotlib.pyplot as plt
from sklearn.datasets import load_digits

from sknn_scratch import MLPClassifier
from sknn_scratch.inspection import WeightsDisplay

X, y = load_digits(return_X_y=True)
model = MLPClassifier(
    (24,), activation="tanh", solver="lbfgs", alpha=30.0, max_iter=2000, random_state=0
)
model.fit(X / 16, y)

# %%
display = WeightsDisplay.from_estimator(model)
display.figure_.set_size_inches(8, 5.5)
display.ax_.set_title("Each hidden unit looks for a pattern of strokes", fontweight="bold")
plt.show()
