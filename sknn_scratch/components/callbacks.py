"""Callbacks: code to run during training."""

from __future__ import annotations

import os
from math import inf

from sknn_scratch.contracts import Callback, Run, State
from sknn_scratch.registry import register


@register.callback("print_progress")
class PrintProgress(Callback):
    """Printer of one line per epoch: loss, validation score and loss, time left.

    ``verbose=True`` adds it after the callbacks of an estimator. The lines of an ensemble begin
    with the number of the member, from 0 as in ``run.member``, ``CSVLog`` and ``estimators_``.

    Examples
    --------
    >>> from sknn_scratch import MLPRegressor
    >>> from sknn_scratch.components import PrintProgress
    >>> X, y = [[0.0], [1.0], [2.0]], [0.0, 1.0, 2.0]
    >>> est = MLPRegressor(tol=9.0, n_iter_no_change=1, callbacks=[PrintProgress()], random_state=0)
    >>> est = est.fit(X, y)  # doctest: +ELLIPSIS
    Iteration   1/200  loss 0.66...
    Iteration   2/200  loss 0.64...
    Iteration   3/200  loss 0.61...
    """

    def on_epoch_end(self, memory: State, run: Run) -> None:
        row = run.history[-1]
        member = [f"Member {run.member} of {run.n_members}"] if run.n_members > 1 else []
        parts = [*member, f"Iteration {_count(run)}", f"loss {row['loss']:.8f}"]
        if "validation_score" in row:
            parts.append(f"validation score {row['validation_score']:.6f}")
            parts.append(f"validation loss {row['validation_loss']:.6f}")
        print("  ".join(parts) + _time_left(run), flush=True)


def _count(run: Run) -> str:
    """Return "epoch/max_iter", right-aligned, or the epoch alone if partial_fit goes beyond."""
    if run.epoch > run.max_iter:
        return str(run.epoch)
    return f"{run.epoch:{len(str(run.max_iter))}d}/{run.max_iter}"


def _time_left(run: Run) -> str:
    """Return an upper bound of the time left, from the mean of the last epochs."""
    recent = [row["seconds"] for row in run.history[-20:] if "seconds" in row]
    left = (run.max_iter - run.epoch) * sum(recent) / max(1, len(recent))
    return f"  {left:.0f} s left at most" if left >= 1 else ""


class StopOnRise(Callback):
    """Stopping rule for a loss that rises to a multiple of its minimum.

    Parameters
    ----------
    ratio : float > 1, default=4.0
        Training stops when the loss of an epoch exceeds ``ratio`` times the lowest loss of
        the epochs before.

    See Also
    --------
    RangeTest : A schedule to use it with.

    Examples
    --------
    >>> from sknn_scratch.components import StopOnRise
    >>> StopOnRise(ratio=2.0)
    StopOnRise(ratio=2.0)
    """

    ratio: float = 4.0

    def __post_init__(self) -> None:
        self.require_number("ratio", 1, inf, closed="neither")

    def on_epoch_end(self, memory: State, run: Run) -> None:
        best = memory.setdefault("best", run.loss)
        memory["best"] = min(best, run.loss)
        if run.loss > self.ratio * best:
            run.stop(f"the loss is {self.ratio} times its minimum")


