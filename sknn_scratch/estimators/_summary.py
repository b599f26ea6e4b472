"""The method ``summary``, the same for networks and ensembles."""

from typing import Any

from sklearn.utils.validation import check_is_fitted


class SummaryMixin:
    """Mixin of all estimators, for tables of their layers."""

    def summary(self, batch_size: int | None = None) -> Any:
        """Return a table of the layers: shapes, parameters, activation and memory.

        For a tabular estimator, it also tells how the columns are encoded, and has the layers of
        one member.

        Parameters
        ----------
        batch_size : int, default=None
            Number of rows per step, for the memory of training. If None, use that of the fit.

        Returns
        -------
        summary : sknn_scratch.inspection.Summary
            Table of the layers.
        """
        check_is_fitted(self)
        from sknn_scratch.inspection import summary  # here, because it is rarely used

        return summary(self, batch_size)
