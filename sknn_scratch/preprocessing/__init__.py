"""scikit-learn transformers: from tables as they are to what a network likes."""

from sknn_scratch.preprocessing._tabular import TabularPreprocessor

__all__ = ["TabularPreprocessor"]
