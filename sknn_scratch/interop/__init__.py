"""Interoperability: files of skops, ONNX graphs, training on Dask collections.

Each requires an extra, which is imported on use.  The public modules of the last two are
``sknn_scratch.onnx`` and ``sknn_scratch.distributed``.
"""

from sknn_scratch.interop._skops import TRUSTED_TYPES, load_skops

__all__ = ["TRUSTED_TYPES", "load_skops"]
