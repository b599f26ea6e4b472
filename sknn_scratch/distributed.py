"""Training on the partitions of Dask collections: the extra ``distributed``.

``docs/production.md`` is the guide, also to searches and ``partial_fit`` on a cluster, which
need nothing of this.
"""

from sknn_scratch.interop._distributed import fit

__all__ = ["fit"]
