"""One block of a mapping applied to a batch of a file's rows: the columns of the table, in their types."""

from collections.abc import Mapping

import pyarrow as pa
import pyarrow.compute as pc

from limbeck.records import EITHER, schema
from limbeck.settings import Column, Joined, Level, Lookup, TableMapping, Translated
from limbeck.sources import levels, values
from limbeck.sources.batch import Batch

Found = Mapping[Lookup, Mapping[str, str]]  # what each looked-up file holds, key by key
_NONE = pa.scalar(None, pa.string())


def read_by(source: Column) -> tuple[str, ...]:
    """The columns of the file that a mapped column is made of."""
    if isinstance(source, str):
        return (source,)
    if isinstance(source, tuple):
        return source
    return source.columns if isinstance(source, Joined) else (source.column,)


def wanted(mapping: TableMapping) -> list[str]:
    """All columns of the file that a mapping reads, each once."""
    names = [name for source in mapping.columns.values() for name in read_by(source)]
    names += [mapping.level.column] if mapping.level else []
    return list(dict.fromkeys([*names, *mapping.where]))


def where(batch: Batch, mapping: TableMapping) -> pa.Array:
    """Which rows of a batch the mapping keeps."""
    keep = pa.array([True] * len(batch.numbers), pa.bool_())
    for column, value in mapping.where.items():
        allowed = pa.array([text(v) for v in (value if isinstance(value, tuple) else (value,))], pa.string())
        keep = pc.and_(keep, pc.is_in(pc.utf8_trim_whitespace(batch.columns[column]), value_set=allowed))
    return keep


def table(batch: Batch, name: str, mapping: TableMapping, found: Found) -> pa.Table:
    """The rows of a batch as rows of the table `name`; `InputError` names the first row that cannot be one."""
    fields = [field.with_nullable(field.nullable and not _chosen(field, name, mapping)) for field in schema(name)]
    columns = [_column(batch, field, mapping, found) for field in fields]
    return pa.Table.from_arrays(columns, schema=schema(name))


def _chosen(field: pa.Field, table: str, mapping: TableMapping) -> bool:
    """Whether a column is the one that tells what the mapped rows are about, and so may not be empty in any."""
    return field.name in EITHER.get(table, ()) and field.name in mapping.columns


def text(constant: str | int | float | bool) -> str:
    """A value of the recipe as files write it."""
    return str(constant).lower() if isinstance(constant, bool) else str(constant)


def _column(batch: Batch, field: pa.Field, mapping: TableMapping, found: Found) -> pa.Array:
    rows = len(batch.numbers)
    if field.name in mapping.constants:
        constant = pa.array([text(mapping.constants[field.name])], pa.string())
        return pa.repeat(values.READERS[field.type][0](constant)[0], rows)
    if field.name == "level":
        return _levels(batch, mapping)
    source = mapping.columns.get(field.name)
    if source is None:
        return pa.nulls(rows, field.type)
    texts = _texts(batch, source, mapping, found, field)
    reader, kind, remedy = values.READERS[field.type]
    converted = reader(texts)
    _check(batch, texts, converted, ", ".join(read_by(source)), (f"is not {kind}", remedy))
    return _filled(batch, converted, field, read_by(source))


def _levels(batch: Batch, mapping: TableMapping) -> pa.Array:
    level = mapping.level or Level(str(mapping.columns["level"]), levels.AS_THEY_ARE)
    ratings = values.present(batch.columns[level.column], mapping.nulls)
    found = levels.read(ratings, level)
    _check(batch, ratings, found, level.column, ("is no rating of the mapping", levels.remedy(level)))
    return _filled(batch, found, pa.field("level", pa.int32(), False), (level.column,))


def _texts(batch: Batch, source: Column, mapping: TableMapping, found: Found, field: pa.Field) -> pa.Array:
    """The texts of one mapped column, null where there is none."""
    parts = [values.present(batch.columns[name], mapping.nulls) for name in read_by(source)]
    if isinstance(source, tuple):
        return pc.binary_join_element_wise(*parts, ":")
    if isinstance(source, Joined):
        return _joined(parts, source.separator)
    if isinstance(source, Translated):
        translated = _replaced(parts[0], source.table)
        remedy = f"The table of {field.name} has {', '.join(map(repr, source.table))}: add this value"
        _check(batch, parts[0], translated, source.column, ("is not in the table of the mapping", remedy))
        return translated
    if isinstance(source, Lookup):
        looked_up = _replaced(parts[0], found[source])
        if not field.nullable:
            problem = f"is not among the {source.key} of {source.file}"
            _check(batch, parts[0], looked_up, source.column, (problem, "Add it there, or leave the row out"))
        return looked_up
    return parts[0]


def _joined(parts: list[pa.Array], separator: str) -> pa.Array:
    """Texts joined, those that are missing left out; null where all are."""
    there = pc.fill_null(pc.coalesce(*parts), "")
    # Arrow (25.0) drops rows in which everything is to be skipped, so one part is made empty there.
    first = pc.if_else(pc.equal(there, ""), there, parts[0])
    return values.present(pc.binary_join_element_wise(first, *parts[1:], separator, null_handling="skip"))


def _replaced(texts: pa.Array, by: Mapping[str, str]) -> pa.Array:
    return pa.array([None if t is None else by.get(t) for t in texts.to_pylist()], pa.string())


def _check(batch: Batch, before: pa.Array, after: pa.Array, column: str, saying: tuple[str, str]) -> None:
    """Nothing that was there may have become null."""
    lost = pc.and_(before.is_valid(), after.is_null())
    index = pc.index(lost, True).as_py()
    if index >= 0:
        problem, remedy = saying
        raise batch.error(index, f"{before[index].as_py()!r} {problem}", column, remedy)


def _filled(batch: Batch, converted: pa.Array, field: pa.Field, names: tuple[str, ...]) -> pa.Array:
    """`converted`, if no value is missing where the table wants one."""
    if not field.nullable and converted.null_count:
        index = pc.index(converted.is_null(), True).as_py()
        remedy = f"Every row needs a {field.name}: fill it in, or remove the row"
        raise batch.error(index, "is empty", _first_empty(batch, index, names), remedy)
    return converted


def _first_empty(batch: Batch, index: int, names: tuple[str, ...]) -> str:
    """Of the columns that make an id, the one that is empty in this row."""
    empty = (n for n in names if not (batch.columns[n][index].as_py() or "").strip())
    return next(empty, names[0])
