"""A user's own files as the design's input tables, by the mapping of a recipe (docs/recipes.md)."""

import dataclasses
import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import pyarrow as pa

from limbeck.errors import InputError
from limbeck.records import KEYS
from limbeck.settings import Lookup, Recipe, TableMapping
from limbeck.sources import columns, files, mapping, paths, values
from limbeck.sources.batch import Batch, File

ROWS_PER_SHARD = 1 << 18  # a shard is held in memory; of long product texts, many more rows would be gigabytes


@dataclass(frozen=True)
class Block:
    """One [[tables.…]] of a recipe, and the files it names."""

    mapping: TableMapping
    files: tuple[File, ...]
    lookups: dict[Lookup, File]


@dataclass(frozen=True)
class Part:
    """Rows of a table made of one batch of a file.

    `file` counts the table's files, `first` the file's rows before this batch; of the `read` rows in it, `repeats`
    were left out as rows that had been there before, and the others that are not in `rows` by `where`.
    """

    file: int
    first: int
    rows: pa.Table
    read: int
    repeats: int


def digests(recipe: Recipe) -> dict[str, str]:
    """For each mapped table, a digest of its mapping and of the bytes of its files."""
    return {table: _digest(_blocks(recipe, table)) for table in recipe.tables}


def shards(recipe: Recipe, table: str) -> dict[str, Callable[[], pa.Table]]:
    """The functions that make the shards of a table, by key. Called in order, they read the files once, in batches."""
    blocks = prepare(recipe, table)
    counts = [files.count(file) for block in blocks for file in block.files]
    pieces = [(number, piece) for number, rows in enumerate(counts) for piece in range(-(-rows // ROWS_PER_SHARD))]
    reading = _Reading(table, blocks)
    return {f"{i:05d}": partial(reading.piece, piece) for i, piece in enumerate(pieces)}


def prepare(recipe: Recipe, table: str) -> list[Block]:
    """The blocks of a table, checked as far as can be without reading rows."""
    blocks = _blocks(recipe, table)
    for block in blocks:
        for file in block.files:
            files.require(file, columns.wanted(block.mapping))
        for lookup, file in block.lookups.items():
            files.require(file, (lookup.key, lookup.value))
    return blocks


def parts(table: str, blocks: list[Block]) -> Iterator[Part]:
    """All rows of a table, batch by batch, in the order of the files; `InputError` names the first that is wrong."""
    seen: set[object] = set()
    number = 0
    for block in blocks:
        maker = _Maker(table, block, seen)
        for file in block.files:
            yield from maker.parts(file, number)
            number += 1
        maker.finish()


class _Maker:
    """Makes rows of a table from the files of one block. `seen` are the keys that rows before had."""

    def __init__(self, table: str, block: Block, seen: set[object]) -> None:
        self._table, self._block, self._seen = table, block, seen
        self._found = {lookup: _contents(lookup, file) for lookup, file in block.lookups.items()}
        self._read = self._kept = 0

    def parts(self, file: File, number: int) -> Iterator[Part]:
        """The rows of one file, the table's `number`-th."""
        first = 0
        for batch in files.batches(file, columns.wanted(self._block.mapping)):
            chosen = batch.filter(columns.where(batch, self._block.mapping)) if self._block.mapping.where else batch
            rows = columns.table(chosen, self._table, self._block.mapping, self._found)
            unique = self._unique(rows, chosen)
            yield Part(number, first, unique, len(batch.numbers), rows.num_rows - unique.num_rows)
            first += len(batch.numbers)
            self._kept += rows.num_rows
        self._read += first

    def finish(self) -> None:
        """`InputError` if the files of the block held no rows, or `where` left none of them."""
        file = self._block.files[0].path
        if not self._read:
            raise InputError("holds no rows", file=file, remedy="Export it again, or leave it out")
        if not self._kept:
            wants = ", ".join(f"{k} = {v!r}" for k, v in self._block.mapping.where.items())
            raise InputError(f"where ({wants}) leaves no rows", file=file, remedy="Compare it with the values there")

    def _unique(self, rows: pa.Table, batch: Batch) -> pa.Table:
        """The rows whose key is new; without `distinct`, a key that is not new is an error."""
        key, distinct = KEYS.get(self._table), self._block.mapping.distinct
        if not key and not distinct:
            return rows
        own = keys(rows, key or tuple(rows.column_names))
        if len(set(own)) == len(own) and self._seen.isdisjoint(own):
            self._seen.update(own)
            return rows
        new: list[int] = []
        for index, value in enumerate(own):
            if value not in self._seen:
                self._seen.add(value)
                new.append(index)
            elif not distinct:
                raise _repeated(batch, index, value, self._block.mapping.columns.get(str(key[0])) if key else None)
        return rows.take(pa.array(new, pa.int64()))


class _Reading:
    """One pass over a table's files that hands out shards in order, and begins again when asked for an earlier one."""

    def __init__(self, table: str, blocks: list[Block]) -> None:
        self._table, self._blocks = table, blocks
        self._parts: Iterator[Part] = iter(())
        self._next: Part | None = None
        self._begun = False

    def piece(self, wanted: tuple[int, int]) -> pa.Table:
        """The rows of one piece: (number of the file, number of the piece in it)."""
        if not self._begun or self._next is None or _piece(self._next) > wanted:
            self._parts, self._begun = parts(self._table, self._blocks), True
            self._next = next(self._parts, None)
        rows: list[pa.Table] = []
        while self._next is not None and _piece(self._next) <= wanted:
            if _piece(self._next) == wanted:
                rows.append(self._next.rows)
            self._next = next(self._parts, None)
        return pa.concat_tables(rows)


def _piece(part: Part) -> tuple[int, int]:
    return part.file, part.first // ROWS_PER_SHARD


def _blocks(recipe: Recipe, table: str) -> list[Block]:
    """The blocks of a table, their files found and opened."""
    return [_block(recipe, table, number) for number in range(len(recipe.tables[table]))]


def _block(recipe: Recipe, table: str, number: int) -> Block:
    block = recipe.tables[table][number]
    place = f"recipe {recipe.name}, tables.{table} {number + 1}"
    mapping.validate(block, table, place)
    found = tuple(files.file(path, block) for path in paths.find(block.files, recipe.folder))
    lookups = {}
    for source in block.columns.values():
        if isinstance(source, Lookup):
            (path, *_) = paths.find((source.file,), recipe.folder)
            encoding = source.encoding or block.encoding
            reading = dataclasses.replace(block, format=source.format or block.format, encoding=encoding)
            lookups[source] = files.file(path, reading)
    return Block(block, found, lookups)


def _digest(blocks: list[Block]) -> str:
    """The names of the files do not count, only how they are read, their order and their bytes."""
    total = hashlib.sha256()
    for block in blocks:
        said = dataclasses.asdict(dataclasses.replace(block.mapping, files=()))
        total.update(json.dumps(said, sort_keys=True).encode())
        for file in (*block.files, *block.lookups.values()):
            with open(file.path, "rb") as raw:
                total.update(f"\n{file.format} ".encode() + hashlib.file_digest(raw, "sha256").digest())
    return total.hexdigest()[:16]


def _contents(lookup: Lookup, file: File) -> dict[str, str]:
    """What a looked-up file holds for each key."""
    found: dict[str, str] = {}
    for batch in files.batches(file, (lookup.key, lookup.value)):
        keys, texts = (values.present(batch.columns[n]).to_pylist() for n in (lookup.key, lookup.value))
        for index, (key, value) in enumerate(zip(keys, texts)):
            if key is not None and value is not None and found.setdefault(key, value) != value:
                problem = f"{key!r} stands for {found[key]!r} and for {value!r}"
                raise batch.error(index, problem, lookup.key, "Leave one row for each")
    return found


def keys(rows: pa.Table, names: tuple[str, ...]) -> list[object]:
    """The values of one column, or the tuples of several, as hashable Python values."""
    if len(names) == 1:
        return list(rows.column(names[0]).to_pylist())
    plain = [c.cast(pa.int64()) if pa.types.is_timestamp(c.type) else c for c in rows.select(list(names)).columns]
    return list(zip(*(c.to_pylist() for c in plain)))


def _repeated(batch: Batch, index: int, value: object, source: object) -> InputError:
    names = columns.read_by(source) if source is not None else ()  # type: ignore[arg-type]
    remedy = "Remove one of the rows, or set distinct = true to keep the first"
    return batch.error(index, f"{value!r} was already in an earlier row", ", ".join(names) or None, remedy)
