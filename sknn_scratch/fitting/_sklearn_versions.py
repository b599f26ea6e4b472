"""What scikit-learn 1.9 has and older versions lack, imported here only."""

from sklearn.callback import CallbackSupportMixin, with_callbacks

__all__ = ["CallbackSupportMixin", "with_callbacks"]
