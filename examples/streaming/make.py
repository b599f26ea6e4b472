"""Write a large parquet file, one row group at a time.

    python examples/streaming/make.py rows.parquet --rows 20000000

Each row has fifty float32 features, "x0" to "x49", and a class, "y": which of two hidden directions
has the larger projection of the row. Requires pyarrow.
"""

import argparse

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

FEATURES = 50


def drawn(n, seed):
    """Return n random rows and their classes."""
    rng = np.random.default_rng([3, seed])
    X = rng.standard_normal((n, FEATURES), dtype=np.float32)
    hidden = np.random.default_rng(3).normal(size=(FEATURES, 2)).astype(np.float32)
    a, b = np.abs(X @ hidden).T
    return X, (a > b).astype(np.int8)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("path")
    parser.add_argument("--rows", type=int, default=20_000_000)
    parser.add_argument("--group", type=int, default=100_000, help="rows of a row group")
    args = parser.parse_args()
    names = [f"x{k}" for k in range(FEATURES)]
    fields = [(name, pa.float32()) for name in names]
    schema = pa.schema([*fields, ("y", pa.int8())])
    with pq.ParquetWriter(args.path, schema, compression="none", use_dictionary=False) as file:
        for k, start in enumerate(range(0, args.rows, args.group)):
            X, y = drawn(min(args.group, args.rows - start), k)
            file.write_table(pa.table([*np.ascontiguousarray(X.T), y], schema=schema))
    print(f"{args.path}: {args.rows:,} rows")


if __name__ == "__main__":
    main()
