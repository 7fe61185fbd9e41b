"""Answers of the hot routes, written without an object for each Pin: they cost more than its grading.

What is answered is what `messages.py` says.
"""

import re
from collections.abc import Sequence

import msgspec
import numpy as np

from limbeck import compiled
from limbeck.serve.messages import MAX_DOCUMENTS, Usage
from limbeck.serve.ranked import DECIMALS, in_order, rounded
from limbeck.serve.understand import Understood


class RerankedPins(msgspec.Struct):
    """As `RerankAnswer`, its results written already."""

    id: str
    model: str
    results: msgspec.Raw
    usage: Usage = Usage()


class FoundPins(msgspec.Struct):
    """As `SearchAnswer`, its Pins written already."""

    query: str
    understood: Understood
    model: str
    degraded: str | None
    results: msgspec.Raw


def results(distribution: np.ndarray, most: int | None = None) -> tuple[np.ndarray, msgspec.Raw]:
    """Which of the Pins asked about are the first `most`, by their places (n,), and the list of their results as JSON.

    Of their grades (n, 5), in the order in which they were asked about. An index of fewer digits stands behind spaces.
    """
    order, expected = in_order(distribution, most)
    out = np.empty(1 + len(order) * len(_RESULT), np.uint8)
    _write_results(out, order, expected, distribution)
    return order, msgspec.Raw(out.data if len(order) else b"[]")


def pins(told: Sequence[bytes | memoryview], distribution: np.ndarray) -> msgspec.Raw:
    """The list of Pins as JSON: of what is shown of each, as JSON, and their grades (n, 5), in the same order."""
    if not told:
        return msgspec.Raw(b"[]")
    size, out = len(_GRADES), np.empty(len(told) * len(_GRADES), np.uint8)
    _write_grades(out, rounded(distribution), distribution)
    grades, parts = out.data, list[bytes | memoryview]([b"["])
    for i, pin in enumerate(told):
        parts += (pin[:-1], grades[i * size : (i + 1) * size])  # as fields of the same object
    return msgspec.Raw(b"".join(parts))


@compiled.kernel
def _write_results(out, order, expected, distribution):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """The list of the results in this order."""
    out[0] = _BEGIN
    for i in range(len(order)):
        line, place = out[1 + i * len(_RESULT) : 1 + (i + 1) * len(_RESULT)], order[i]
        _copy(_RESULT, line)
        _whole(line, place)
        _decimal(line, _SCORE, min(max((expected[place] - 1) / 4, 0), 1))
        _grade(line, _OF_RESULT, expected[place], distribution[place])
    out[-1] = _END  # in place of the last comma


@compiled.kernel
def _write_grades(out, expected, distribution):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """What follows on what is shown of each Pin, and the end of their list."""
    for i in range(len(expected)):
        line = out[i * len(_GRADES) : (i + 1) * len(_GRADES)]
        _copy(_GRADES, line)
        _grade(line, _OF_GRADES, expected[i], distribution[i])
    out[-1] = _END


@compiled.within
def _copy(template, line):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    for k in range(len(template)):
        line[k] = template[k]


@compiled.within
def _grade(line, places, expected, distribution):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """Level, expected level and probabilities into a line, at their places."""
    _decimal(line, places[1], expected)
    level = 0
    for j in range(len(places) - 2):
        _decimal(line, places[2 + j], np.float64(distribution[j]))
        level = j if distribution[j] > distribution[level] else level
    line[places[0]] = _ZERO + level + 1


@compiled.within
def _whole(line, number):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """The index of a result, over the spaces that end at its place."""
    place = _INDEX
    line[place] = _ZERO + number % 10
    while number >= 10:
        number //= 10
        place -= np.uint64(1)
        line[place] = _ZERO + number % 10


@compiled.within
def _decimal(line, place, number):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """A number below ten, rounded: eight characters in one word, in which digits part by multiplication.

    Into fours, then twos, then ones; the first two of the eight are the whole and the point.
    """
    millionths = np.uint64(np.rint(number * _UNIT))
    whole, rest = millionths // np.uint64(1_000_000), millionths % np.uint64(1_000_000)
    word = rest // np.uint64(10_000) | rest % np.uint64(10_000) << np.uint64(32)
    upper = word * np.uint64(10_486) >> np.uint64(20) & np.uint64(0x7F0000007F)
    word = upper | word - np.uint64(100) * upper << np.uint64(16)
    upper = word * np.uint64(103) >> np.uint64(10) & np.uint64(0x000F000F000F000F)
    word = upper | word - np.uint64(10) * upper << np.uint64(8)
    word |= whole | np.uint64(0x3030303030302E30)
    for k in range(8):
        line[place + np.uint64(k)] = word >> np.uint64(8 * k) & np.uint64(0xFF)


def _template(text: str) -> tuple[np.ndarray, list[np.uint64]]:
    """A text as bytes, and where its numbers begin."""
    return np.frombuffer(text.encode(), np.uint8), [np.uint64(n.start()) for n in re.finditer(r"#(\.#+)?", text)]


_ZERO, _UNIT = ord("0"), 10.0**DECIMALS
_NUMBER = "#." + DECIMALS * "#"
_GRADE = f'"level":#,"expected_level":{_NUMBER},"probabilities":[{",".join(5 * [_NUMBER])}]}},'
_RESULT, (_INDEX, _SCORE, *_REST) = _template(f'{{"index":   #,"relevance_score":{_NUMBER},{_GRADE}')
_GRADES, _PLACES = _template(f",{_GRADE}")
_OF_RESULT, _OF_GRADES = tuple(_REST), tuple(_PLACES)  # places of the level, the expected level, and probabilities
_BEGIN, _END = b"[]"
assert len(str(MAX_DOCUMENTS - 1)) <= len(_RESULT[: int(_INDEX) + 1].tobytes().partition(b":")[2])
