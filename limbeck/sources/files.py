"""Any file of rows, read in batches of texts: CSV, TSV, JSON lines or Parquet; plain, zipped or gzipped.

Every value is handed on as text, as the file writes it; `values.py` makes numbers and dates of them. Rows are numbered
as a user counts them: from 1, the header of a CSV file being row 1; blank lines count, though they are no rows.
"""

from collections import Counter
from collections.abc import Collection, Iterator
from pathlib import Path, PurePath
from types import ModuleType

from limbeck.errors import InputError
from limbeck.settings import TableMapping
from limbeck.sources import delimited, jsonlines, parquet
from limbeck.sources.batch import Batch, File, absent
from limbeck.sources.opening import inner_name, opened

_BY_SUFFIX = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".tab": "tsv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".parquet": "parquet",
    ".pq": "parquet",
}
_READERS: dict[str, ModuleType] = {"csv": delimited, "tsv": delimited, "jsonl": jsonlines, "parquet": parquet}


def file(path: Path, mapping: TableMapping) -> File:
    """The file at `path` with all that its mapping says about reading it."""
    with opened(path):
        pass  # an empty, locked or damaged file is named here
    chosen = mapping.format or _BY_SUFFIX.get(PurePath(inner_name(path)).suffix.lower())
    if chosen is None:
        remedy = 'Say format = "csv", "tsv", "jsonl" or "parquet" in the recipe'
        raise InputError("its format cannot be told from its name", file=path, remedy=remedy)
    delimiter = mapping.delimiter or ("\t" if chosen == "tsv" else ",")
    if len(delimiter) != 1 or len(mapping.quote) > 1:
        raise InputError("delimiter and quote are one character each", file=path)
    return File(path, chosen, mapping.encoding, delimiter, mapping.quote)


def count(file: File) -> int:
    """How many rows the file has."""
    return int(_READERS[file.format].count(file))


def require(file: File, wanted: Collection[str]) -> None:
    """`InputError` unless the file has each of the columns `wanted` exactly once."""
    there = _READERS[file.format].header(file)
    if not there:
        raise InputError("is empty", file=file.path, remedy="Leave it out, or export it again")
    times = Counter(there)
    for column in wanted:
        if column not in times:
            raise _unsplit(file, there) or absent(file, column, there)
        if times[column] > 1:
            remedy = "Rename one of them"
            raise InputError(f"{times[column]} columns have this name", file=file.path, column=column, remedy=remedy)


def batches(file: File, wanted: Collection[str]) -> Iterator[Batch]:
    """The columns `wanted` of a file that has them, batch by batch, in bounded memory."""
    return iter(_READERS[file.format].batches(file, wanted))


def _unsplit(file: File, there: list[str]) -> InputError | None:
    """A CSV header of one column that holds another delimiter: the likeliest cause of a missing column."""
    if len(there) != 1 or file.format not in ("csv", "tsv"):
        return None
    other = next((d for d in ("\t", ";", ",", "|") if d in there[0]), None)
    if other is None:
        return None
    problem = f"the header is one column, {there[0]!r}"
    return InputError(problem, file=file.path, row=1, remedy=f"Set delimiter = {_toml(other)}")


def _toml(character: str) -> str:
    return '"\\t"' if character == "\t" else f'"{character}"'
