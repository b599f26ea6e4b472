"""Order and style of the gallery: the basics first, production and custom components last."""

ORDER = (
    "decision_boundaries",
    "tabular",
    "callbacks",
    "schedules",
    "early_stopping",
    "dropout",
    "grid_search",
    "imbalanced",
    "multilabel",
    "quantiles",
    "dataframe_pipeline",
    "layer_activations",
    "resume",
    "streaming",
    "onnx",
    "custom_components",
    "weights",
    "backpropagation",
)
#: Text that is still legible in a thumbnail.
STYLE = {
    "font.size": 13,
    "axes.titlesize": "medium",
    "figure.titlesize": "large",
    "legend.fontsize": "small",
}


def key(file: str) -> int:
    """Return the place of an example; new ones come last until they are listed."""
    name = file.removeprefix("plot_").removesuffix(".py")
    return ORDER.index(name) if name in ORDER else len(ORDER)


def style(gallery_conf: dict, file: str) -> None:
    """Set the style before each example, after sphinx-gallery has reset matplotlib."""
    import matplotlib

    matplotlib.rcParams.update(STYLE)
