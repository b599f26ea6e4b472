"""Beside scikit-learn: stored with skops, served with ONNX, trained on Dask.

Each needs its extra, which is imported where it is used: ``sknn_scratch.onnx`` and
``sknn_scratch.distributed`` are the doors to the last two.
"""

from sknn_scratch.interop._skops import TRUSTED_TYPES, load_skops

__all__ = ["TRUSTED_TYPES", "load_skops"]
