"""CSV and its relatives: any delimiter, quoted line breaks, strict about quotes and the number of values."""

import csv
from collections.abc import Collection, Iterable, Iterator

import numpy as np

from limbeck.errors import InputError
from limbeck.sources.batch import ROWS_PER_BATCH, Batch, File, text_array
from limbeck.sources.decoding import MARK, lines

_LONGEST_VALUE = 1 << 24  # a value longer than this is an unclosed quotation mark


def header(file: File) -> list[str]:
    """The names in the first row."""
    with lines(file, "", lambda marked: _marked(marked, file)) as text:
        return next(_records(text, file), (1, []))[1]


def count(file: File) -> int:
    """How many rows follow the header."""
    with lines(file, "", lambda marked: _marked(marked, file)) as text:
        return max(0, sum(1 for _, record in _records(text, file) if record) - 1)


def batches(file: File, wanted: Collection[str]) -> Iterator[Batch]:
    """The columns `wanted`, batch by batch."""
    with lines(file, "", lambda marked: _marked(marked, file)) as text:
        records = _records(text, file)
        names = next(records, (1, []))[1]
        places = {name: names.index(name) for name in wanted}
        for numbers, rows in _batched(records):
            _check_widths(file, names, numbers, rows)
            columns = {n: text_array([r[i] for r in rows], file, numbers, n) for n, i in places.items()}
            yield Batch(file, numbers, columns)


def _records(text: Iterable[str], file: File) -> Iterator[tuple[int, list[str]]]:
    """Each record with its number, from 1; a blank line is an empty record."""
    csv.field_size_limit(_LONGEST_VALUE)
    if file.quote:
        reader = csv.reader(text, delimiter=file.delimiter, quotechar=file.quote, strict=True)
    else:
        reader = csv.reader(text, delimiter=file.delimiter, quotechar=None, quoting=csv.QUOTE_NONE)
    number = 0
    try:
        for number, record in enumerate(reader, 1):
            yield number, record
    except csv.Error as error:
        remedy = 'Double quotation marks inside a quoted value, or set quote = "" if they are ordinary characters'
        raise InputError(f"badly quoted ({error})", file=file.path, row=number + 1, remedy=remedy) from None


def _batched(records: Iterator[tuple[int, list[str]]]) -> Iterator[tuple[np.ndarray, list[list[str]]]]:
    numbers: list[int] = []
    rows: list[list[str]] = []
    for number, record in records:
        if record:
            numbers.append(number)
            rows.append(record)
        if len(rows) == ROWS_PER_BATCH:
            yield np.array(numbers), rows
            numbers, rows = [], []
    if rows:
        yield np.array(numbers), rows


def _check_widths(file: File, names: list[str], numbers: np.ndarray, rows: list[list[str]]) -> None:
    """Every row must have as many values as the header has names."""
    width = len(names)
    bad = next((i for i, row in enumerate(rows) if len(row) != width), None)
    if bad is None:
        return
    problem = f"{len(rows[bad])} values, but the header has {width} columns"
    remedy = f"Quote values that hold {file.delimiter!r}, or set delimiter"
    raise InputError(problem, file=file.path, row=int(numbers[bad]), remedy=remedy)


def _marked(text: Iterable[str], file: File) -> tuple[int, str | None]:
    """The number of the first record with a mark, and the column it is in."""
    names: list[str] = []
    for number, record in _records(text, file):
        names = names or record
        place = next((i for i, value in enumerate(record) if MARK in value), None)
        if place is not None:
            return number, names[place] if number > 1 and place < len(names) else None
    return 1, None
