"""Fit a pipeline and save it as an ONNX graph and as a joblib file.

    python examples/serve/train.py [FOLDER]

Needs the extra [onnx].
"""

import sys
from pathlib import Path

import joblib
import numpy as np
from sklearn.datasets import load_digits
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler

from sknn_scratch import MLPClassifier
from sknn_scratch.onnx import to_onnx


def main(folder):
    X, y = load_digits(return_X_y=True)
    X = X.astype(np.float32)
    network = MLPClassifier((64,), learning_rate_init=0.005, tol=1e-3, random_state=0)
    pipeline = make_pipeline(MinMaxScaler(), network).fit(X, y)
    joblib.dump(pipeline, folder / "model.joblib")
    (folder / "model.onnx").write_bytes(to_onnx(pipeline, X).SerializeToString())
    print(f"{folder}: model.joblib and model.onnx, accuracy {pipeline.score(X, y):.3f}")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent)
