"""The answer of `/v1/rerank` by ids, read and written without an object for each Pin: they cost more than its grading.

What is asked and answered is what `messages.py` says; bodies that ask for anything else are left to it.
"""

from typing import Annotated

import msgspec
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
    told = np.column_stack([relevance_scores(expected), expected, distribution.astype(np.float64)])
    numbers = np.rint(told * 10**DECIMALS)
    out = np.tile(np.frombuffer(_RESULT, np.uint8), (len(order), 1))
    out[:, _NUMBERS] = _digits(numbers.astype(np.int64), DECIMALS + 1)
    out[:, _LEVEL] = distribution.argmax(axis=1) + 1 + _ZERO
    index = _digits(order[:, None], len(_INDEX))[:, 0]
    index[:, :-1][np.logical_and.accumulate(index[:, :-1] == _ZERO, axis=1)] = ord(" ")
    out[:, _INDEX] = index
    return msgspec.Raw(b"[" + out.ravel()[:-1].tobytes() + b"]")


def _digits(numbers: np.ndarray, count: int) -> np.ndarray:
    """The last digits of whole numbers (n, m), as characters: uint8 (n, m, count)."""
    rest, out = numbers.astype(np.uint32), np.empty((*numbers.shape, count), np.uint8)
    for place in range(count - 1, -1, -1):
        tens = rest // np.uint32(10)  # NumPy divides many numbers by one several times as fast as by many
        out[:, :, place] = rest - 10 * tens + _ZERO
        rest = tens
    return out


_ZERO = ord("0")
_RESULT = (
    b'{"index":####,"relevance_score":#.######,"level":#,"expected_level":#.######,'
    b'"probabilities":[#.######,#.######,#.######,#.######,#.######]},'
)
_PLACES = np.flatnonzero(np.frombuffer(_RESULT, np.uint8) == ord("#"))
_INDEX, _LEVEL = _PLACES[:4], int(_PLACES[11])
_NUMBERS = np.delete(_PLACES, [0, 1, 2, 3, 11]).reshape(-1, DECIMALS + 1)  # relevance, expected level, probabilities
assert len(str(MAX_DOCUMENTS - 1)) <= len(_INDEX)
