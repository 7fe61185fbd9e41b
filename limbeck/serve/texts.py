"""`POST /rerank`, in the shape of text-embeddings-inference; with `documents` for `texts`, in that of `/v1/rerank`."""

from collections.abc import Sequence
from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, Raw, UnsetType

from limbeck.serve.messages import MAX_DOCUMENTS, Query, check_query, decoded, relevance_scores
from limbeck.serve.ranked import RankedDocument

EXAMPLE = 'Send {"query": "…", "texts": ["…", "…"]}'


class TextsRequest(msgspec.Struct):
    """Texts to be graded. They are always cut to what the student reads, at their end, whatever is asked for."""

    query: Query
    texts: Annotated[list[str], Meta(max_length=MAX_DOCUMENTS)]
    raw_scores: bool = False
    return_text: bool = False
    truncate: bool = True
    truncation_direction: Literal["left", "right", "Left", "Right"] = "Right"


class TextsResult(msgspec.Struct):
    """One graded text; `score` is its expected level laid onto 0 to 1, with `raw_scores` as it is."""

    index: int
    score: float
    text: str | UnsetType = UNSET


class _Shape(msgspec.Struct):
    texts: Raw | UnsetType = UNSET


def asks_for_texts(body: bytes) -> bool:
    """Whether a body has the shape of text-embeddings-inference."""
    try:
        return msgspec.json.decode(body, type=_Shape).texts is not UNSET
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return False  # whoever reads the whole of it says what is wrong


def read_texts(body: bytes) -> TextsRequest:
    """The request in a body; `Refused` says what is wrong with it."""
    request = decoded(body, TextsRequest, EXAMPLE)
    check_query(request.query)
    return request


def answer(ranked: Sequence[RankedDocument], asked: TextsRequest) -> list[TextsResult]:
    """All texts, most relevant first."""
    levels = [graded.expected_level for graded in ranked]
    return [
        TextsResult(
            index=graded.index,
            score=score,
            text=asked.texts[graded.index] if asked.return_text else UNSET,
        )
        for graded, score in zip(ranked, levels if asked.raw_scores else relevance_scores(levels).tolist())
    ]
