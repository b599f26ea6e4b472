"""scikit-learn transformers that encode mixed-type tables for neural networks."""

from sknn_scratch.preprocessing._tabular import TabularPreprocessor

__all__ = ["TabularPreprocessor"]
