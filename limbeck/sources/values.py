"""Texts as numbers, truth values and times. What cannot be read becomes null, for the caller to find and name."""

import re
from collections.abc import Callable
from datetime import UTC, datetime

import pyarrow as pa
import pyarrow.compute as pc

INSTANT = pa.timestamp("us", "UTC")
_NUMBER = r"^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?$"
_ISO = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?Z?$"
_EPOCH = re.compile(r"[0-9]{9,18}(\.[0-9]*)?")  # shorter numbers are more likely years, days or 20260131
_TRUE, _FALSE = ["true", "t", "yes", "y", "1", "1.0"], ["false", "f", "no", "n", "0", "0.0"]
_NONE = pa.scalar(None, pa.string())


def present(texts: pa.Array, nulls: tuple[str, ...] = ()) -> pa.Array:
    """Texts as they are, but null where they are blank or one of `nulls`."""
    trimmed = pc.utf8_trim_whitespace(texts)
    blank = pc.is_in(trimmed, value_set=pa.array(["", *nulls], pa.string()))
    return pc.if_else(blank, _NONE, texts)


def numbers(texts: pa.Array) -> pa.Array:
    """Decimal numbers as float64."""
    trimmed = pc.utf8_trim_whitespace(texts)
    readable = pc.match_substring_regex(trimmed, _NUMBER)
    return pc.if_else(readable, trimmed, _NONE).cast(pa.float64())


def measures(texts: pa.Array) -> pa.Array:
    """Decimal numbers as float32; one too large for it cannot be read."""
    found = numbers(texts).cast(pa.float32())
    return pc.if_else(pc.is_finite(found), found, pa.scalar(None, pa.float32()))


def integers(texts: pa.Array) -> pa.Array:
    """Whole numbers as int32; "3.0" is one, "3.5" is not, nor is what 32 bits cannot hold."""
    found = numbers(texts)
    whole = pc.and_(pc.equal(pc.floor(found), found), pc.less(pc.abs(found), 2.0**31))
    return pc.if_else(whole, found, pa.scalar(None, pa.float64())).cast(pa.int32())


def truths(texts: pa.Array) -> pa.Array:
    """1/0, true/false, yes/no, t/f, y/n, in any case."""
    lowered = pc.utf8_lower(pc.utf8_trim_whitespace(texts))
    true = pc.is_in(lowered, value_set=pa.array(_TRUE))
    false = pc.is_in(lowered, value_set=pa.array(_FALSE))
    return pc.if_else(true, pa.scalar(True), pc.if_else(false, pa.scalar(False), pa.scalar(None, pa.bool_())))


def instants(texts: pa.Array) -> pa.Array:
    """ISO 8601 dates and times (UTC unless they say otherwise) or epoch seconds, as UTC microseconds."""
    plain = pc.match_substring_regex(texts, _ISO)
    if pc.all(plain.fill_null(True)).as_py():
        try:
            return pc.replace_substring(texts, "Z", "").cast(pa.timestamp("us")).cast(pa.int64()).cast(INSTANT)
        except pa.ArrowInvalid:  # the 30th of February: found one by one below
            pass
    return pa.array([None if text is None else _instant(text.strip()) for text in texts.to_pylist()], INSTANT)


def _instant(text: str) -> datetime | None:
    try:
        found = _epoch(text) if _EPOCH.fullmatch(text) else datetime.fromisoformat(text)
        return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    except (ValueError, OverflowError, OSError):
        return None


def _epoch(text: str) -> datetime:
    """Seconds since 1970; so large a number that they would be millennia is milli- or microseconds."""
    seconds = float(text)
    scale = 1 if seconds < 1e11 else 1e3 if seconds < 1e14 else 1e6
    return datetime.fromtimestamp(seconds / scale, UTC)


READERS: dict[pa.DataType, tuple[Callable[[pa.Array], pa.Array], str, str]] = {
    pa.string(): (lambda texts: texts, "a text", ""),
    pa.int32(): (integers, "a whole number", "Write it in digits"),
    pa.float32(): (measures, "a number", "Write it in digits, with a decimal point"),
    pa.bool_(): (truths, "true or false", "Write 1 or 0, true or false, yes or no"),
    INSTANT: (instants, "a date or time", "Write it as 2026-01-31T23:59:59Z or as seconds since 1970"),
}
