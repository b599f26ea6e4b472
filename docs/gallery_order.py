"""The order of the gallery: from the first look to work with streams."""

ORDER = (
    "decision_boundaries",
    "backpropagation",
    "weights",
    "layer_activations",
    "early_stopping",
    "dropout",
    "schedules",
    "quantiles",
    "imbalanced",
    "multilabel",
    "grid_search",
    "dataframe_pipeline",
    "tabular",
    "callbacks",
    "resume",
    "streaming",
    "onnx",
    "custom_components",
)


def key(file: str) -> int:
    """Return the place of an example; new ones come last until they are listed."""
    name = file.removeprefix("plot_").removesuffix(".py")
    return ORDER.index(name) if name in ORDER else len(ORDER)
