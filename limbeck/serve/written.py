"""The answer of `/v1/rerank` by ids, read and written without an object for each Pin: they cost more than its grading.

What is asked and answered is what `messages.py` says; bodies that ask for anything else are left to it.
"""

from typing import Annotated

import msgspec
import numba
import numpy as np
from msgspec import Meta

from limbeck.serve.messages import MAX_DOCUMENTS, Query, Usage, relevance_scores
from limbeck.serve.ranked import DECIMALS, rounded


class ById(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    """A Pin of the index."""

    id: str


class RerankPins(msgspec.Struct):
    """`POST /v1/rerank` of Pins by their ids alone, none of which are to be sent back."""

    query: Query
    documents: list[ById]
    top_n: Annotated[int, Meta(ge=1)] | None = None
    return_documents: bool = False
    model: str | None = None


class RerankedPins(msgspec.Struct):
    """As `RerankAnswer`, its results written already."""

    id: str
    model: str
    results: msgspec.Raw
    usage: Usage = Usage()


def read(body: bytes) -> RerankPins | None:
    """The request in a body; None where it is not such a one, or not right, which another reader says in full."""
    try:
        asked = msgspec.json.decode(body, type=RerankPins)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    right = asked.query.strip() and 0 < len(asked.documents) <= MAX_DOCUMENTS
    return asked if right and not asked.return_documents else None


def results(order: np.ndarray, distribution: np.ndarray) -> msgspec.Raw:
    """The list of results as JSON, of Pins by their places (n,) among those asked about and their grades (n, 5).

    Each is as `_RESULT`, digits in their places; an index that has fewer stands behind spaces.
    """
    if not len(order):
        return msgspec.Raw(b"[]")
    expected = rounded(distribution)
    out = np.tile(_TEMPLATE, (len(order), 1))
    _write(out, order, distribution.argmax(axis=1) + 1, relevance_scores(expected), expected, distribution)
    return msgspec.Raw(b"[" + out.ravel()[:-1].tobytes() + b"]")


@numba.njit(cache=True, nogil=True)
def _write(out, order, levels, scores, expected, distribution):  # type: ignore[no-untyped-def]  # pragma: no cover
    """The numbers of each result into its line."""
    for i in range(len(out)):
        line = out[i]
        _digits(line, _INDEX, np.uint32(order[i]))
        _digits(line, _LEVEL, np.uint32(levels[i]))
        _digits(line, _SCORE, np.uint32(np.rint(scores[i] * _UNIT)))
        _digits(line, _EXPECTED, np.uint32(np.rint(expected[i] * _UNIT)))
        for j in range(len(_PROBABILITIES)):
            _digits(line, _PROBABILITIES[j], np.uint32(np.rint(np.float64(distribution[i, j]) * _UNIT)))
        for place in _INDEX[:-1]:
            if line[place] != _ZERO:
                break
            line[place] = _SPACE


@numba.njit(inline="always")
def _digits(line, places, number):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """The last digits of a whole number, as characters."""
    for k in range(len(places) - 1, -1, -1):
        line[places[k]] = _ZERO + number % np.uint32(10)
        number //= np.uint32(10)


_ZERO, _SPACE, _UNIT = ord("0"), ord(" "), 10.0**DECIMALS
_RESULT = (
    b'{"index":####,"relevance_score":#.######,"level":#,"expected_level":#.######,'
    b'"probabilities":[#.######,#.######,#.######,#.######,#.######]},'
)
_TEMPLATE = np.frombuffer(_RESULT, np.uint8)
_PLACES = np.flatnonzero(np.equal(_TEMPLATE, ord("#")))
_INDEX, _SCORE, _LEVEL, _EXPECTED, _PROBABILITIES = np.split(_PLACES, (4, 11, 12, 19))
_PROBABILITIES = _PROBABILITIES.reshape(-1, DECIMALS + 1)
assert len(str(MAX_DOCUMENTS - 1)) <= len(_INDEX)
