"""The answer of `/v1/rerank` by ids, written without an object for each Pin: they cost more than its grading.

What is answered is what `messages.py` says.
"""

import re

import msgspec
import numpy as np

from limbeck import compiled
from limbeck.serve.messages import MAX_DOCUMENTS, Usage
from limbeck.serve.ranked import DECIMALS, in_order, rounded


class RerankedPins(msgspec.Struct):
    """As `RerankAnswer`, its results written already."""

    id: str
    model: str
    results: msgspec.Raw
    usage: Usage = Usage()


def results(distribution: np.ndarray, most: int | None = None) -> tuple[np.ndarray, msgspec.Raw]:
    """Which of the Pins asked about are the first `most`, by their places (n,), and the list of their results as JSON.

    Of their grades (n, 5), in the order in which they were asked about. Each result is as `_RESULT`, digits in their
    places; an index that has fewer stands behind spaces.
    """
    expected = rounded(distribution)
    order = in_order(expected, most)
    return order, msgspec.Raw(_list(order, expected, distribution).data if len(order) else b"[]")


def _list(order: np.ndarray, expected: np.ndarray, distribution: np.ndarray) -> np.ndarray:
    """The list of these results, uint8."""
    out = np.empty(1 + len(order) * len(_TEMPLATE), np.uint8)
    lines = out[1:].reshape(len(order), -1)
    lines[:] = _TEMPLATE
    _write(lines, order, expected, distribution)
    out[0], out[-1] = ord("["), ord("]")  # this in place of the last comma
    return out


@compiled.kernel
def _write(lines, order, expected, distribution):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """The numbers of each result into its line."""
    for i in range(len(order)):
        line, place = lines[i], order[i]
        _whole(line, place)
        _decimal(line, _EXPECTED, expected[place])
        _decimal(line, _SCORE, min(max((expected[place] - 1) / 4, 0), 1))
        level = 0
        for j in range(len(_PROBABILITIES)):
            _decimal(line, _PROBABILITIES[j], np.float64(distribution[place, j]))
            level = j if distribution[place, j] > distribution[place, level] else level
        line[_LEVEL] = _ZERO + level + 1


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


_ZERO, _UNIT = ord("0"), 10.0**DECIMALS
_NUMBER = "#." + DECIMALS * "#"
_RESULT = (
    f'{{"index":   #,"relevance_score":{_NUMBER},"level":#,"expected_level":{_NUMBER},'
    f'"probabilities":[{",".join(5 * [_NUMBER])}]}},'
)
_TEMPLATE = np.frombuffer(_RESULT.encode(), np.uint8)
_INDEX, _SCORE, _LEVEL, _EXPECTED, *_EACH = (np.uint64(found.start()) for found in re.finditer(r"#(\.#+)?", _RESULT))
_PROBABILITIES = tuple(_EACH)
assert len(str(MAX_DOCUMENTS - 1)) <= len(_RESULT[: int(_INDEX) + 1].partition(":")[2])
