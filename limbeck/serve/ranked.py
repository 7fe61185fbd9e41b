"""What is answered of Pins and documents: who they are, what they were given, and in which order they stand."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import msgspec
import numpy as np
from msgspec import UNSET, UnsetType

from limbeck import compiled
from limbeck.index.catalogue import Shown
from limbeck.serve.why import Why

DECIMALS = 6  # of what is answered, and by which is told apart
_UNIT = 10.0**DECIMALS


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


class Pin(Shown, frozen=True, array_like=False):
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


def in_order(expected: np.ndarray, most: int | None = None) -> np.ndarray:
    """Which of these rounded expected levels (n,) are the first `most`, highest first, equal ones as they came.

    A level and its place make one whole number: those are sorted in a quarter of the time of a stable sort.
    """
    keys = np.empty(len(expected), np.int64)
    _number(expected, keys)
    keys.sort()
    return keys[:most] % len(keys)


@compiled.kernel
def _number(expected, keys):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    for i in range(len(keys)):
        keys[i] = np.int64(np.rint(expected[i] * -_UNIT)) * len(keys) + i


def documents_in_order(distribution: np.ndarray, most: int | None = None) -> list[RankedDocument]:
    """The first `most` of documents with these probabilities (n, 5), in order."""
    grades = list(zip(*told(distribution)))
    return [RankedDocument(place, *grades[place]) for place in in_order(rounded(distribution), most).tolist()]


def rounded(distribution: np.ndarray) -> np.ndarray:
    """Expected levels of probabilities (n, 5), float64 (n,), rounded so that the last bits decide no order."""
    expected = np.empty(len(distribution))
    _expect(distribution, expected)
    return expected


@compiled.kernel
def _expect(distribution, expected):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    for i in range(len(expected)):
        level = np.float32(0)
        for j in range(distribution.shape[1]):
            level += np.float32(j + 1) * distribution[i, j]
        expected[i] = np.rint(level * _UNIT) / _UNIT


def best_first(ranked: Iterable[Ranked]) -> list[Ranked]:
    """Highest expected level first, equal ones by pin_id."""
    return sorted(ranked, key=lambda r: (-(r.expected_level or 0), r.pin_id))


def told(distribution: np.ndarray) -> tuple[list[int], list[float], list[tuple[float, ...]]]:
    """Most probable and expected levels, and probabilities, of each row."""
    rows = distribution.astype(np.float64).round(DECIMALS).tolist()
    return (distribution.argmax(axis=1) + 1).tolist(), rounded(distribution).tolist(), list(map(tuple, rows))
