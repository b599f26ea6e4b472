"""What the API reference shows of a component below its summary: the code that selects it."""

from sknn_scratch import contracts, registry
from sknn_scratch.contracts import Loss, Transform

#: The parameter of an estimator for each kind of component.
PARAMETERS = {
    "activation": "activation",
    "loss": "loss",
    "optimizer": "solver",
    "schedule": "learning_rate",
    "initializer": "initializer",
    "callback": "callbacks",
}


def usage(cls: type) -> list[str]:
    """Return the component by its name, and as an instance with parameters; no lines for others."""
    if cls.__module__ == contracts.__name__:
        return []
    if issubclass(cls, Transform):
        values = [f'Chain([("transform", {_instance(cls)}), ("adam", Adam())])']
        return _calls("MLPClassifier", "solver", values if _instance(cls) else [])
    for kind, parameter in PARAMETERS.items():
        if issubclass(cls, registry.KINDS[kind]):
            return _calls(_estimator(cls), parameter, _values(kind, cls))
    return []


def _calls(estimator: str, parameter: str, values: list[str]) -> list[str]:
    form = "{}({}=[{}])" if parameter == "callbacks" else "{}({}={})"
    return [form.format(estimator, parameter, value) for value in values]


def _values(kind: str, cls: type) -> list[str]:
    """Return the name, which callbacks do not have, and the instance if it has parameters."""
    names = registry.names(kind) if kind != "callback" else []
    values = [f'"{name}"' for name in names if registry.lookup(kind, name) is cls]
    instance = _instance(cls)
    if instance and not (values and instance.endswith("()")):
        values.append(instance)
    return values


def _instance(cls: type) -> str:
    """Return the call with all default parameters; nothing if there are others."""
    try:
        return repr(cls()).replace("'", '"')
    except TypeError:
        return ""


def _estimator(cls: type) -> str:
    is_for_numbers = issubclass(cls, Loss) and "regression" in cls.tasks
    return "MLPRegressor" if is_for_numbers else "MLPClassifier"
