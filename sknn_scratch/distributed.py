"""Training on the partitions of Dask collections; requires the extra ``distributed``.

See ``docs/production_dask.md`` for a guide.  It also covers searches and ``partial_fit`` on a
cluster, which do not need this module.
"""

from sknn_scratch.interop._distributed import fit

__all__ = ["fit"]
