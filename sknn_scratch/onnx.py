"""Export of fitted networks as ONNX graphs; requires the extra ``onnx``.

Importing this module registers converters with skl2onnx, so that its own ``to_onnx`` accepts
our estimators; :func:`to_onnx` is shorter.  See ``docs/production_onnx.md`` for a guide.
"""

from sknn_scratch.interop._onnx import register_converters, to_onnx
from sknn_scratch.interop._onnx_feed import feed
from sknn_scratch.interop._onnx_forms import Graph, onnx_form

__all__ = ["Graph", "feed", "onnx_form", "register_converters", "to_onnx"]

register_converters()
