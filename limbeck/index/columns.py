"""Small tables that are opened without being read: written in one piece, as they are, and memory-mapped.

A table of several pieces would be put together in memory when a column of it is taken as one array.
"""

from pathlib import Path

import pyarrow as pa
import pyarrow.feather as feather


def save(rows: pa.Table, path: Path) -> None:
    """Write a table."""
    feather.write_feather(rows, path, "uncompressed", chunksize=max(1, len(rows)))


def open(path: Path) -> dict[str, pa.Array]:
    """The columns of what `save` wrote, by name; `OSError` or `pa.ArrowInvalid` where it cannot be read."""
    rows = feather.read_table(path, memory_map=True)
    return {name: rows.column(name).combine_chunks() for name in rows.column_names}
