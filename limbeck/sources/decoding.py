"""The characters of a file, and the row and column of bytes that are none in its encoding."""

import codecs
import io
import itertools
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

from limbeck.errors import InputError
from limbeck.sources.batch import File
from limbeck.sources.opening import opened

MARK = "\udfff"  # stands for undecodable bytes in the second reading; no text that was decoded can hold it
Locate = Callable[[Iterable[str]], tuple[int, str | None]]

codecs.register_error("limbeck-mark", lambda error: (MARK, getattr(error, "end")))  # noqa: B009


@contextmanager
def lines(file: File, newline: str, locate: Locate) -> Iterator[Iterable[str]]:
    """The lines of a file, without a byte order mark.

    Bytes that cannot be decoded are found by reading again with `MARK` in their place: `locate` tells from those lines
    the number of the first marked row, and its column.
    """
    try:
        with opened(file.path) as raw:
            yield _lines(file, raw, newline, "strict")
    except UnicodeDecodeError as error:
        with opened(file.path) as raw:
            row, column = locate(_lines(file, raw, newline, "limbeck-mark"))
        found = error.object[error.start : error.start + 4].hex(" ")
        utf16 = file.encoding.lower() in ("utf-8", "utf8") and _starts(file, (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
        remedy = f"Say how the file is encoded, for example encoding = {'utf-16' if utf16 else 'latin-1'!r}"
        problem = f"the bytes {found} are not {file.encoding}"
        raise InputError(problem, file=file.path, row=row, column=column, remedy=remedy) from None


def _lines(file: File, raw: io.BufferedIOBase | object, newline: str, errors: str) -> Iterable[str]:
    try:
        text = io.TextIOWrapper(raw, encoding=file.encoding, errors=errors, newline=newline)  # type: ignore[type-var]
    except LookupError:
        remedy = 'Common ones are "utf-8", "utf-16", "latin-1", "cp1252"'
        raise InputError(f"there is no encoding {file.encoding!r}", file=file.path, remedy=remedy) from None
    first = text.readline().removeprefix("\ufeff")
    return itertools.chain([first] if first else [], text)


def _starts(file: File, marks: tuple[bytes, ...]) -> bool:
    with opened(file.path) as raw:
        return raw.read(4).startswith(marks)
