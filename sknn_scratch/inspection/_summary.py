"""Table of the layers of a network: shapes, parameters, activations, memory."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from html import escape
from numbers import Integral
from typing import Any

from sknn_scratch.contracts import Array, Loss
from sknn_scratch.core.layers import Dense
from sknn_scratch.core.network import Network
from sknn_scratch.core.workspace import Workspace
from sknn_scratch.inspection import _access

Row = dict[str, Any]


@dataclass(frozen=True, repr=False)
class Summary:
    """Table of the layers of a network, for example for ``pandas.DataFrame(summary.rows)``.

    Attributes
    ----------
    title : str
        Class, sizes and dtype of the network.
    rows : list of dict
        One row for the input (x and y of a batch), then one row per layer, with the keys
        "layer" (its number: weights are ``coefs_[layer]``), "kind", "units", "W" and "b"
        (shapes), "activation", "dropout", "parameters", and in bytes "memory" and "workspace"
        (None if the batch size is unknown). For the estimators for tables, the layers of a member.
    total : dict
        Sums of "parameters", "memory" and "workspace". For the estimators for tables,
        "parameters" and "memory" of all members, and "workspace" of the one in training.
    member : dict or None
        The sums for one member; None for a single network.
    columns : list of dict
        One row for each kind of column in X ("numeric", "categorical", "datetime", or "missing"
        without any value in ``fit``), with the keys "kind", "columns" (their number), "features"
        (the number of encoded features) and "bins" (per column; 0 without). Empty for a single
        network.
    """

    title: str
    rows: list[Row]
    total: Row
    member: Row | None = None
    columns: list[Row] = field(default_factory=list)

    def __repr__(self) -> str:
        body, foot = self._cells(self.rows), self._cells(self._sums())
        table = [list(_COLUMNS), *body, *foot]
        widths = [max(len(cells[k]) for cells in table) for k in range(len(_COLUMNS))]
        head, *lines = (_aligned(cells, widths) for cells in table)
        rule = "-" * (sum(widths) + 2 * (len(widths) - 1))
        above, below = lines[: len(body)], lines[len(body) :]
        return "\n".join([*self._caption(), "", head, rule, *above, rule, *below])

    def _repr_html_(self) -> str:
        """Return the table for a notebook."""
        rows = [
            _html_row("th", _COLUMNS),
            *(_html_row("td", cells) for cells in self._cells(self.rows)),
            *(_html_row("th", cells) for cells in self._cells(self._sums())),
        ]
        caption = "<br>".join(map(escape, self._caption()))
        return "\n".join(["<table>", f"<caption>{caption}</caption>", *rows, "</table>"])

    def _caption(self) -> list[str]:
        """Return the lines above the table."""
        return [self.title, _encoding(self.columns)] if self.columns else [self.title]

    def _sums(self) -> list[Row]:
        return [self.total] if self.member is None else [self.member, self.total]

    def _cells(self, rows: Sequence[Row]) -> list[list[str]]:
        """Return rows as text."""
        return [[_text(row, key) for key in _COLUMNS.values()] for row in rows]


#: Headings, and the key of each column.
_COLUMNS = {
    "layer": "layer",
    "": "kind",
    "W": "W",
    "b": "b",
    "activation": "activation",
    "parameters": "parameters",
    "memory": "memory",
    "workspace": "workspace",
}
_NUMBERS = ("parameters", "memory", "workspace")


def summary(estimator: Any, batch_size: int | None = None) -> Summary:
    """Return a table of the layers of a fitted network, or of the members of a table's ensemble.

    "memory" is the size of the parameters. "workspace" is the size of the buffers of a training
    step: gathered inputs, targets and weights, activations and their gradients. The gradient,
    the scratch vector and each moment of the optimizer need as much memory as all parameters.

    For a TabularMLPClassifier or TabularMLPRegressor, the table also tells how the columns are
    encoded. It has the layers of one member; learned feature scales are included in "W".

    Parameters
    ----------
    estimator : fitted estimator of this package, or a pipeline or search that ends in one
        Fitted network, or ensemble for tables.
    batch_size : int, default=None
        Number of rows in a batch. If None, use that of the last training, which is unknown for
        ``solver="lbfgs"`` and after ``from_sklearn``.

    Returns
    -------
    summary : Summary
        Table of the layers, printed by its repr.

    Raises
    ------
    ValueError
        If the estimator is not fitted, or ``batch_size`` is not a positive integer.

    Examples
    --------
    >>> from sknn_scratch import MLPRegressor
    >>> from sknn_scratch.inspection import summary
    >>> est = MLPRegressor(hidden_layer_sizes=(8,), solver="lbfgs", random_state=0)
    >>> est = est.fit([[0.0, 1.0], [1.0, 1.0]], [0.0, 1.0])
    >>> table = summary(est, batch_size=1)
    >>> table.total["parameters"]
    33
    >>> [row["W"] for row in table.rows]
    [None, (2, 8), (8, 1)]
    """
    table = _access.table(estimator)
    if table is not None:
        return _of_table(table, batch_size)
    estimator = _access.last_step(estimator)
    _access.network_and_loss(estimator, "summary")
    layers = _layers(estimator, batch_size)
    return replace(layers, title=f"{type(estimator).__name__}: {layers.title}")


def _of_table(table: Any, batch_size: int | None) -> Summary:
    """Return the summary of an ensemble for tables."""
    members = _access.fitted(table, "estimators_", "summary")
    first, n = members[0], len(members)
    layers = _layers(first, batch_size)
    # Members may have different links.
    layers.rows[-1]["activation"] = " or ".join(dict.fromkeys(m.out_activation_ for m in members))
    one = layers.total | {"layer": "member"}
    several = {key: n * one[key] for key in ("parameters", "memory")}
    return Summary(
        f"{type(table).__name__}: {_count(n, 'member')} of {layers.title}",
        layers.rows,
        layers.total | several | {"kind": _count(n, "member")},
        one,
        _access.encoded_columns(table.preprocessor_),
    )


def _layers(estimator: Any, batch_size: int | None) -> Summary:
    """Return the summary of a network, with a title that lacks its class."""
    size = _access.rows_per_step(estimator) if batch_size is None else _checked(batch_size)
    network, loss = _access.network_and_loss(estimator, "summary")
    training = _access.training_network(estimator)
    rates = _access.dropout_rates(training)
    rows = [_input_row(network), *_layer_rows(network, loss, rates, estimator.theta_.itemsize)]
    for row, n_bytes in zip(rows, _workspace(estimator, training), strict=True):
        row["workspace"] = None if size is None else size * n_bytes
    known = [key for key in _NUMBERS if rows[0][key] is not None]
    total = {"layer": "total"} | {key: sum(row[key] for row in rows) for key in known}
    return Summary(_title(estimator, network, size), rows, total)


def _encoding(columns: Sequence[Row]) -> str:
    """Return a line that tells how the columns of a table are encoded."""
    n_columns, n_features = (sum(row[key] for row in columns) for key in ("columns", "features"))
    # Without any feature, the encoded column is one of zeros.
    of, to = _count(n_columns, "column"), _count(max(1, n_features), "feature")
    return f"{of}, encoded as {to}: {', '.join(map(_encoded, columns))}"


def _encoded(row: Row) -> str:
    bins = f" with {_count(row['bins'], 'bin')}" if row["bins"] else ""
    return f"{row['columns']:,} {row['kind']}{bins} as {row['features']:,}"


def _count(n: int, noun: str) -> str:
    return f"{n:,} {noun}" if n == 1 else f"{n:,} {noun}s"


def _title(estimator: Any, network: Network, size: int | None) -> str:
    units = " → ".join(f"{n:,}" for n in network.units)
    batch = "" if size is None else f", batches of {size:,} rows"
    return f"{units}, {estimator.theta_.dtype}{batch}"


def _checked(batch_size: Any) -> int:
    if not isinstance(batch_size, Integral) or batch_size < 1:
        raise ValueError(
            f"The 'batch_size' parameter of summary must be an integer of at least 1. "
            f"Got {batch_size!r} instead."
        )
    return int(batch_size)


def _input_row(network: Network) -> Row:
    nothing = dict.fromkeys(("W", "b", "activation", "dropout"))
    return {"layer": None, "kind": "input", "units": network.n_in} | nothing | _memory(0, 0)


def _layer_rows(
    network: Network, loss: Loss, rates: Sequence[float], itemsize: int
) -> Iterator[Row]:
    names = _access.activation_names(network, loss)
    for k, (name, rate) in enumerate(zip(names, [*rates, 0.0], strict=True)):
        fan_in, fan_out = network.units[k : k + 2]
        yield {
            "layer": k,
            "kind": _access.kind(network, k),
            "units": fan_out,
            "W": (fan_in, fan_out),
            "b": (fan_out,),
            "activation": name,
            "dropout": rate,
        } | _memory((fan_in + 1) * fan_out, itemsize)


def _memory(n_parameters: int, itemsize: int) -> Row:
    return {"parameters": n_parameters, "memory": n_parameters * itemsize}


def _workspace(estimator: Any, training: Network) -> list[int]:
    """Return the bytes of a batch's buffers per row, for the input and for each layer."""
    gathered = _access.n_targets(estimator) + (
        training.n_in if _access.gathers_rows(estimator) else 0
    )
    # The size of every buffer is proportional to the number of rows, so measure it for one.
    one = Workspace(training, 1, estimator.theta_.dtype).rows(1)
    parts = [gathered * estimator.theta_.itemsize + _n_bytes(one.slots[0].ones)]
    for layer, slot in zip(training.layers, one.slots, strict=True):
        size = _n_bytes(slot.a, slot.delta, *([slot.z] if layer.keeps else []))
        if isinstance(layer, Dense):
            parts.append(size)
        else:  # dropout counts for the layer before it
            parts[-1] += size
    return parts


