"""JSON lines: one object a line, of texts, numbers, true, false, null, or lists of them."""

import itertools
import json
from collections.abc import Collection, Iterable, Iterator

import numpy as np

from limbeck.errors import InputError
from limbeck.sources.batch import ROWS_PER_BATCH, Batch, File, text_array
from limbeck.sources.decoding import MARK, lines

# Numbers stay as they are written, so that a long id keeps all its digits; NaN is a missing value.
_DECODER = json.JSONDecoder(parse_int=str, parse_float=str, parse_constant=lambda name: None)


def header(file: File) -> list[str]:
    """Every key of any object in the file, in order of appearance."""
    keys: dict[str, None] = {}
    with lines(file, "\n", _marked) as text:
        for number, line in _numbered(text):
            keys.update(dict.fromkeys(_object(line, file, number)))
    return list(keys)


def count(file: File) -> int:
    """How many lines are not blank."""
    with lines(file, "\n", _marked) as text:
        return sum(1 for _ in _numbered(text))


def batches(file: File, wanted: Collection[str]) -> Iterator[Batch]:
    """The keys `wanted`, batch by batch; a key that an object lacks is null there."""
    with lines(file, "\n", _marked) as text:
        numbered = _numbered(text)
        while chunk := list(itertools.islice(numbered, ROWS_PER_BATCH)):
            numbers = np.array([number for number, _ in chunk])
            objects = [_object(line, file, number) for number, line in chunk]
            yield Batch(file, numbers, {name: _column(objects, name, file, numbers) for name in wanted})


def _numbered(text: Iterable[str]) -> Iterator[tuple[int, str]]:
    """The lines that are not blank, with their numbers."""
    return ((number, line) for number, line in enumerate(text, 1) if not line.isspace())


def _object(line: str, file: File, number: int) -> dict[str, object]:
    try:
        found = _DECODER.decode(line)
    except (json.JSONDecodeError, RecursionError) as error:
        problem, remedy = f"not JSON ({error})", "Write one object per line"
        raise InputError(problem, file=file.path, row=number, remedy=remedy) from None
    if not isinstance(found, dict):
        raise InputError("not a JSON object", file=file.path, row=number, remedy='Write one {"column": value} per line')
    return found


def _column(objects: list[dict[str, object]], name: str, file: File, numbers: np.ndarray) -> object:
    values = [o.get(name) for o in objects]
    texts: list[str | None] = []
    for number, value in zip(numbers, values):
        if isinstance(value, list):
            value = " ".join(v if isinstance(v, str) else _scalar(v, file, number, name) or "" for v in value)
        texts.append(value if isinstance(value, str) else _scalar(value, file, number, name))
    return text_array(texts, file, numbers, name)


def _scalar(value: object, file: File, number: int, name: str) -> str | None:
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None or isinstance(value, str):
        return value
    remedy = "Only texts, numbers, true, false, null and lists of them can be mapped"
    raise InputError("a nested value", file=file.path, row=int(number), column=name, remedy=remedy)


def _marked(text: Iterable[str]) -> tuple[int, str | None]:
    """The number of the first line with a mark."""
    return next((number for number, line in enumerate(text, 1) if MARK in line), 1), None
