"""The methods ``get_state`` and ``set_state``, the same for networks and ensembles."""

from abc import ABC, abstractmethod
from typing import Any

from sklearn.utils.validation import check_is_fitted

from sknn_scratch.contracts import State
from sknn_scratch.fitting._params import OwnEstimator
from sknn_scratch.fitting._publish import restore
from sknn_scratch.fitting._solve import unchanged_on_error


class StateMixin(OwnEstimator, ABC):
    """Mixin of all estimators, for their fitted attributes as plain data."""

    @abstractmethod
    def _tree(self) -> State:
        """Return the fitted attributes as plain data."""

    @abstractmethod
    def _attributes_of(self, tree: Any) -> dict[str, Any]:
        """Return the fitted attributes in a result of :meth:`_tree`, once checked."""

    def get_state(self) -> State:
        """Return weights and training state as nested dicts of arrays, numbers and strings.

        Use it to store an estimator in a custom format. Parameters are not included. The state
        of a tabular estimator contains the encoding of columns, with its parameters as text, and
        all members.

        Returns
        -------
        state : dict
            State for :meth:`set_state`.

        Raises
        ------
        TypeError
            If a category, or the name of a column, is neither a number, a string, a time, an
            interval nor a tuple of these.
        """
        check_is_fitted(self)
        return self._tree()

    def set_state(self, state: State) -> Any:
        """Restore the weights and training state that ``get_state`` returned.

        Parameters
        ----------
        state : dict
            State from ``get_state`` of an estimator with the same parameters.

        Returns
        -------
        self : the estimator
            The estimator itself.

        Raises
        ------
        ValueError
            If the state is of another estimator, another network, another optimizer or another
            encoding of columns; the estimator is left as it was.
        """
        with unchanged_on_error(self):
            restore(self, self._attributes_of(state))
        return self
