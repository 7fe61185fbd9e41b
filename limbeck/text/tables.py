"""Committed Parquet shards as Daft frames, checked first: Daft alone fills missing columns with nulls and casts."""

import glob
from collections.abc import Mapping, Sequence
from pathlib import Path

import daft
import pyarrow as pa
import pyarrow.parquet as pq
from daft import DataFrame, DataType, Expression, col, lit

from limbeck import records
from limbeck.errors import InputError, WorkspaceError

Files = Mapping[str, Sequence[Path]]


def read(files: Files, table: str, columns: Sequence[str]) -> DataFrame:
    """These columns of a table; no rows where it is missing. `InputError` if a file lacks one, or its type differs."""
    declared = records.schema(table)
    wanted = pa.schema([declared.field(c) for c in columns])
    paths = files.get(table, ())
    for path in paths:
        _check(path, wanted, table)
    return scan(paths, wanted)


def scan(paths: Sequence[Path], wanted: pa.Schema) -> DataFrame:
    """The columns of `wanted` from Parquet files known to have them; no rows where there are no files."""
    if not paths:
        return daft.from_arrow(wanted.empty_table())
    return daft.read_parquet([glob.escape(str(p)) for p in paths]).select(*wanted.names)


def bucket_of(buckets: int) -> Expression:
    """The bucket of a row, from its `pin_id`: xxhash64 with seed 0, modulo the number of buckets."""
    return col("pin_id").hash(hash_function="xxhash64") % lit(buckets).cast(DataType.uint64())


def _check(path: Path, wanted: pa.Schema, table: str) -> None:
    try:
        found = pq.read_schema(path)
    except (OSError, pa.ArrowInvalid) as error:
        reason = str(error).splitlines()[0]
        raise WorkspaceError(f"{path}: cannot be read ({reason}). Delete it and run again") from None
    for field in wanted:
        if field.name not in found.names:
            raise InputError(f"no such column in the {table} table", file=path, column=field.name)
        kind = found.field(field.name).type
        if kind != field.type:
            raise InputError(f"{kind} where the {table} table has {field.type}", file=path, column=field.name)
