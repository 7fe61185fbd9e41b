"""Requests and answers, and the edge where a request is checked: whatever is wrong with one is said in one line.

`/v1/rerank` and `/v2/rerank` have the shape that Cohere's and Jina's clients speak. Keys of a request that this service
does not know are ignored, as those clients send some; in a document they are refused, since a misspelt one would be
graded as empty.
"""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, TypeVar

import msgspec
import numpy as np
from msgspec import UNSET, Meta, UnsetType

from limbeck.relevance import LEVELS
from limbeck.serve.ranked import Ranked, RankedDocument, Similar
from limbeck.serve.understand import Understood

MAX_QUERY = 1_000  # characters
MAX_BODY = 1 << 20  # bytes
MAX_DOCUMENTS = 1_000
MOST_PAGES = 1_000_000  # of a board
MOST_EXPLAINED = 20  # Pins of an answer: each is read again once for each of its sources
EXAMPLE = 'Send {"query": "…", "documents": ["…", {"id": "…"}], "top_n": 10}'

T = TypeVar("T")
Query = Annotated[str, Meta(min_length=1, max_length=MAX_QUERY)]


class Refused(Exception):  # noqa: N818 -- an answer rather than a fault
    """A request that cannot be answered: the HTTP status, what is wrong, what to do about it, and further headers."""

    def __init__(
        self, status: int, error: str, remedy: str | None = None, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(error)
        self.status, self.error, self.remedy, self.headers = status, error, remedy, headers


class Document(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True, gc=False):
    """What is to be graded: a Pin by its `id`, or texts. `text` is another name for `description`."""

    id: str | None = None
    text: str | None = None
    title: str | None = None
    description: str | None = None
    caption: str | None = None
    board_titles: tuple[str, ...] = ()
    engaged_queries: tuple[str, ...] = ()
    link_title: str | None = None
    link_description: str | None = None

    def fields(self) -> dict[str, Any]:
        """The document as the ranker takes it."""
        if self.id is not None:
            return {"pin_id": self.id}
        said = {name: value for name, value in msgspec.structs.asdict(self).items() if value}
        return {**said, "description": said.pop("text")} if "text" in said else said


class RerankRequest(msgspec.Struct):
    """`POST /v1/rerank`."""

    query: Query
    documents: Annotated[list[str | Document], Meta(max_length=MAX_DOCUMENTS)]
    top_n: Annotated[int, Meta(ge=1)] | None = None
    return_documents: bool = False
    model: str | None = None


class RerankResult(msgspec.Struct, gc=False):
    """One graded document; `relevance_score` is the expected level laid onto 0 to 1."""

    index: int
    relevance_score: float
    level: int
    expected_level: float
    probabilities: tuple[float, ...]
    document: Document | UnsetType = UNSET


class Usage(msgspec.Struct, frozen=True):
    """Tokens that are charged for: none."""

    total_tokens: int = 0


class RerankAnswer(msgspec.Struct):
    """The best `top_n` documents, most relevant first.

    `id` is that of the request, as in its header and the log. `usage` is what Jina's clients read: it costs nothing.
    """

    id: str
    model: str
    results: list[RerankResult]
    usage: Usage = Usage()


class SearchRequest(msgspec.Struct):
    """`GET /search`."""

    q: Query
    k: Annotated[int, Meta(ge=1)] | None = None
    language: str | None = None
    country: str | None = None
    why: Annotated[int, Meta(ge=0, le=MOST_EXPLAINED)] = 0


class SearchAnswer(msgspec.Struct):
    """The best `k` Pins, most relevant first, and which student graded them.

    `degraded` says what was left out for want of time, or as the student failed; null where nothing was.
    """

    query: str
    understood: Understood
    model: str
    degraded: str | None
    results: list[Ranked]


class CompareRequest(msgspec.Struct):
    """`GET /compare`, a page."""

    q: Query
    left: str = "text match"
    right: str = "student"


class BoardRequest(msgspec.Struct):
    """`GET /boards/{board_id}`, a page."""

    page: Annotated[int, Meta(ge=1, le=MOST_PAGES)] = 1
    q: str | None = None  # what the Pins are to be explained for


class SimilarRequest(msgspec.Struct):
    """`GET /similar`."""

    pin_id: Annotated[str, Meta(min_length=1)]
    k: Annotated[int, Meta(ge=1)] | None = None


class SimilarAnswer(msgspec.Struct):
    """The `k` Pins nearest to a Pin, nearest first, and whose vectors they are near in."""

    pin_id: str
    model: str
    results: list[Similar]


def read_rerank(body: bytes) -> RerankRequest:
    """The request in a body; `Refused` says what is wrong with it."""
    request = decoded(body, RerankRequest, EXAMPLE)
    check_query(request.query)
    for number, document in enumerate(request.documents):
        if isinstance(document, Document):
            _check_document(document, number)
    return request


def read_search(parameters: Mapping[str, str], most: int) -> SearchRequest:
    """The request in a query string; `most` is how many Pins may be asked for."""
    request = _converted(parameters, SearchRequest, "Ask /search?q=words&k=20")
    check_query(request.q)
    _check_count(request.k, most)
    return request


def read_compare(parameters: Mapping[str, str], rankers: Sequence[str]) -> CompareRequest:
    """The request in a query string; `rankers` are those that there are."""
    request = _converted(parameters, CompareRequest, "Ask /compare?q=words")
    check_query(request.q)
    for name in (request.left, request.right):
        if name not in rankers:
            raise Refused(422, f"there is no ranker {name!r}", f"There are: {', '.join(rankers)}")
    return request


def read_level(parameters: Mapping[str, str]) -> int | None:
    """The level that a page is to show alone, if any."""
    level = parameters.get("level")
    if level and level not in map(str, LEVELS):
        raise Refused(422, f"there is no level {level!r}", "Levels are 1 to 5")
    return int(level) if level else None


def read_board(parameters: Mapping[str, str]) -> BoardRequest:
    """The request in a query string."""
    return _converted(parameters, BoardRequest, "Ask /boards/BOARD?page=2")


def read_similar(parameters: Mapping[str, str], most: int) -> SimilarRequest:
    """The request in a query string; `most` is how many Pins may be asked for."""
    request = _converted(parameters, SimilarRequest, "Ask /similar?pin_id=…&k=20")
    _check_count(request.k, most)
    return request


def results(ranked: Sequence[RankedDocument], documents: Sequence[str | Document | None]) -> list[RerankResult]:
    """Graded documents as they are answered, row by row, with the documents that are to be shown."""
    scores = relevance_scores([graded.expected_level for graded in ranked]).tolist()
    return [
        RerankResult(graded.index, score, graded.level, graded.expected_level, graded.probabilities, _shown(document))
        for graded, score, document in zip(ranked, scores, documents)
    ]


def _shown(document: str | Document | None) -> Document | UnsetType:
    return Document(text=document) if isinstance(document, str) else UNSET if document is None else document


def relevance_scores(expected_levels: Sequence[float] | np.ndarray) -> np.ndarray:
    """Level 1 is 0, level 5 is 1: float64 (n,)."""
    return ((np.asarray(expected_levels, dtype=np.float64) - 1) / 4).clip(0, 1).round(6)


def decoded(body: bytes, kind: type[T], example: str) -> T:
    """A body as a request; `Refused` shows the example."""
    try:
        return msgspec.json.decode(body, type=kind)
    except msgspec.ValidationError as error:
        raise Refused(422, str(error), example) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Refused(400, f"the body is not JSON: {error}", example) from None


def _converted(parameters: Mapping[str, str], kind: type[T], remedy: str) -> T:
    """Parameters as a request; empty ones are as those that were not sent, as forms send them."""
    try:
        return msgspec.convert({name: value for name, value in parameters.items() if value}, kind, strict=False)
    except msgspec.ValidationError as error:
        raise Refused(422, str(error), remedy) from None


def _check_count(k: int | None, most: int) -> None:
    if k is not None and k > most:
        raise Refused(422, f"k is {k}", f"Ask for 1 to {most} Pins")


def check_query(query: str) -> None:
    """`Refused` where a query says nothing."""
    if not query.strip():
        raise Refused(422, "the query is empty", "Send at least one word")


def _check_document(document: Document, number: int) -> None:
    if document.id is not None and document != Document(id=document.id):
        raise Refused(422, f"documents[{number}] has both an id and texts", "Send either the id of a Pin or texts")
    if document.text and document.description:
        raise Refused(422, f"documents[{number}] has both a text and a description", "They are the same; send one")
