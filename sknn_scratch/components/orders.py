"""Row orders of an epoch, as alternatives to a full shuffle."""

from __future__ import annotations

import numpy as np

from sknn_scratch.contracts import Array, Component


class Blocks(Component):
    """Shuffled blocks of consecutive rows, with rows shuffled within a window of blocks.

    Use it for rows that are read from a disk: an epoch reads each block once, as a whole, and
    only a window of blocks needs to be in memory at a time.  ``shuffle="blocks"`` is short for
    ``shuffle=Blocks()``.  Each epoch draws a new order.  Rows held out for early stopping are
    then drawn without stratification by class, and read in their original order.

    Parameters
    ----------
    size : int >= 1, default=4096
        Number of consecutive rows in a block. Disks reach full speed from about 1 MB per block.
    window : int >= 1, default=16
        Number of blocks whose rows are shuffled together. More blocks approximate a full
        shuffle better.

    Examples
    --------
    >>> import numpy as np
    >>> from sknn_scratch.components import Blocks
    >>> Blocks(size=3, window=1).draw(np.arange(8), np.random.RandomState(0))
    array([6, 7, 5, 4, 3, 0, 2, 1])
    """

    size: int = 4096
    window: int = 16

    def __post_init__(self) -> None:
        self.require_integer("size", 1)
        self.require_integer("window", 1)

    def draw(self, rows: Array, rng: np.random.RandomState) -> Array:
        """Return row numbers in the order of an epoch.

        Parameters
        ----------
        rows : ndarray of int of shape (n_rows,)
            Row numbers in the order of the file.
        rng : RandomState
            Random number generator.

        Returns
        -------
        order : ndarray of int of shape (n_rows,)
            Row numbers in the order of the epoch.
        """
        out, done = np.empty_like(rows), 0
        starts = rng.permutation(-(-len(rows) // self.size)) * self.size
        for k in range(0, len(starts), self.window):
            window = [rows[start : start + self.size] for start in starts[k : k + self.window]]
            part = out[done : done + sum(map(len, window))]
            np.concatenate(window, out=part)
            rng.shuffle(part)
            done += len(part)
        return out
