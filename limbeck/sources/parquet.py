"""Parquet files, every column as text: numbers in their shortest form, times in UTC."""

import io
import shutil
import tempfile
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import IO

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from limbeck.errors import InputError
from limbeck.sources.batch import ROWS_PER_BATCH, Batch, File
from limbeck.sources.opening import opened


def header(file: File) -> list[str]:
    """The names of the columns."""
    with _parquet(file) as parquet:
        return list(parquet.schema_arrow.names)


def count(file: File) -> int:
    """How many rows the file has."""
    with _parquet(file) as parquet:
        return int(parquet.metadata.num_rows)


def batches(file: File, wanted: Collection[str]) -> Iterator[Batch]:
    """The columns `wanted`, batch by batch."""
    with _parquet(file) as parquet:
        done = 0
        for rows in parquet.iter_batches(ROWS_PER_BATCH, columns=list(wanted)):
            batch = Batch(file, np.arange(done + 1, done + 1 + rows.num_rows), {})
            columns = {name: _column(rows.column(name), name, batch) for name in wanted}
            done += rows.num_rows
            yield Batch(file, batch.numbers, columns)


@contextmanager
def _parquet(file: File) -> Iterator[pq.ParquetFile]:
    with opened(file.path) as raw, _seekable(raw) as whole:
        try:
            yield pq.ParquetFile(whole)
        except pa.ArrowException as error:
            reason = str(error).splitlines()[0]
            raise InputError(f"not a readable Parquet file ({reason})", file=file.path) from None


@contextmanager
def _seekable(raw: IO[bytes]) -> Iterator[IO[bytes]]:
    """The file itself, or, unpacked into a temporary one, what a zip or gzip holds: Parquet is read from its end."""
    if isinstance(raw, io.BufferedReader):
        yield raw
        return
    with tempfile.TemporaryFile() as whole:
        shutil.copyfileobj(raw, whole, 1 << 20)
        whole.seek(0)
        yield whole


def _column(values: pa.Array, name: str, batch: Batch) -> pa.Array:
    if pa.types.is_dictionary(values.type):
        values = values.dictionary_decode()
    if _is_list(values.type):
        return _joined(values, name, batch)
    if pa.types.is_nested(values.type):
        remedy = "Only texts, numbers, times, true, false and lists of them can be mapped"
        raise InputError(f"a nested value ({values.type})", file=batch.file.path, column=name, remedy=remedy)
    texts = _texts(values)
    try:
        texts.validate(full=True)
    except pa.ArrowInvalid:
        bad = next(i for i in range(len(texts)) if not _valid(texts[i : i + 1]))
        raise batch.error(bad, "the bytes are not UTF-8", name, "Write the file again with valid texts") from None
    return texts


def _texts(values: pa.Array) -> pa.Array:
    kind = values.type
    if pa.types.is_floating(kind):
        values = pc.if_else(pc.is_nan(values), pa.scalar(None, kind), values)
        whole = pc.and_(pc.equal(pc.floor(values), values), pc.less(pc.abs(values), pa.scalar(2.0**53).cast(kind)))
        number = pc.if_else(whole, values, pa.scalar(0.0).cast(kind)).cast(pa.int64())
        return pc.if_else(whole, number.cast(pa.string()), values.cast(pa.string()))
    if pa.types.is_timestamp(kind):
        values = values.cast(pa.timestamp("us", "UTC" if kind.tz else None), safe=False)
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_fixed_size_binary(kind):
        return values.cast(pa.binary()).view(pa.string())
    return values.cast(pa.string())


def _joined(values: pa.Array, name: str, batch: Batch) -> pa.Array:
    """Lists as one text each, the items joined with spaces."""
    items = _column(values.flatten(), name, batch)
    counts = pc.list_value_length(values).fill_null(0).to_numpy(zero_copy_only=False)
    offsets = np.concatenate([[0], np.cumsum(counts)])
    lists = pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), items.fill_null(""))
    return pc.if_else(values.is_valid(), pc.binary_join(lists, " "), pa.scalar(None, pa.string()))


def _is_list(kind: pa.DataType) -> bool:
    lists = (pa.types.is_list, pa.types.is_large_list, pa.types.is_fixed_size_list)
    return any(is_list(kind) for is_list in lists) and not pa.types.is_nested(kind.value_type)


def _valid(text: pa.Array) -> bool:
    try:
        text.validate(full=True)
    except pa.ArrowInvalid:
        return False
    return True
