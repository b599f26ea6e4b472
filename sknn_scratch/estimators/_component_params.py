"""Parameters of components as parameters of their estimator: ``solver__beta_1``."""

from typing import Any

from sknn_scratch.contracts import Component
from sknn_scratch.fitting._aliases import FLAT
from sknn_scratch.fitting._params import OwnEstimator


class ComponentParams(OwnEstimator):
    """Mixin for parameters ``a__b``, the parameter b of the component ``a`` of an estimator."""

    def set_params(self, **params: Any) -> Any:
        """Set parameters of the estimator and of its components.

        Parameters
        ----------
        **params
            New values of parameters; ``a__b`` sets the parameter b of the component a. Plain
            names are set first.

        Returns
        -------
        self : the estimator
            The estimator itself.
        """
        plain = {key: value for key, value in params.items() if "__" not in key}
        inner: dict[str, dict[str, Any]] = {}
        for key in params.keys() - plain.keys():
            name, _, rest = key.partition("__")
            inner.setdefault(name, {})[rest] = params[key]
        for name, changes in inner.items():
            plain[name] = self._evolved(name, plain.get(name, getattr(self, name, None)), changes)
        known = self.get_params(deep=False)
        # Unknown names first, so that they raise before any parameter is set.
        return super().set_params(**dict(sorted(plain.items(), key=lambda item: item[0] in known)))

    def _evolved(self, name: str, value: Any, changes: dict[str, Any]) -> Component:
        """Return the component with changed parameters."""
        if isinstance(value, Component):
            return value.evolve(**changes)
        flat = sorted({own for fields in FLAT.get(name, {}).values() for own in fields.values()})
        known = [own for own in flat if own in self.get_params(deep=False)]
        raise ValueError(
            f"Invalid parameter {name}__{next(iter(changes))} for {type(self).__name__}: {name} "
            f"is {value!r}, which has no parameters of its own. Pass an instance of a component "
            "from sknn_scratch.components to set them"
            + (f", or use the estimator's own {', '.join(known)}." if known else ".")
        )
