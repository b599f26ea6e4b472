"""
The same answers from an ONNX graph
===================================

A fitted pipeline becomes a graph that any ONNX runtime can serve, without Python's scientific
packages. Here each probability that the graph gives for the test rows stands against the
pipeline's: all points lie on the diagonal. Needs the extra ``onnx``.
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
# The graph takes rows and gives labels and probabilities.
graph = to_onnx(pipe, X_train[:1]).SerializeToString()
session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
labels, probabilities = session.run(None, {session.get_inputs()[0].name: X_test})
print(f"{len(graph) / 1000:.0f} kB, accuracy {np.mean(labels == y_test):.3f}")

# %%
ours = pipe.predict_proba(X_test)
figure, ax = plt.subplots(figsize=(6, 5.4), layout="constrained")
points = ax.scatter(ours, probabilities, c=np.tile(np.arange(10), len(ours)), s=14, cmap="tab10")
ax.plot([0, 1], [0, 1], color="0.7", linewidth=1, zorder=0)
ax.set(
    xlabel="probability from the pipeline",
    ylabel="probability from the ONNX graph",
    title="An ONNX graph gives the pipeline's probabilities",
)
ax.text(0.97, 0.05, f"largest difference {np.abs(ours - probabilities).max():.0e}", ha="right")
figure.colorbar(points, ticks=range(10), label="digit")
plt.show()
