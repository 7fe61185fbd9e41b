"""A file to read, and some of its rows: columns of texts, each row with its number as a user counts."""

import difflib
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa

from limbeck.errors import InputError

ROWS_PER_BATCH = 16_384


@dataclass(frozen=True)
class File:
    """One file and how to read it. An empty `quote` means that quotation marks are ordinary characters."""

    path: Path
    format: str
    encoding: str = "utf-8"
    delimiter: str = ","
    quote: str = '"'


@dataclass(frozen=True)
class Batch:
    """Some rows of a file: the columns that were asked for, as texts, and the number of each row."""

    file: File
    numbers: np.ndarray = field(repr=False)
    columns: dict[str, pa.Array]

    def filter(self, mask: pa.Array) -> "Batch":
        """The rows where `mask` is true."""
        columns = {name: values.filter(mask) for name, values in self.columns.items()}
        return Batch(self.file, self.numbers[mask.to_numpy(zero_copy_only=False)], columns)

    def error(self, index: int, problem: str, column: str | None = None, remedy: str | None = None) -> InputError:
        """What is wrong with the row at `index` of this batch."""
        return InputError(problem, file=self.file.path, row=int(self.numbers[index]), column=column, remedy=remedy)


def absent(file: File, column: str, there: Iterable[str]) -> InputError:
    """That a file lacks a column, with the nearest of the columns that are there."""
    there = list(there)
    close = difflib.get_close_matches(column, there, 1, 0.5)
    known = f"Did you mean {close[0]!r}?" if close else f"It has {', '.join(map(repr, there[:12]))}"
    return InputError("no such column", file=file.path, column=column, remedy=known)


def text_array(values: list[str | None], file: File, numbers: np.ndarray, column: str) -> pa.Array:
    """Texts as an Arrow column; `InputError` where one is not valid Unicode (half a surrogate pair)."""
    try:
        return pa.array(values, pa.string())
    except UnicodeEncodeError:
        bad = next(i for i, v in enumerate(values) if v and any("\ud800" <= c <= "\udfff" for c in v))
        remedy = "Write the character as one, or remove it"
        problem = "holds half of a surrogate pair, which is no character"
        raise Batch(file, numbers, {}).error(bad, problem, column, remedy) from None
