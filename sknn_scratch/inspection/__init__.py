"""Inspection of fitted networks: learning curves, weights, layers, backpropagation.

Drawing requires matplotlib: ``pip install "sknn-scratch[plot]"``.
"""

from sknn_scratch.inspection._curves import LossCurveDisplay
from sknn_scratch.inspection._search import SearchCurveDisplay
from sknn_scratch.inspection._summary import Summary, summary
from sknn_scratch.inspection._trace import LayerTrace, Trace, trace
from sknn_scratch.inspection._weights import WeightsDisplay

__all__ = [
    "LayerTrace",
    "LossCurveDisplay",
    "SearchCurveDisplay",
    "Summary",
    "Trace",
    "WeightsDisplay",
    "summary",
    "trace",
]
