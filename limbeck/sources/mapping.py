"""What can be wrong with a mapping itself, before any file is opened."""

import difflib
from collections.abc import Iterable

import pyarrow as pa

from limbeck.errors import InputError
from limbeck.records import EITHER, schema
from limbeck.settings import TableMapping
from limbeck.sources import columns, levels, values


def validate(mapping: TableMapping, table: str, place: str) -> None:
    """`InputError` unless the mapping gives each column of `table` at most one source, and required ones a source."""
    if not mapping.files:
        raise InputError("files is empty", file=place, remedy="Name at least one file")
    given = [*mapping.columns, *mapping.constants, *(["level"] if mapping.level else [])]
    for name in given:
        if name not in schema(table).names:
            raise InputError(f"the {table} table has no column {name!r}", file=place, remedy=_known(name, table))
        if given.count(name) > 1:
            remedy = "Keep either the column or the constant"
            raise InputError(f"{name!r} is given twice", file=place, remedy=remedy)
        if name in mapping.columns and not columns.read_by(mapping.columns[name]):
            raise InputError(f"{name!r} is mapped to no column", file=place, remedy="Name at least one")
    for field in schema(table):
        if not field.nullable and field.name not in given:
            remedy = f"Say which column it is, or give a constant{_sample(field)}"
            raise InputError(f"nothing is mapped to {field.name!r}", file=place, remedy=remedy)
    _validate_either(table, given, place)
    _validate_level(mapping, place)
    _validate_constants(mapping, table, place)


def _validate_either(table: str, given: list[str], place: str) -> None:
    either = EITHER.get(table, ())
    if either and sum(name in given for name in either) != 1:
        remedy = f"If you have both, write one [[tables.{table}]] for each"
        raise InputError(f"of {' and '.join(either)}, exactly one is to be mapped", file=place, remedy=remedy)
    if either and not set(given) - set(either):
        rest = [name for name in schema(table).names if name not in either]
        raise InputError(f"nothing is mapped to {' or '.join(rest)}", file=place, remedy="Say which column it is")


def _validate_level(mapping: TableMapping, place: str) -> None:
    if mapping.level:
        levels.validate(mapping.level, place)
    elif not isinstance(mapping.columns.get("level", ""), str):
        raise InputError("level is mapped from one column", file=place, remedy='level = { column = "…", table = … }')


def _validate_constants(mapping: TableMapping, table: str, place: str) -> None:
    for name, constant in mapping.constants.items():
        kind = schema(table).field(name).type
        reader, wording, remedy = values.READERS[kind]
        if not reader(pa.array([columns.text(constant)], pa.string()))[0].is_valid:
            raise InputError(f"the constant {name} is {constant!r}, not {wording}", file=place, remedy=remedy or None)
        if name == "level" and columns.text(constant) not in levels.AS_THEY_ARE:
            raise InputError(f"the constant level is {constant!r}, not 1–5", file=place)


def _known(name: str, table: str) -> str:
    names: Iterable[str] = schema(table).names
    close = difflib.get_close_matches(name, list(names), 1)
    return f"Did you mean {close[0]!r}?" if close else f"It has {', '.join(names)}"


def _sample(field: pa.Field) -> str:
    return f", such as constants = {{ {field.name} = false }}" if pa.types.is_boolean(field.type) else ""
