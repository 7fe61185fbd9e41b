"""Small tables that are opened without being read: written in one piece, as they are, and memory-mapped.

A table of several pieces would be put together in memory when a column of it is taken as one array.
"""

from pathlib import Path

import pyarrow as pa
import pyarrow.feather as feather


def save(rows: pa.Table, path: Path) -> None:
    """Write a table, which is put into one piece: the writer would keep the pieces that it has."""
    feather.write_feather(rows.combine_chunks(), path, "uncompressed", chunksize=max(1, len(rows)))


def open(path: Path) -> dict[str, pa.Array]:
    """The columns of what `save` wrote, by name; `OSError` or `pa.ArrowInvalid` where it cannot be read."""
    rows = feather.read_table(path, memory_map=True)
    return {name: _whole(rows.column(name)) for name in rows.column_names}


def _whole(column: pa.ChunkedArray) -> pa.Array:
    """As one array; `combine_chunks` would copy even a single piece into memory."""
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()
