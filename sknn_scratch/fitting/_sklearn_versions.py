"""Imports from scikit-learn that older versions lack: those of 1.9."""

from sklearn.callback import CallbackSupportMixin, FitCallback, with_callbacks

__all__ = ["CallbackSupportMixin", "FitCallback", "with_callbacks"]