class CSVLog(Callback):
    """Log of a fit as a CSV file, with one line per epoch and the columns of ``history_``.

    Parameters
    ----------
    path : str or path-like
        Path of the file. Each fit overwrites it. ``partial_fit`` and ``resume`` append to it if
        its last line is the last epoch. ``{fingerprint}`` in the path is replaced by a short hash
        of parameters and data, so that the fits of a search write to different files.
        ``{member}`` is replaced by the number of the network in training. The path must contain
        it if an ensemble of several networks is trained.

    See Also
    --------
    PrintProgress : Prints the same values.

    Examples
    --------
    >>> import os, tempfile
    >>> from sknn_scratch import MLPRegressor
    >>> from sknn_scratch.components import CSVLog
    >>> X, y = [[0.0], [1.0], [2.0]], [0.0, 1.0, 2.0]
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     log = CSVLog(os.path.join(folder, "log-{fingerprint}.csv"))
    ...     est = MLPRegressor(solver="lbfgs", callbacks=[log], random_state=0).fit(X, y)
    ...     (name,) = os.listdir(folder)
    ...     with open(os.path.join(folder, name)) as file:
    ...         lines = file.read().splitlines()
    >>> lines[0]
    'epoch,loss,validation_score,validation_loss,learning_rate,gradient_norm,seconds'
    >>> len(lines) - 1 == est.n_iter_
    True
    """

    path: str

    def __post_init__(self) -> None:
        self.require_path("path")

    def on_fit_begin(self, memory: State, run: Run) -> None:
        """Write the header and previous epochs, if missing; an invalid path raises here."""
        path = self._where(run)
        self.require(
            run.n_members == 1 or "{member}" in self.path,
            "path",
            "a path with '{member}' in it, such as 'log-{member}.csv', as each of the "
            f"{run.n_members} members of an ensemble has a log of its own",
        )
        # partial_fit would otherwise write the whole history in each call.
        goes_on = bool(run.history) and _ends_with(path, "\n" + _csv_line(run.history[-1]))
        with open(path, "a" if goes_on else "w", encoding="utf-8") as file:
            if not goes_on:
                file.writelines([",".join(COLUMNS) + "\n", *map(_csv_line, run.history)])

    def on_epoch_end(self, memory: State, run: Run) -> None:
        with open(self._where(run), "a", encoding="utf-8") as file:
            file.write(_csv_line(run.history[-1]))

    def _where(self, run: Run) -> str:
        path = self.path.replace("{fingerprint}", run.fingerprint)
        return path.replace("{member}", str(run.member))


#: Columns of a history, in the order of a CSV file.
COLUMNS = (
    "epoch",
    "loss",
    "validation_score",
    "validation_loss",
    "learning_rate",
    "gradient_norm",
    "seconds",
)


def _ends_with(path: str, text: str) -> bool:
    """Return True if ``path`` is a regular file that ends with a text."""
    end = text.replace("\n", os.linesep).encode()
    if not os.path.isfile(path) or os.path.getsize(path) < len(end):
        return False
    with open(path, "rb") as file:
        file.seek(-len(end), os.SEEK_END)
        return file.read() == end


def _csv_line(row: dict[str, float]) -> str:
    return ",".join(repr(row[key]) if key in row else "" for key in COLUMNS) + "\n"


class Checkpoint(Callback):
    """Checkpoint file, written every few epochs, from which ``est.resume(path, X, y)`` continues.

    The file is replaced atomically, so it remains readable after a crash.

    Parameters
    ----------
    path : str or path-like
        Path of the file. ``{fingerprint}`` in the path is replaced by a short hash of
        parameters and data, so that the fits of a search write to different files. The path must
        not contain ``{member}``, as one file holds all members of an ensemble.
    every : int >= 1, default=1
        Number of epochs between checkpoints. If epochs are short, as those of tables with
        ``effort="fast"``, writing can take as long as training: prefer 5 or more.

    Examples
    --------
    >>> import os, tempfile
    >>> from sklearn.datasets import load_iris
    >>> from sknn_scratch import MLPClassifier
    >>> from sknn_scratch.components import Checkpoint
    >>> X, y = load_iris(return_X_y=True)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "run.npz")
    ...     clf = MLPClassifier(20, learning_rate_init=0.02, tol=1e-3, random_state=0)
    ...     whole = clf.set_params(callbacks=[Checkpoint(path, every=10)]).fit(X, y).theta_
    ...     resumed = clf.resume(path, X, y).theta_
    >>> bool((resumed == whole).all())
    True
    """

    path: str
    every: int = 1

    def __post_init__(self) -> None:
        self.require_path("path")
        self.require_integer("every", 1)

    def on_fit_begin(self, memory: State, run: Run) -> None:
        """Raise an error if a checkpoint cannot be written to the path."""
        self.require(
            "{member}" not in self.path,
            "path",
            "a path without '{member}', such as 'run.npz', as a checkpoint holds all members of "
            "an ensemble in one file",
        )
        run.check_path(self._where(run))

    def on_epoch_end(self, memory: State, run: Run) -> None:
        if run.epoch % self.every == 0:
            run.save(self._where(run))

    def _where(self, run: Run) -> str:
        return self.path.replace("{fingerprint}", run.fingerprint)
