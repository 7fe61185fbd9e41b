"""What is answered of Pins and documents: who they are, what they were given, and in which order they stand."""

from collections.abc import Sequence
from typing import NamedTuple

import msgspec
import numpy as np
from msgspec import UNSET, UnsetType

from limbeck import compiled
from limbeck.index.catalogue import Shown
from limbeck.relevance import LEVELS
from limbeck.serve.why import Why

DECIMALS = 6  # of what is answered, and by which is told apart
_UNIT, _COUNT = 10.0**DECIMALS, len(LEVELS)


class Graded(NamedTuple):
    """What the model saw and said of one query and some Pins, row for row."""

    rows: np.ndarray  # of the store (n,)
    query: np.ndarray  # its vector (1, d)
    features: np.ndarray  # (n, f)
    probabilities: np.ndarray  # (n, 5)

    @classmethod
    def together(cls, parts: Sequence["Graded"]) -> "Graded":
        """What was seen of one query in several parts."""
        rows, _, features, probabilities = map(np.concatenate, zip(*parts))
        return cls(rows, parts[0].query, features, probabilities)


class Found(NamedTuple):
    """What a search found, in the order in which it is shown."""

    rows: np.ndarray  # of the store (n,)
    probabilities: np.ndarray | None  # (n, 5); None where nobody graded


class Pin(Shown, frozen=True):
    """What is shown of a Pin, as it is answered."""


class Ranked(Pin, frozen=True):
    """A Pin in an answer: its most probable level, the expected one (1.0–5.0) and all five probabilities.

    All three are null where a search fell back to text match: nobody graded it.
    """

    level: int | None = None
    expected_level: float | None = None
    probabilities: tuple[float, ...] | None = None
    why: Why | UnsetType = UNSET


class Similar(Pin, frozen=True):
    """A Pin near another; `similarity` is the inner product of their vectors."""

    similarity: float


class RankedDocument(msgspec.Struct, frozen=True, gc=False):
    """A document in an answer, graded as Pins are; `index` is its place among those asked about, from 0."""

    index: int
    level: int
    expected_level: float
    probabilities: tuple[float, ...]


def first(distribution: np.ndarray, k: int) -> np.ndarray:
    """Which rows are among the first `k`, in any order: more than `k` of them where equal ones are on the edge."""
    expected = rounded(distribution)
    if not 0 < k < len(expected):
        return np.arange(len(expected))
    return np.flatnonzero(expected >= np.partition(expected, -k)[-k])


def in_order(distribution: np.ndarray, most: int | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Which of these rows are the first `most`, highest expected level first, equal ones as they came; all levels.

    A level and its place make one whole number: those are sorted in a quarter of the time of a stable sort.
    """
    expected, keys = np.empty(len(distribution)), np.empty(len(distribution), np.int64)
    _number(distribution, expected, keys)
    keys.sort()
    return keys[:most] % len(keys), expected


@compiled.kernel
def _number(distribution, expected, keys):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    for i in range(len(keys)):
        millionths = _millionths(distribution, i)
        expected[i], keys[i] = millionths / _UNIT, np.int64(-millionths) * len(keys) + i


def documents_in_order(distribution: np.ndarray, most: int | None = None) -> list[RankedDocument]:
    """The first `most` of documents with these probabilities (n, 5), in order."""
    order, _ = in_order(distribution, most)
    return [RankedDocument(*found) for found in zip(order.tolist(), *told(distribution[order]))]


def rounded(distribution: np.ndarray) -> np.ndarray:
    """Expected levels of probabilities (n, 5), float64 (n,), rounded so that the last bits decide no order."""
    expected = np.empty(len(distribution))
    _expect(distribution, expected)
    return expected


@compiled.kernel
def _expect(distribution, expected):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    for i in range(len(expected)):
        expected[i] = _millionths(distribution, i) / _UNIT


@compiled.within
def _millionths(distribution, i):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """The expected level of one row in units of the last decimal, a whole number."""
    level = np.float32(0)
    for j in range(_COUNT):
        level += np.float32(j + 1) * distribution[i, j]
    return np.rint(level * _UNIT)


def told(distribution: np.ndarray) -> tuple[list[int], list[float], list[tuple[float, ...]]]:
    """Most probable and expected levels, and probabilities, of each row."""
    rows = distribution.astype(np.float64).round(DECIMALS).tolist()
    return (distribution.argmax(axis=1) + 1).tolist(), rounded(distribution).tolist(), list(map(tuple, rows))