def _n_bytes(*arrays: Array) -> int:
    return sum(array.nbytes for array in arrays)


def _text(row: Row, key: str) -> str:
    value = row.get(key)
    if value is None or (row.get("kind") == "input" and value == 0):
        return ""
    if key in ("memory", "workspace"):
        return _in_bytes(value)
    if key == "activation" and row["dropout"]:
        return f"{value}, dropout {row['dropout']:g}"
    return f"{value:,}" if key == "parameters" else str(value)


def _in_bytes(n: float) -> str:
    """Return a number of bytes with its unit, in powers of 1024."""
    for unit in ("B", "KiB", "MiB"):
        if n < 1024:
            return f"{n:.4g} {unit}"
        n /= 1024
    return f"{n:,.2f} GiB"


def _aligned(cells: Sequence[str], widths: Sequence[int]) -> str:
    """Return a line, with numbers right-aligned and text left-aligned."""
    keys = _COLUMNS.values()
    return "  ".join(
        f"{cell:>{width}}" if key in _NUMBERS else f"{cell:<{width}}"
        for cell, width, key in zip(cells, widths, keys, strict=True)
    ).rstrip()


def _html_row(tag: str, cells: Any) -> str:
    sides = ["right" if key in _NUMBERS else "left" for key in _COLUMNS.values()]
    return "<tr>{}</tr>".format(
        "".join(
            f'<{tag} style="text-align: {side}">{escape(cell)}</{tag}>'
            for cell, side in zip(cells, sides, strict=True)
        )
    )
