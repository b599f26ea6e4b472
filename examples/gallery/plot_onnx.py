"""
Export a pipeline to ONNX and check it
======================================

An ONNX graph serves predictions without scikit-learn or this package, from any language with an
ONNX runtime. ``to_onnx`` converts a fitted pipeline. Compare both on test data before deployment:
here each point is one probability, and all lie on the diagonal. Requires the extra ``onnx``.
"""

import matplotlib.pyplot as plt
import numpy as np
import onnxruntime
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sknn_scratch import MLPClassifier
from sknn_scratch.onnx import to_onnx

X, y = load_digits(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(
    X.astype(np.float32), y, stratify=y, random_state=0
)
network = MLPClassifier((64,), activation="gelu", early_stopping=True, random_state=0)
pipe = make_pipeline(StandardScaler(), network).fit(X_train, y_train)

# %%
# The graph maps rows to labels and probabilities.
graph = to_onnx(pipe, X_train[:1]).SerializeToString()
session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
labels, probabilities = session.run(None, {session.get_inputs()[0].name: X_test})
print(f"{len(graph) / 1000:.0f} kB, accuracy {np.mean(labels == y_test):.3f}")

# %%
ours = pipe.predict_proba(X_test)
figure, ax = plt.subplots(figsize=(6.4, 4.9), layout="constrained")
ax.plot([0, 1], [0, 1], color="0.75", linewidth=6)
ax.plot(ours.ravel(), probabilities.ravel(), ".", color="tab:red", markersize=7)
ax.set(
    xlabel="probability of the pipeline",
    ylabel="probability of the ONNX graph",
)
ax.text(0.97, 0.05, f"largest difference: {np.abs(ours - probabilities).max():.0e}", ha="right")
ax.set_title("The ONNX graph predicts the same probabilities", fontweight="bold")
plt.show()
